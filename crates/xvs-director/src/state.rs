//! What must survive the daemon: the rule base and the settings, in a file and the journal of what
//! changed since.
//!
//! The file is replaced as a whole: written beside its place, flushed, renamed, and the folder
//! flushed. A daemon that dies at any moment, or a machine that loses power, leaves the old file or
//! the new one, never a mixture. Changes of rules are appended to the journal, so that one costs
//! what it is worth and not what the table weighs; a journal that has grown becomes a new file. The
//! file names its journal by number, so no file is ever read with the journal of another.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use xvs_control::wire::HookChoice;
use xvs_net::SysctlRecord;
use xvs_types::{Op, Rules, VirtualServerId};

use crate::journal::{self, Journal};

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
    /// The virtual servers that a configuration file put there: what a later one no longer has goes.
    #[serde(default)]
    pub configured: Vec<VirtualServerId>,
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

/// The file of a [`State`], with its journal.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// The number of the journal that goes with the file; 0 before there is a file.
    number: u64,
    /// Bytes of the file.
    bytes: u64,
    /// Open while changes can be appended to it.
    journal: Option<Journal>,
}

/// A journal is appended to until it has this many bytes and twice those of its file.
const JOURNAL_BYTES: u64 = 16 * 1024 * 1024;

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
    journal: u64,
    #[serde(flatten)]
    state: &'a State,
}

impl StateFile {
    /// The file at `path`; its folder must exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            number: 0,
            bytes: 0,
            journal: None,
        }
    }

    /// Reads the state; none when there is no file.
    ///
    /// # Errors
    ///
    /// When the file or its journal cannot be read or understood. They are never taken for empty
    /// then: rules would be lost.
    pub fn load(&mut self) -> Result<Option<State>, StateError> {
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
        let (mut state, number) = parse(&text).map_err(|reason| StateError::Content {
            path: self.path.clone(),
            reason,
        })?;
        let journal = self.journal_path(number);
        journal::replay(&journal, &mut state.rules)?;
        self.number = number;
        self.bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        Ok(Some(state))
    }

    /// Replaces the file by `state` and begins a new journal. When it returns, the new state survives
    /// a power loss.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; the old one is as it was.
    pub fn store(&mut self, state: &State) -> Result<(), StateError> {
        let number = self.number + 1;
        let bytes = self
            .replace(state, number)
            .map_err(|source| StateError::Write {
                path: self.path.clone(),
                source,
            })?;
        self.journal = None;
        // One that cannot be removed belongs to no file any more, and is emptied before its number
        // comes again.
        let _stays = fs::remove_file(self.journal_path(self.number));
        self.number = number;
        self.bytes = bytes;
        Ok(())
    }

    /// Appends `ops`, which the rules took, to the journal. When it returns, they survive a power loss.
    ///
    /// # Errors
    ///
    /// When they cannot be written; none of them counts then.
    pub fn append(&mut self, ops: &[Op]) -> Result<(), StateError> {
        if ops.is_empty() {
            return Ok(());
        }
        let path = self.journal_path(self.number);
        let failed = |source| StateError::Write {
            path: path.clone(),
            source,
        };
        if self.journal.is_none() {
            self.journal = Some(Journal::open(&path).map_err(failed)?);
        }
        match self.journal.as_mut().map(|journal| journal.append(ops)) {
            Some(Err(source)) => {
                // The next attempt finds its end anew.
                self.journal = None;
                Err(failed(source))
            }
            _ => Ok(()),
        }
    }

    /// Whether the journal has grown so much that a new file is due.
    #[must_use]
    pub fn is_outgrown(&self) -> bool {
        let limit = JOURNAL_BYTES.max(self.bytes.saturating_mul(2));
        self.journal
            .as_ref()
            .is_some_and(|journal| journal.bytes() > limit)
    }

    fn journal_path(&self, number: u64) -> PathBuf {
        self.path.with_extension(format!("journal-{number}"))
    }

    fn replace(&self, state: &State, number: u64) -> io::Result<u64> {
        let text = serde_json::to_vec(&Written {
            format: FORMAT,
            journal: number,
            state,
        })?;
        // Of a file that was moved away, perhaps: the new one begins with nothing.
        match fs::remove_file(self.journal_path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _gone => {}
        }
        let beside = self.path.with_extension("json.new");
        let mut file = File::create(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        let folder = self.path.parent().unwrap_or_else(|| Path::new("/"));
        File::open(folder)?.sync_all()?;
        Ok(u64::try_from(text.len()).unwrap_or(u64::MAX))
    }
}

fn parse(text: &[u8]) -> Result<(State, u64), String> {
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
    // A file of before there were journals has none.
    let journal = value
        .as_object_mut()
        .and_then(|object| object.remove("journal"))
        .map_or(Some(0), |number| number.as_u64())
        .ok_or("its journal is no number")?;
    let state = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok((state, journal))
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
        let (_folder, mut file, _path) = file();
        assert_eq!(file.load().unwrap(), None);
        file.store(&some_state()).unwrap();
        assert_eq!(file.load().unwrap(), Some(some_state()));
    }

    #[test]
    fn a_write_torn_at_any_byte_leaves_the_old_state() {
        let (_folder, mut file, path) = file();
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
        let (_folder, mut file, path) = file();
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
        let (_folder, mut file, path) = file();
        fs::write(&path, r#"{"format":2,"rules":{}}"#).unwrap();
        let text = file.load().unwrap_err().to_string();
        assert!(text.contains("its format is 2, not 1"), "{text}");
    }

    #[test]
    fn a_state_that_cannot_be_written_keeps_the_old_one() {
        let (folder, mut file, path) = file();
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

    fn add(port: u16) -> Op {
        let endpoint = xvs_types::Endpoint::new("192.0.2.1".parse().unwrap(), port);
        Op::AddVirtualServer {
            virtual_server: VirtualServer::new(VirtualServerId::tcp(endpoint)),
        }
    }

    /// `some_state` with these ports more.
    fn with_ports(ports: &[u16]) -> State {
        let mut state = some_state();
        for port in ports {
            state.rules.apply(&add(*port)).unwrap();
        }
        state
    }

    #[test]
    fn what_was_appended_is_loaded_with_the_file_and_goes_into_the_next_one() {
        let (folder, mut file, path) = file();
        file.store(&some_state()).unwrap();
        file.append(&[add(100), add(101)]).unwrap();
        file.append(&[add(102)]).unwrap();
        let mut next = StateFile::new(path.clone());
        let expected = with_ports(&[100, 101, 102]);
        assert_eq!(next.load().unwrap(), Some(expected.clone()));
        next.append(&[add(103)]).unwrap();
        next.store(&expected).unwrap();
        assert_eq!(StateFile::new(path.clone()).load().unwrap(), Some(expected));
        // Nothing but the file is left, and a journal from elsewhere is no part of a new file.
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["state.json"]);
        next.append(&[add(104)]).unwrap();
        fs::remove_file(&path).unwrap();
        let mut first = StateFile::new(path.clone());
        assert_eq!(first.load().unwrap(), None);
        first.store(&some_state()).unwrap();
        first.store(&some_state()).unwrap();
        assert_eq!(StateFile::new(path).load().unwrap(), Some(some_state()));
    }

    #[test]
    fn a_batch_torn_at_any_byte_is_as_if_it_had_never_been() {
        let (_folder, mut file, path) = file();
        file.store(&some_state()).unwrap();
        file.append(&[add(100)]).unwrap();
        let journal = path.with_extension("journal-1");
        let whole = fs::read(&journal).unwrap();
        file.append(&[add(101), add(102)]).unwrap();
        let longer = fs::read(&journal).unwrap();
        for length in whole.len()..longer.len() {
            fs::write(&journal, &longer[..length]).unwrap();
            let mut next = StateFile::new(path.clone());
            assert_eq!(next.load().unwrap(), Some(with_ports(&[100])), "{length}");
            next.append(&[add(103)]).unwrap();
            assert_eq!(
                StateFile::new(path.clone()).load().unwrap(),
                Some(with_ports(&[100, 103])),
                "{length}"
            );
        }
    }

    #[test]
    fn a_damaged_journal_is_an_error_that_names_its_line() {
        let (_folder, mut file, path) = file();
        file.store(&some_state()).unwrap();
        file.append(&[add(100)]).unwrap();
        let journal = path.with_extension("journal-1");
        let whole = fs::read_to_string(&journal).unwrap();
        for (text, reason) in [
            (format!("{whole}{{}}\n{whole}"), "line 2"),
            (format!("{whole}{whole}"), "exists already"),
        ] {
            fs::write(&journal, text).unwrap();
            let error = StateFile::new(path.clone()).load().unwrap_err();
            assert!(matches!(error, StateError::Content { .. }), "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
