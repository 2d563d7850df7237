//! Where the record and the pins of one network namespace live.
//!
//! Below the runtime directory there is one folder for each role and network namespace, with the
//! record `state.json` and, for a real server with programs, a bpffs of its own on `bpf`. The folder
//! is named by the namespace's cookie, which the kernel never uses twice during one boot.

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

use crate::{Record, SetupError, netns, record::Identity};

/// The variable that moves the runtime directory, and its default.
const RUNTIME_VARIABLE: &str = "XVS_RUNTIME_DIR";
const RUNTIME: &str = "/run/xvs";

/// The folder of one role in one network namespace; others wait while it exists.
pub(crate) struct Place {
    folder: PathBuf,
    pub(crate) identity: Identity,
    _lock: Flock<File>,
}

/// The runtime directory: `XVS_RUNTIME_DIR`, default `/run/xvs`.
pub(crate) fn runtime_directory() -> PathBuf {
    env::var_os(RUNTIME_VARIABLE)
        .filter(|path| !path.is_empty())
        .map_or_else(|| PathBuf::from(RUNTIME), PathBuf::from)
}

impl Place {
    /// The place of `role` in the calling thread's network namespace, below `runtime`.
    pub(crate) fn open(
        runtime: &Path,
        role: &str,
        netns: Option<&str>,
    ) -> Result<Self, SetupError> {
        let roles = runtime.join(format!("{role}.d"));
        fs::create_dir_all(&roles).map_err(|source| SetupError::file("make", &roles, source))?;
        let lock = roles.join("lock");
        let file = File::create(&lock).map_err(|source| SetupError::file("make", &lock, source))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_file, errno)| SetupError::file("lock", &lock, errno.into()))?;
        let identity = Identity {
            boot: boot()?,
            netns_cookie: netns::cookie()?,
            netns: netns.map(str::to_owned),
        };
        clear_the_dead(&roles, &identity)?;
        Ok(Self {
            folder: roles.join(identity.netns_cookie.to_string()),
            identity,
            _lock: lock,
        })
    }

    /// The record's file.
    pub(crate) fn record_path(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// The record, when there is one.
    pub(crate) fn record(&self) -> Result<Option<Record>, SetupError> {
        let record = Record::load(&self.record_path())?;
        Ok(record.filter(|record| record.belongs_to(&self.identity)))
    }

    /// Makes the folder.
    pub(crate) fn make(&self) -> Result<(), SetupError> {
        fs::create_dir_all(&self.folder)
            .map_err(|source| SetupError::file("make", &self.folder, source))
    }

    /// The folder for pins, which may not exist yet.
    pub(crate) fn pins(&self) -> PathBuf {
        self.folder.join("bpf")
    }

    /// Makes the folder for pins and mounts a bpffs on it.
    pub(crate) fn mount_pins(&self) -> Result<(), SetupError> {
        let pins = self.pins();
        fs::create_dir_all(&pins).map_err(|source| SetupError::file("make", &pins, source))?;
        if is_bpffs(&pins) {
            return Ok(());
        }
        if !mount_namespace_outlives_us()? {
            return Err(SetupError::ForeignMountNamespace);
        }
        mount(
            Some("bpf"),
            &pins,
            Some("bpf"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
            Some("mode=0700"),
        )
        .map_err(|errno| SetupError::file("mount a bpffs on", &pins, errno.into()))
    }

    /// Removes the folder with everything in it: the last trace.
    pub(crate) fn remove(&self) -> Result<(), SetupError> {
        remove(&self.folder)
    }
}

/// Removes the folders of network namespaces that are gone, so that their programs end.
///
/// Only a namespace that has a name can be known to be gone; so can everything before a reboot.
fn clear_the_dead(roles: &Path, here: &Identity) -> Result<(), SetupError> {
    let listing = fs::read_dir(roles).map_err(|source| SetupError::file("list", roles, source))?;
    for entry in listing {
        let folder = entry
            .map_err(|source| SetupError::file("list", roles, source))?
            .path();
        if !folder.is_dir() {
            continue;
        }
        let Some(record) = Record::load(&folder.join("state.json"))? else {
            continue;
        };
        if !record.belongs_to(here) && !is_alive(&record, here) {
            remove(&folder)?;
        }
    }
    Ok(())
}

fn is_alive(record: &Record, here: &Identity) -> bool {
    let Some(name) = &record.netns else {
        return record.is_of_boot(here);
    };
    // a name may have been given to a new namespace since
    let found = netns::within(Some(name), netns::cookie);
    found.is_ok_and(|netns_cookie| {
        record.belongs_to(&Identity {
            netns_cookie,
            ..here.clone()
        })
    })
}

fn remove(folder: &Path) -> Result<(), SetupError> {
    let pins = folder.join("bpf");
    if is_bpffs(&pins) {
        umount2(&pins, MntFlags::MNT_DETACH)
            .map_err(|errno| SetupError::file("unmount", &pins, errno.into()))?;
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SetupError::file("remove", folder, error))
        }
        _ => Ok(()),
    }
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|file_system| file_system.filesystem_type() == BPF_FS_MAGIC)
}

/// The kernel's identity of this boot.
fn boot() -> Result<String, SetupError> {
    let path = "/proc/sys/kernel/random/boot_id";
    fs::read_to_string(path)
        .map(|text| text.trim_end().to_owned())
        .map_err(|source| SetupError::file("read", path, source))
}

/// Whether our mount namespace is the host's: that of the first process or, where that may not be
/// looked at, of the kernel's own threads, whose parent is process 2.
fn mount_namespace_outlives_us() -> Result<bool, SetupError> {
    let ours = "/proc/thread-self/ns/mnt";
    let ours = fs::read_link(ours).map_err(|source| SetupError::file("read", ours, source))?;
    if let Ok(first) = fs::read_link("/proc/1/ns/mnt") {
        return Ok(ours == first);
    }
    let threads = "/proc/2/ns/mnt";
    let of_kernel =
        fs::read_link(threads).map_err(|source| SetupError::file("read", threads, source))?;
    Ok(ours == of_kernel)
}
