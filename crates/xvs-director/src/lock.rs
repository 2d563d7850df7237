//! One daemon an instance: its folder and the lock in it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
};

use nix::fcntl::{Flock, FlockArg};
use xvs_control::Instance;

/// The hold of a daemon on its instance; it ends with the process, however that ends.
#[derive(Debug)]
pub struct InstanceLock {
    _file: Flock<File>,
}

/// Why a daemon cannot have an instance.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another daemon has it.
    #[error(
        "instance `{instance}` is run by another daemon{}; stop that one, or choose another name with `--instance`",
        pid.map_or_else(String::new, |pid| format!(", process {pid}"))
    )]
    Taken {
        /// The name of the instance.
        instance: String,
        /// The other daemon's process id, if it has been written already.
        pid: Option<u32>,
    },
    /// The folder or the lock cannot be made.
    #[error("cannot {doing} `{path}`: {source}")]
    System {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl InstanceLock {
    /// Makes the folder of `instance` where it is missing and takes the lock in it.
    ///
    /// # Errors
    ///
    /// When another daemon holds the lock, or the folder cannot be made.
    pub fn take(instance: &Instance) -> Result<Self, LockError> {
        let failed = |doing, path: PathBuf| {
            move |source: io::Error| LockError::System {
                doing,
                path,
                source,
            }
        };
        let folder = instance.directory();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)
            .map_err(failed("make the folder", folder.to_owned()))?;
        let path = instance.lock();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .map_err(failed("open the lock", path.clone()))?;
        let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok();
                return Err(LockError::Taken {
                    instance: instance.name().to_owned(),
                    pid: pid.and_then(|_length| text.trim().parse().ok()),
                });
            }
            Err((_file, error)) => return Err(failed("take the lock", path)(error.into())),
        };
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(failed("write the lock", path))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let instance = Instance::new(&folder.path().join("deep"), "blue").unwrap();
        let first = InstanceLock::take(&instance).unwrap();
        let error = InstanceLock::take(&instance).unwrap_err();
        let own = std::process::id();
        assert!(
            error.to_string().starts_with(&format!(
                "instance `blue` is run by another daemon, process {own}; "
            )),
            "{error}"
        );
        let other = Instance::new(&folder.path().join("deep"), "green").unwrap();
        InstanceLock::take(&other).unwrap();
        drop(first);
        InstanceLock::take(&instance).unwrap();
    }
}
