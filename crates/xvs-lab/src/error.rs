//! What can go wrong when hosts are built, watched and asked.

use std::{io, path::PathBuf, time::Duration};

/// An error of the lab; its message is one line that says what failed, on what, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// A lab or topology of this name exists.
    #[error(
        "`{name}` is already up, run by somebody else or kept: `xvs lab down` takes down what was kept"
    )]
    AlreadyUp {
        /// The name.
        name: String,
    },
    /// A command of a host could not be run to its end.
    #[error("`{command}`: {source}")]
    Command {
        /// What was run.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// A command of a host ended with a status other than 0.
    #[error("`{command}` failed ({status}): {message}")]
    CommandFailed {
        /// What was run.
        command: String,
        /// How it ended.
        status: String,
        /// The line of what it wrote that says why.
        message: String,
    },
    /// A file of the lab.
    #[error("cannot {action} `{path}`: {source}", path = .path.display())]
    File {
        /// `read`, `write`, `remove`, ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The user or the system asked the lab to end.
    #[error("interrupted; the lab was taken down")]
    Interrupted,
    /// No lab that is up has this host, or several have it.
    #[error("no single host `{host}`; hosts that are up: {hosts}")]
    NoSuchHost {
        /// What was asked for.
        host: String,
        /// What there is.
        hosts: String,
    },
    /// Network namespaces and packet sockets are root's.
    #[error("a lab builds network namespaces, which only root may do: run it as root")]
    NotRoot,
    /// The kernel refused a call.
    #[error("cannot {action}: {source}")]
    System {
        /// What was attempted, on what.
        action: String,
        /// Why not.
        source: io::Error,
    },
    /// A program that the lab needs is not installed.
    #[error("`{tool}` is not installed: `apt-get install {package}` (or your system's like)")]
    ToolMissing {
        /// The program.
        tool: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// Something did not come about in time.
    #[error("{what} did not come about within {seconds} s{hint}", seconds = .limit.as_secs())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// Empty, or what is known about the reason, led by `: `.
        hint: String,
    },
}

impl LabError {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    pub(crate) fn system<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |source| Self::System {
            action,
            source: source.into(),
        }
    }
}
