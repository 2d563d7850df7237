//! Passwords and tokens: each is the first line of a file of its own, so that the configuration may be shown.

use std::{
    fs,
    io::{self, BufRead, BufReader},
};

/// Why a secret is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The file has an empty first line.
    #[error("the first line of `{path}` is empty; it should be the secret")]
    Empty {
        /// The file.
        path: String,
    },
    /// The file cannot be read.
    #[error("cannot read the secret in `{path}`: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// The first line of a file, without the spaces around it.
pub(crate) fn read(path: &str) -> Result<String, SecretError> {
    let mut line = String::new();
    fs::File::open(path)
        .and_then(|file| BufReader::new(file).read_line(&mut line))
        .map_err(|source| SecretError::Read {
            path: path.to_owned(),
            source,
        })?;
    match line.trim() {
        "" => Err(SecretError::Empty {
            path: path.to_owned(),
        }),
        secret => Ok(secret.to_owned()),
    }
}
