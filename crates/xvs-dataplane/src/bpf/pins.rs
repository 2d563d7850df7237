//! Where the datapath is pinned: a BPF file system of this instance's own.

use std::{
    ffi::CString,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use xvs_datapath::abi;

use super::OpenError;

/// `BPF_FS_MAGIC` of `include/uapi/linux/magic.h`.
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// The folder of this layout's pins, mounted and made where it is not.
#[derive(Debug)]
pub(super) struct Pins {
    mount: PathBuf,
    folder: PathBuf,
}

impl Pins {
    /// Mounts a BPF file system on `mount` unless there is one, and checks what is pinned there.
    pub(super) fn open(mount: &Path) -> Result<Self, OpenError> {
        let failed = |reason| OpenError::Mount {
            path: mount.to_owned(),
            reason,
        };
        if has_own_mount_namespace().map_err(failed)? {
            return Err(OpenError::MountNamespace);
        }
        fs::create_dir_all(mount).map_err(failed)?;
        if !is_bpf_fs(mount).map_err(failed)? {
            mount_bpf_fs(mount).map_err(failed)?;
        }
        let wanted = format!("v{}", abi::VERSION);
        for entry in fs::read_dir(mount).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let found = entry.file_name();
            // Beside layouts there are the file system's own `maps.debug` and `progs.debug`.
            let is_layout = entry.file_type().map_err(failed)?.is_dir()
                && found.to_string_lossy().starts_with('v');
            if is_layout && found != *wanted {
                return Err(OpenError::Version {
                    path: mount.to_owned(),
                    found: found.to_string_lossy().into_owned(),
                    wanted,
                });
            }
        }
        let folder = mount.join(wanted);
        fs::create_dir_all(folder.join("links")).map_err(failed)?;
        Ok(Self {
            mount: mount.to_owned(),
            folder,
        })
    }

    /// The mounted folder.
    pub(super) fn mount(&self) -> &Path {
        &self.mount
    }

    /// The path of a map's pin.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.folder.join(name.to_lowercase())
    }

    /// The names of everything that is pinned and no link.
    pub(super) fn maps(&self) -> io::Result<Vec<String>> {
        let mut maps = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            maps.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(maps)
    }

    /// The path of a link's pin: by interface index and kind.
    pub(super) fn link(&self, ifindex: u32, kind: &str) -> PathBuf {
        self.folder.join("links").join(format!("{ifindex}-{kind}"))
    }

    /// The interface indexes and kinds of the pinned links.
    pub(super) fn links(&self) -> io::Result<Vec<(u32, String)>> {
        let mut links = Vec::new();
        for entry in fs::read_dir(self.folder.join("links"))? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if let Some((ifindex, kind)) = name.split_once('-')
                && let Ok(ifindex) = ifindex.parse()
            {
                links.push((ifindex, kind.to_owned()));
            }
        }
        Ok(links)
    }

    /// Gives up everything that is pinned, to begin anew.
    pub(super) fn empty(&self) -> io::Result<()> {
        self.remove()?;
        fs::create_dir_all(self.folder.join("links"))
    }

    /// Gives up everything that is pinned. The mount stays: it is empty, and a daemon that has dropped
    /// its privileges may not undo it.
    pub(super) fn remove(&self) -> io::Result<()> {
        for folder in [self.folder.join("links"), self.folder.clone()] {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_file() {
                    fs::remove_file(path)?;
                }
            }
            fs::remove_dir(&folder)?;
        }
        Ok(())
    }
}

/// Whether this process' mounts are not those of the host: of process 1, or, where that one is hidden
/// from us, of kthreadd, which has the first mount namespace too.
fn has_own_mount_namespace() -> io::Result<bool> {
    let own = fs::metadata("/proc/self/ns/mnt")?;
    let host = fs::metadata("/proc/1/ns/mnt").or_else(|_hidden| fs::metadata("/proc/2/ns/mnt"));
    match host {
        Ok(host) => Ok((own.dev(), own.ino()) != (host.dev(), host.ino())),
        // Neither is to be seen, as in a container: there its mounts live as long as it does.
        Err(_hidden) => Ok(false),
    }
}

fn is_bpf_fs(path: &Path) -> io::Result<bool> {
    let path = c_path(path)?;
    let mut status = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path is a valid C string, the room is of the right type.
    if unsafe { libc::statfs(path.as_ptr(), status.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call filled it.
    Ok(unsafe { status.assume_init() }.f_type == BPF_FS_MAGIC)
}

fn mount_bpf_fs(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: all are valid C strings.
    let done = unsafe {
        libc::mount(
            c"bpf".as_ptr(),
            path.as_ptr(),
            c"bpf".as_ptr(),
            libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
            c"mode=0700".as_ptr().cast(),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_nul| io::Error::new(io::ErrorKind::InvalidInput, "a path with a zero byte"))
}
