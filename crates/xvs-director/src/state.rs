//! What must survive the daemon: the rule base and the settings, in one file.
//!
//! The file is replaced as a whole: written beside its place, flushed, renamed, and the folder
//! flushed. A daemon that dies at any moment, or a machine that loses power, leaves the old file or
//! the new one, never a mixture.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use xvs_control::wire::HookChoice;
use xvs_net::SysctlRecord;
use xvs_types::Rules;

/// The format of the file; another one is another daemon's.
const FORMAT: u32 = 1;

/// What survives the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Virtual and real servers, timeouts, sync daemons.
    pub rules: Rules,
    /// Where on its links the datapath runs.
    pub hook: HookChoice,
    /// The links that carry the datapath; none when xvs chooses.
    pub interfaces: Option<Vec<String>>,
    /// Addresses that xvs added to links and must remove again. One is written here before it is
    /// added, so that none is forgotten.
    pub added_addresses: Vec<AddedAddress>,
    /// Settings of the host that xvs changed and must give back, written here before each change.
    #[serde(default)]
    pub changed_settings: Vec<SysctlRecord>,
}

/// An address that xvs added to a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddedAddress {
    /// The address, added with the prefix length of one host.
    pub address: IpAddr,
    /// The interface index; names can change.
    pub ifindex: u32,
}

/// The file of a [`State`].
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
}

/// Why the state cannot be kept or read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file is there and cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what this daemon writes.
    #[error(
        "`{path}` is not understood: {reason}; repair it, or move it away to start without rules"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write `{path}`: {source}; is its file system full or read-only?")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    #[serde(flatten)]
    state: &'a State,
}

impl StateFile {
    /// The file at `path`; its folder must exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads the state; none when there is no file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or understood. It is never taken for empty then: rules would be
    /// lost.
    pub fn load(&self) -> Result<Option<State>, StateError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(StateError::Read {
                    path: self.path.clone(),
                    source,
                });
            }
        };
        parse(&text)
            .map(Some)
            .map_err(|reason| StateError::Content {
                path: self.path.clone(),
                reason,
            })
    }

    /// Replaces the file by `state`. When it returns, the new state survives a power loss.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; the old one is as it was.
    pub fn store(&self, state: &State) -> Result<(), StateError> {
        self.replace(state).map_err(|source| StateError::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn replace(&self, state: &State) -> io::Result<()> {
        let text = serde_json::to_vec(&Written {
            format: FORMAT,
            state,
        })?;
        let beside = self.path.with_extension("json.new");
        let mut file = File::create(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        let folder = self.path.parent().unwrap_or_else(|| Path::new("/"));
        File::open(folder)?.sync_all()
    }
}

fn parse(text: &[u8]) -> Result<State, String> {
    // The format is looked at first: another one may have other fields.
    let mut value: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let format = value
        .as_object_mut()
        .and_then(|object| object.remove("format"));
    if format != Some(FORMAT.into()) {
        let found = format.map_or_else(|| "none".to_owned(), |format| format.to_string());
        return Err(format!("its format is {found}, not {FORMAT}"));
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use xvs_types::{Op, VirtualServer, VirtualServerId};

    use super::*;

    fn some_state() -> State {
        let mut state = State {
            interfaces: Some(vec!["eth0".to_owned()]),
            added_addresses: vec![AddedAddress {
                address: "172.24.101.135".parse().unwrap(),
                ifindex: 3,
            }],
            ..State::default()
        };
        for port in 1..50 {
            let endpoint = xvs_types::Endpoint::new("192.0.2.1".parse().unwrap(), port);
            let virtual_server = VirtualServer::new(VirtualServerId::tcp(endpoint));
            state
                .rules
                .apply(&Op::AddVirtualServer { virtual_server })
                .unwrap();
        }
        state
    }

    fn file() -> (tempfile::TempDir, StateFile, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        (folder, StateFile::new(path.clone()), path)
    }

    #[test]
    fn what_was_stored_is_loaded_and_nothing_is_none() {
        let (_folder, file, _path) = file();
        assert_eq!(file.load().unwrap(), None);
        file.store(&some_state()).unwrap();
        assert_eq!(file.load().unwrap(), Some(some_state()));
    }

    #[test]
    fn a_write_torn_at_any_byte_leaves_the_old_state() {
        let (_folder, file, path) = file();
        file.store(&some_state()).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(97) {
            // What a daemon killed while writing leaves behind.
            fs::write(path.with_extension("json.new"), &whole[..length]).unwrap();
            assert_eq!(file.load().unwrap(), Some(some_state()));
        }
        file.store(&State::default()).unwrap();
        assert_eq!(file.load().unwrap(), Some(State::default()));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_never_an_empty_rule_base() {
        let (_folder, file, path) = file();
        file.store(&some_state()).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(97) {
            fs::write(&path, &whole[..length]).unwrap();
            let error = file.load().unwrap_err();
            assert!(matches!(error, StateError::Content { .. }), "{error}");
        }
    }

    #[test]
    fn another_format_is_refused_by_name() {
        let (_folder, file, path) = file();
        fs::write(&path, r#"{"format":2,"rules":{}}"#).unwrap();
        let text = file.load().unwrap_err().to_string();
        assert!(text.contains("its format is 2, not 1"), "{text}");
    }

    #[test]
    fn a_state_that_cannot_be_written_keeps_the_old_one() {
        let (folder, file, path) = file();
        file.store(&some_state()).unwrap();
        // A folder in the way of the file beside it, as a full disk would be.
        fs::create_dir(path.with_extension("json.new")).unwrap();
        assert!(matches!(
            file.store(&State::default()),
            Err(StateError::Write { .. })
        ));
        assert_eq!(file.load().unwrap(), Some(some_state()));
        drop(folder);
    }
}
