//! Programs of the operator: notify scripts, checks by program, readers of FIFOs.
//!
//! [`Program`] describes one run; [`Program::start`] starts it and [`Running::wait`] sees it to its end.
//! There is no shell. A program runs in a process group of its own, as its user and without further
//! groups, with nothing to read and nowhere to write. When its time is over the group gets SIGTERM, and
//! two seconds later SIGKILL. One that is given up (its [`Running`] is dropped) is killed at once with
//! all that it started; what a program left behind when it ended by itself is left alone. Programs are
//! always reaped.
//!
//! Needed: a tokio runtime with time and IO; to run something as another user, root.

mod account;
mod error;
mod group;
mod security;

use std::{
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::process::{Child, Command};
use xvs_conf::config::{Script, ScriptUser};

pub use account::{Account, account};
pub use error::ProcessError;
use group::ProcessGroup;
pub use security::check_path;

/// From SIGTERM to SIGKILL, as in keepalived.
pub const GRACE: Duration = Duration::from_secs(2);

/// One run of a program.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    arguments: &'a [String],
    user: &'a ScriptUser,
    more: Vec<String>,
    environment: Vec<(&'static str, String)>,
    secure: bool,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal, which was not ours.
    Killed(i32),
    /// Its time was over; it and its children are gone.
    TimedOut,
}

/// A program on its way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: ProcessGroup,
}

impl<'a> Program<'a> {
    /// The program of `script`, with its arguments and its user and the environment of this process.
    #[must_use]
    pub fn new(script: &'a Script) -> Self {
        Self {
            arguments: &script.arguments,
            user: &script.user,
            more: Vec::new(),
            environment: Vec::new(),
            secure: false,
        }
    }

    /// With these arguments behind those of the script.
    #[must_use]
    pub fn with_arguments(mut self, more: impl IntoIterator<Item = String>) -> Self {
        self.more.extend(more);
        self
    }

    /// With these variables beside the environment of this process.
    #[must_use]
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Refuses to let root run what others can change (`enable_script_security`); see [`check_path`].
    #[must_use]
    pub fn secured(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// There is no program, its user does not exist, others could change it, or the system refuses.
    pub fn start(&self) -> Result<Running, ProcessError> {
        let Some((program, arguments)) = self.arguments.split_first() else {
            return Err(ProcessError::NoProgram);
        };
        let account = account(self.user)?;
        if self.secure && account.is_root() {
            check_path(program.as_ref())?;
        }
        let mut command = Command::new(program);
        command
            .args(arguments)
            .args(&self.more)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        account.apply(&mut command);
        let child = command.spawn().map_err(|source| ProcessError::Spawn {
            program: program.clone(),
            source,
        })?;
        let group = ProcessGroup::of(child.id());
        Ok(Running { child, group })
    }

    /// Starts it and waits for its end, at most `limit` and [`GRACE`].
    ///
    /// # Errors
    /// As [`start`](Self::start), and when the system cannot say how it ended.
    pub async fn run(&self, limit: Duration) -> Result<Ended, ProcessError> {
        let mut running = self.start()?;
        match tokio::time::timeout(limit, running.wait()).await {
            Ok(ended) => ended,
            Err(_elapsed) => {
                running.stop().await?;
                Ok(Ended::TimedOut)
            }
        }
    }
}

impl Running {
    /// Waits for its end. May be given up and called again.
    ///
    /// # Errors
    /// The system cannot say how it ended.
    pub async fn wait(&mut self) -> Result<Ended, ProcessError> {
        let status = self.child.wait().await.map_err(ProcessError::Wait)?;
        self.group.done();
        Ok(ended(status))
    }

    /// Ends it: SIGTERM, SIGKILL after [`GRACE`] if it is needed. All that it started ends with it.
    ///
    /// # Errors
    /// The system cannot say how it ended.
    pub async fn stop(&mut self) -> Result<(), ProcessError> {
        self.group.signal(Signal::SIGTERM);
        // Its status says nothing any more; only that it is gone matters.
        let _ended = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.group.signal(Signal::SIGKILL);
        self.child.wait().await.map_err(ProcessError::Wait)?;
        self.group.done();
        Ok(())
    }
}

fn ended(status: ExitStatus) -> Ended {
    match status.code() {
        Some(code) => Ended::Exited(code),
        None => Ended::Killed(status.signal().unwrap_or_default()),
    }
}
