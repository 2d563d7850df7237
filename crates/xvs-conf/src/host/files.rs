//! Reading files and directories through the caller.

use std::collections::BTreeMap;

/// Why a file or a directory cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is no such file or directory.
    #[error("does not exist")]
    NotFound,
    /// It is a directory, a device or an executable; keepalived reads none of them.
    #[error("is not a regular file without execute permission")]
    NotRegular,
    /// Reading failed.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// The files of a configuration, read by the caller.
///
/// Paths are as the configuration has them, made absolute or relative to the root file's directory by
/// this crate; they use `/`.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`FileError`], also for a directory and for an executable file.
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;

    /// The names in a directory, in any order, for the wildcards of `include`; `.` and `..` left out.
    ///
    /// # Errors
    /// [`FileError::NotFound`] or [`FileError::Unreadable`].
    fn list(&self, directory: &str) -> Result<Vec<String>, FileError>;
}

/// Files in memory, by path.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryFiles {
    /// No file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more file.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), content.into());
        self
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.files.get(path).cloned().ok_or(FileError::NotFound)
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, FileError> {
        let prefix = if directory.is_empty() || directory.ends_with('/') {
            directory.to_owned()
        } else {
            format!("{directory}/")
        };
        let mut names: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        names.dedup();
        if names.is_empty() {
            return Err(FileError::NotFound);
        }
        Ok(names)
    }
}
