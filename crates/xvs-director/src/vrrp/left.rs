//! What a daemon may have brought to the host, where the next one finds it.
//!
//! A daemon that was killed leaves addresses, routes, rules and interfaces in place. What the next
//! one's configuration still names it takes over or takes off by itself; of the rest nobody would know.
//! So each plan is written down before anything of it is brought to the host, into the runtime
//! directory, which does not outlive the kernel either. It names what may be there: to take off what is
//! not there changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use xvs_vrrp::Name;

use super::plan::Holding;

/// What may be on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    /// By virtual router, and what is there whoever is master.
    pub(super) holdings: BTreeMap<Name, Holding>,
    /// Virtual MAC interfaces that were made.
    pub(super) vmacs: BTreeSet<Name>,
    /// There is a table that refuses packets to addresses.
    pub(super) refuses: bool,
}

/// The file of one daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftFile(PathBuf);

impl LeftFile {
    /// That of the daemon with this runtime folder.
    pub(super) fn of(runtime: &Path) -> Self {
        Self(runtime.join("vrrp.held.json"))
    }

    /// Whether a predecessor left one.
    pub(super) fn exists(&self) -> bool {
        self.0.exists()
    }

    /// What a predecessor may have left; nothing without a file.
    pub(super) fn read(&self) -> io::Result<Left> {
        match fs::read(&self.0) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Left::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes it whole or not at all.
    pub(super) fn write(&self, left: &Left) -> io::Result<()> {
        let beside = self.0.with_extension("new");
        fs::write(&beside, serde_json::to_vec(left)?)?;
        fs::rename(&beside, &self.0)
    }

    /// Removes it: nothing is there any more.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_daemon_reads_what_the_last_one_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let file = LeftFile::of(folder.path());
        assert!(!file.exists());
        assert_eq!(file.read().unwrap(), Left::default());
        let mut left = Left::default();
        left.holdings.insert("VI_1".into(), Holding::default());
        left.vmacs.insert("vrrp.51".into());
        file.write(&left).unwrap();
        assert_eq!(file.read().unwrap(), left);
        file.remove().unwrap();
        file.remove().unwrap();
        assert!(!file.exists());
        fs::write(folder.path().join("vrrp.held.json"), "{").unwrap();
        assert!(file.read().is_err());
    }
}
