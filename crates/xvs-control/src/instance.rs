//! Where the files of an instance are.
//!
//! The runtime directory holds one folder per instance; everything that daemon and command line must
//! agree on lies there under fixed names. This module makes names of paths and touches no file.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The runtime directory unless `XVS_RUNTIME_DIR` names another.
pub const DEFAULT_RUNTIME_DIRECTORY: &str = "/run/xvs";

/// One daemon and its folder below the runtime directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    name: String,
    directory: PathBuf,
}

/// A name that no instance can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` cannot name an instance; use 1 to 32 letters, digits, `-`, `_` or `.`, beginning with a letter or digit"
)]
pub struct InstanceError {
    /// What was given.
    pub name: String,
}

impl Instance {
    /// The instance `name`, with its folder below `runtime_directory`.
    ///
    /// # Errors
    ///
    /// When `name` is empty, longer than 32 bytes or has other characters than letters, digits, `-`,
    /// `_` and `.`: it becomes the name of a folder.
    pub fn new(runtime_directory: &Path, name: &str) -> Result<Self, InstanceError> {
        let fits = (1..=32).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !fits {
            return Err(InstanceError {
                name: name.to_owned(),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            directory: runtime_directory.join(name),
        })
    }

    /// The instance that `name` or the environment means: `name`, else `XVS_INSTANCE`, else
    /// `default`, below `XVS_RUNTIME_DIR` or [`DEFAULT_RUNTIME_DIRECTORY`].
    ///
    /// # Errors
    ///
    /// As [`Instance::new`].
    pub fn from_environment(name: Option<&str>) -> Result<Self, InstanceError> {
        let directory = env::var_os("XVS_RUNTIME_DIR")
            .filter(|value| !value.is_empty())
            .map_or_else(|| PathBuf::from(DEFAULT_RUNTIME_DIRECTORY), PathBuf::from);
        let from_variable = env::var("XVS_INSTANCE")
            .ok()
            .filter(|value| !value.is_empty());
        let name = name.or(from_variable.as_deref()).unwrap_or("default");
        Self::new(&directory, name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder, mode 0755.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The Unix socket of the control API.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("control.sock")
    }

    /// The rule base and settings that survive the daemon.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory.join("state.json")
    }

    /// The file that the running daemon keeps locked; it holds the daemon's process id.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    /// Where the instance's bpffs is mounted.
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        self.directory.join("bpf")
    }

    /// The command that starts a daemon for this instance, for messages.
    #[must_use]
    pub fn run_command(&self) -> String {
        if self.name == "default" {
            "xvs run".to_owned()
        } else {
            format!("xvs run --instance {}", self.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_in_the_folder_of_the_instance() {
        let instance = Instance::new(Path::new("/run/xvs"), "blue").unwrap();
        assert_eq!(instance.socket(), Path::new("/run/xvs/blue/control.sock"));
        assert_eq!(instance.pins(), Path::new("/run/xvs/blue/bpf"));
        assert_eq!(instance.run_command(), "xvs run --instance blue");
    }

    #[test]
    fn a_name_cannot_leave_the_runtime_directory() {
        for name in ["", ".", "..", "../x", "a/b", ".hidden", "a b", "-x", "é"] {
            assert!(
                Instance::new(Path::new("/run/xvs"), name).is_err(),
                "{name}"
            );
        }
        assert!(Instance::new(Path::new("/run/xvs"), &"a".repeat(33)).is_err());
        assert!(Instance::new(Path::new("/run/xvs"), &"a".repeat(32)).is_ok());
    }
}
