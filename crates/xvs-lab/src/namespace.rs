//! Named network namespaces: files under `/run/netns`, so that `ip netns` shows them too.
//!
//! They are entered with `setns` in a thread or a child of our own. `ip netns exec` is never used:
//! it mounts another `/sys`, which hides bpffs and the cgroups from what runs inside.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::MetadataExt, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    mount::{MntFlags, umount2},
    sched::{CloneFlags, setns},
};

use crate::{LabError, Mac, ProcessId};

/// Where named namespaces are (iproute2 `NETNS_RUN_DIR`).
const FOLDER: &str = "/run/netns";

/// A network namespace that has a name.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    file: Arc<File>,
}

impl Namespace {
    /// Makes a namespace; its loopback link is up.
    ///
    /// # Errors
    ///
    /// The name is taken, or `ip netns add` fails.
    pub fn create(name: &str) -> Result<Self, LabError> {
        ip(&["netns", "add", name])?;
        let namespace = Self::open(name)?;
        namespace.enter(|| ip(&["link", "set", "lo", "up"]))??;
        Ok(namespace)
    }

    /// The namespace that has this name.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be read.
    pub fn open(name: &str) -> Result<Self, LabError> {
        let path = path_of(name);
        let file = File::open(&path).map_err(LabError::file("open the namespace", &path))?;
        Ok(Self {
            name: name.to_owned(),
            file: Arc::new(file),
        })
    }

    /// Its name, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread that is in the namespace.
    ///
    /// Sockets that `work` opens stay in the namespace, and `/proc/sys/net` is that of the namespace.
    ///
    /// # Errors
    ///
    /// The namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let inside = || {
            setns(&*self.file, CloneFlags::CLONE_NEWNET).map_err(LabError::system(format!(
                "enter the namespace `{}`",
                self.name
            )))?;
            Ok(work())
        };
        match thread::scope(|scope| scope.spawn(inside).join()) {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// The MAC address of a link.
    ///
    /// # Errors
    ///
    /// The link does not exist or has none.
    pub fn mac(&self, link: &str) -> Result<Mac, LabError> {
        let found = self.enter(|| {
            getifaddrs()?
                .filter(|address| address.interface_name == link)
                .find_map(|address| address.address?.as_link_addr()?.addr())
                .ok_or(Errno::ENODEV)
        })?;
        let what = format!("read the MAC address of `{link}` in `{}`", self.name);
        found.map(Mac).map_err(LabError::system(what))
    }

    /// Makes `command` run in the namespace.
    pub fn place<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let file = Arc::clone(&self.file);
        // SAFETY: between fork and exec the closure makes one system call on a descriptor that the
        // closure keeps open; it takes no lock and allocates nothing.
        unsafe {
            command.pre_exec(
                move || match libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                },
            )
        }
    }
}

/// Deletes the namespace `name`; one that is not there is no error.
pub(crate) fn delete(name: &str) -> Result<(), LabError> {
    let path = path_of(name);
    if !path.exists() {
        return Ok(());
    }
    // A maker that was killed between the two steps leaves a plain file, which is no mount.
    match umount2(&path, MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(error) => {
            return Err(LabError::system(format!("unmount `{}`", path.display()))(
                error,
            ));
        }
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LabError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// The processes that live in the namespace `name`.
pub(crate) fn processes(name: &str) -> Vec<ProcessId> {
    let Ok(inode) = fs::metadata(path_of(name)).map(|meta| (meta.dev(), meta.ino())) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|meta| (meta.dev(), meta.ino()) == inode)
        })
        .filter_map(ProcessId::of)
        .collect()
}

fn path_of(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// Runs iproute2 in the namespace of the calling thread.
pub(crate) fn ip(arguments: &[&str]) -> Result<(), LabError> {
    let command = format!("ip {}", arguments.join(" "));
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => LabError::ToolMissing {
            tool: "ip",
            package: "iproute2",
        },
        _ => LabError::Command {
            command: command.clone(),
            source,
        },
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::CommandFailed {
        command,
        status: output.status.to_string(),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
