//! The journal: changes of the rules since the state file was written, a batch a line.
//!
//! A line counts when it is complete. One that a daemon died in, or that a machine lost power in, is
//! cut off before the next is written; nothing of it had reached the dataplane.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use xvs_types::{Op, Rules};

use crate::state::StateError;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    /// Its length, up to the end of the last complete line.
    bytes: u64,
}

impl Journal {
    /// Opens the journal at `path`, after its last complete line; makes one where there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let text = fs::read(path)?;
        let complete = text.iter().rposition(|byte| *byte == b'\n');
        let bytes = complete.map_or(0, |last| last + 1);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("/"));
        File::open(folder)?.sync_all()?;
        Ok(Self { file, bytes })
    }

    /// Its length.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes a batch; nothing of it stays when that fails.
    pub(crate) fn append(&mut self, ops: &[Op]) -> io::Result<()> {
        let mut line = serde_json::to_vec(ops)?;
        line.push(b'\n');
        let written = self
            .file
            .write_all(&line)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// Applies what the journal at `path` has to `rules`; nothing when there is no journal.
///
/// # Errors
///
/// When it cannot be read, or a complete line is not what this daemon writes.
pub(crate) fn replay(path: &Path, rules: &mut Rules) -> Result<(), StateError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(StateError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line.last() != Some(&b'\n') {
            break;
        }
        let content = |reason: String| StateError::Content {
            path: path.to_owned(),
            reason: format!("line {}: {reason}", number + 1),
        };
        let ops: Vec<Op> =
            serde_json::from_slice(line).map_err(|error| content(error.to_string()))?;
        for op in &ops {
            rules
                .apply(op)
                .map_err(|error| content(error.to_string()))?;
        }
    }
    Ok(())
}
