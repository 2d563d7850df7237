//! What is put in the place of the recorded director.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

/// A director under test.
pub trait Director {
    /// Runs a command of a recording on it.
    fn run(&mut self, command: &str) -> Answer;

    /// Puts a frame into it by a leg. So many frames are `awaited`: whoever has to wait for them knows
    /// when all are there.
    ///
    /// # Errors
    ///
    /// When it cannot be.
    fn inject(&mut self, leg: &str, frame: &[u8], awaited: usize) -> Result<Seen, String>;

    /// What leaves by itself within so many milliseconds, where time passes without being told.
    fn listen(&mut self, _milliseconds: u64) -> Seen {
        Seen::nothing()
    }

    /// How long a connection that is there has been there at most, where that is not what was told: since
    /// the director was empty.
    fn elapsed(&self) -> Option<Duration> {
        None
    }

    /// What leaves by a leg when the host's own stack, which is not here, sends a frame by it.
    ///
    /// # Errors
    ///
    /// When it cannot be said.
    fn leave(&mut self, leg: &str, frame: &[u8]) -> Result<Seen, String>;

    /// Lets milliseconds pass.
    fn wait(&mut self, milliseconds: u64) -> Seen;
}

/// What a command answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Exit status; -1 for a command that could not be run.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// Its messages.
    pub stderr: String,
}

impl Answer {
    /// What a process answers, without the host's language and without input.
    pub(crate) fn of(command: &mut Command) -> Self {
        match command.env("LC_ALL", "C").stdin(Stdio::null()).output() {
            Ok(output) => Self {
                status: output.status.code().unwrap_or(-1),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => Self::refused(error.to_string()),
        }
    }

    /// The answer to a command that this director does not have.
    #[must_use]
    pub fn refused(why: String) -> Self {
        Self {
            status: -1,
            stderr: why,
            ..Self::default()
        }
    }
}

/// What became of a frame, or what left meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Every frame that left: leg and bytes.
    Frames(Vec<(String, Vec<u8>)>),
    /// It was left, as it is now, to the director's own stack.
    Passed(Vec<u8>),
    /// It leaves when its neighbour is resolved; until then the host asks for it.
    Waiting,
}

impl Seen {
    /// Nothing left.
    #[must_use]
    pub const fn nothing() -> Self {
        Self::Frames(Vec::new())
    }
}
