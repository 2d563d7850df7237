//! Runs a tool of the host for its output, within bounds.
//!
//! Arguments go to the program as they are, without a shell; a tool that takes too long or writes too
//! much is killed and is an error, so that a broken tool cannot stop or fill the daemon.

use std::{io, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::timeout,
};

/// How long a tool may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that a tool may write: some hundred thousand firewall rules.
const OUTPUT: u64 = 16 << 20;

/// Bytes of error messages that are kept.
const MESSAGES: u64 = 4 << 10;

/// A tool gave no output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It ended with an error.
    #[error("`{command}` failed with {status}: {message}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// The first line of its error messages.
        message: String,
    },
    /// It wrote too much.
    #[error("`{command}` wrote more than {OUTPUT} bytes")]
    Long {
        /// The command line.
        command: String,
    },
    /// Its output could not be read.
    #[error("cannot read the output of `{command}`: {source}")]
    Read {
        /// The command line.
        command: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It took too long.
    #[error("`{command}` took more than {} seconds", PATIENCE.as_secs())]
    Slow {
        /// The command line.
        command: String,
    },
    /// It could not be started.
    #[error("cannot run `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// Runs `command`, a program and its arguments, and returns what it wrote to its standard output.
pub(crate) async fn output(command: &[&str]) -> Result<String, CommandError> {
    let line = command.join(" ");
    match timeout(PATIENCE, run(command, &line)).await {
        Ok(result) => result,
        // The child is killed as its handle is dropped.
        Err(_elapsed) => Err(CommandError::Slow { command: line }),
    }
}

async fn run(command: &[&str], line: &str) -> Result<String, CommandError> {
    let owned = || line.to_owned();
    let unreadable = |source| CommandError::Read {
        command: line.to_owned(),
        source,
    };
    let (program, arguments) = command.split_first().unwrap_or((&"", &[]));
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| CommandError::Start {
            command: owned(),
            source,
        })?;
    let (out, messages) = (child.stdout.take(), child.stderr.take());
    // Both are read at once: a tool that fills one pipe must not wait for the other.
    let (out, messages) =
        tokio::try_join!(read(out, OUTPUT), read(messages, MESSAGES)).map_err(unreadable)?;
    if u64::try_from(out.len()).is_ok_and(|length| length > OUTPUT) {
        return Err(CommandError::Long { command: owned() });
    }
    let status = child.wait().await.map_err(unreadable)?;
    if !status.success() {
        let messages = String::from_utf8_lossy(&messages);
        return Err(CommandError::Failed {
            command: owned(),
            status: status.to_string(),
            message: messages.lines().next().unwrap_or_default().to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Reads `most` bytes and one more, by which the caller sees that there were more.
async fn read(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .await?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_is_returned_and_arguments_meet_no_shell() {
        let text = output(&["printf", "%s|", "a b", "$HOME;x"]).await.unwrap();
        assert_eq!(text, "a b|$HOME;x|");
    }

    #[tokio::test]
    async fn a_failing_tool_is_quoted() {
        let error = output(&["sh", "-c", "echo no such table >&2; exit 3"])
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with("exit status: 3: no such table"));
    }

    #[tokio::test]
    async fn a_tool_that_hangs_or_floods_is_stopped() {
        let hangs = output(&["sleep", "600"]).await.unwrap_err();
        assert!(matches!(hangs, CommandError::Slow { .. }), "{hangs}");
        let floods = output(&["head", "-c", "17000000", "/dev/zero"]).await;
        assert!(matches!(floods, Err(CommandError::Long { .. })));
    }

    #[tokio::test]
    async fn a_missing_tool_cannot_be_started() {
        let error = output(&["xvs-no-such-tool"]).await.unwrap_err();
        assert!(matches!(error, CommandError::Start { .. }));
    }
}
