//! Why a program did not run.

use std::{io, path::PathBuf};

/// Why a program did not run, or how it went is unknown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The script has no words.
    #[error("there is no program to run")]
    NoProgram,
    /// It should run as someone who does not exist.
    #[error("there is no {kind} `{name}`: create it or name another one")]
    NoUser {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Root would run what others can change.
    #[error(
        "`{program}` is not run as root, since others than root can change `{path}`: give it to root, \
         writable by root alone"
    )]
    Insecure {
        /// The program.
        program: PathBuf,
        /// The file or directory that others can change.
        path: PathBuf,
    },
    /// Whether it is safe to run cannot be found out.
    #[error("cannot look at `{path}` to see who can change it: {source}")]
    Look {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system does not run it.
    #[error("cannot run `{program}`: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// How it ended is unknown.
    #[error("cannot wait for a program: {0}")]
    Wait(#[source] io::Error),
}
