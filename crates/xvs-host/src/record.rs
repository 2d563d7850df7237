//! What was there before the first change, so that it can come back.
//!
//! The record is written before anything changes and replaced by rename, so at every moment it
//! covers every change that may have happened.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use xvs_net::Sysctl;

use crate::{Item, SetupError, Value};

/// The layout of the file; another number is refused.
const VERSION: u32 = 1;

/// The changes made in one network namespace, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// The kernel's identity of this boot: what was changed before a reboot is gone.
    boot: String,
    /// The kernel's identity of the network namespace, never used twice during one boot.
    netns_cookie: u64,
    /// The name by which the namespace was entered; none for the caller's own.
    pub(crate) netns: Option<String>,
    /// The changes.
    pub(crate) changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// What was changed, and what was wanted of it.
    pub(crate) item: Item,
    /// What it was before.
    pub(crate) previous: Value,
    /// Settings that the kernel changed along with it, with their values before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) also: Vec<(Sysctl, String)>,
}

/// Where records of one network namespace belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The kernel's identity of this boot.
    pub(crate) boot: String,
    /// The kernel's identity of the network namespace.
    pub(crate) netns_cookie: u64,
    /// The name by which the namespace was entered; none for the caller's own.
    pub(crate) netns: Option<String>,
}

impl Record {
    /// A record without changes.
    #[must_use]
    pub(crate) fn new(identity: &Identity) -> Self {
        Self {
            version: VERSION,
            boot: identity.boot.clone(),
            netns_cookie: identity.netns_cookie,
            netns: identity.netns.clone(),
            changes: Vec::new(),
        }
    }

    /// The record at `path`; none when there is no file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no record, or is one of another version of xvs.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, SetupError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SetupError::file("read", path, source)),
        };
        let record: Self = serde_json::from_str(&text).map_err(|source| SetupError::Record {
            path: path.to_owned(),
            source,
        })?;
        if record.version == VERSION {
            Ok(Some(record))
        } else {
            Err(SetupError::RecordVersion {
                path: path.to_owned(),
                found: record.version,
                known: VERSION,
            })
        }
    }

    /// Writes the record so that a crash leaves either the old or the new one.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub(crate) fn save(&self, path: &Path) -> Result<(), SetupError> {
        let temporary = PathBuf::from(format!("{}.new", path.display()));
        let failed = |source| SetupError::file("write", path, source);
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        let mut file = File::create(&temporary).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.write_all(b"\n").map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&temporary, path).map_err(failed)
    }

    /// Whether the record is of this boot and this network namespace.
    #[must_use]
    pub(crate) fn belongs_to(&self, identity: &Identity) -> bool {
        self.boot == identity.boot && self.netns_cookie == identity.netns_cookie
    }

    /// Whether the record is of this boot.
    #[must_use]
    pub(crate) fn is_of_boot(&self, identity: &Identity) -> bool {
        self.boot == identity.boot
    }

    /// The change of the same thing.
    pub(crate) fn change_mut(&mut self, item: &Item) -> Option<&mut Change> {
        self.changes
            .iter_mut()
            .find(|change| change.item.same_thing(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            boot: "b".to_owned(),
            netns_cookie: 7,
            netns: Some("rs1".to_owned()),
        }
    }

    #[test]
    fn a_saved_record_is_read_back_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert_eq!(Record::load(&path).unwrap(), None);
        let mut record = Record::new(&identity());
        record.changes.push(Change {
            item: Item::sysctl(Sysctl::ip_forward(), "1"),
            previous: Value::Text("0".to_owned()),
            also: vec![(Sysctl::ipv6_forwarding(), "0".to_owned())],
        });
        record.save(&path).unwrap();
        assert_eq!(Record::load(&path).unwrap(), Some(record));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_record_of_another_boot_or_namespace_does_not_belong_here() {
        let record = Record::new(&identity());
        assert!(record.belongs_to(&identity()));
        let rebooted = Identity {
            boot: "c".to_owned(),
            ..identity()
        };
        assert!(!record.belongs_to(&rebooted));
        let other = Identity {
            netns_cookie: 8,
            ..identity()
        };
        assert!(!record.belongs_to(&other));
    }

    #[test]
    fn a_record_of_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut record = Record::new(&identity());
        record.version = 2;
        record.save(&path).unwrap();
        let message = Record::load(&path).unwrap_err().to_string();
        assert!(message.contains("version 2"), "{message}");
        fs::write(&path, "{").unwrap();
        assert!(Record::load(&path).is_err());
    }
}
