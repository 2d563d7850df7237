//! Why a check failed.

use std::{io, time::Duration};

use xvs_process::ProcessError;

/// Why a check failed: the peer, this host or the configuration, in a few words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// This host could not prepare the socket.
    #[error("cannot {what}: {source}")]
    Socket {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The peer refused, or no way leads to it.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// Something took too long.
    #[error("{what} took longer than {after:?}")]
    Timeout {
        /// What.
        what: &'static str,
        /// The limit.
        after: Duration,
    },
    /// Sending or receiving failed.
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    /// The peer closed before its answer was complete.
    #[error("the peer closed before its answer was complete")]
    Closed,
    /// The peer sent what is no answer.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// The peer sent more than is taken.
    #[error("{what} of the answer is longer than {limit} bytes")]
    TooLong {
        /// What.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// TLS failed on this side or on theirs.
    #[error("TLS: {0}")]
    Tls(String),
    /// An HTTP status that is not well.
    #[error("HTTP status {0}")]
    Status(u16),
    /// The MD5 of the body is none of those given.
    #[error("the body has the digest {0}")]
    Digest(String),
    /// The body does not match.
    #[error("the body does not match the regular expression")]
    NoMatch,
    /// The body matches what it must not.
    #[error("the body matches the regular expression, which it must not")]
    Match,
    /// The regular expression is no good or costs too much.
    #[error("regular expression: {0}")]
    Regex(String),
    /// An SMTP reply with another code.
    #[error("SMTP reply {got} in place of {wanted}")]
    Reply {
        /// The code that came.
        got: u16,
        /// The code that should have come.
        wanted: u16,
    },
    /// A DNS response code other than 0.
    #[error("DNS response code {0}")]
    ResponseCode(u8),
    /// The reply of a UDP server is not what it should be.
    #[error("the reply is not what it should be")]
    WrongReply,
    /// The program cannot be run.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// The program says no.
    #[error("exited with status {0}")]
    Exit(i32),
    /// The program was killed.
    #[error("killed by signal {0}")]
    Signal(i32),
    /// The program did not end in time.
    #[error("timed out")]
    TimedOut,
    /// The file cannot be read or has no number.
    #[error("cannot read a number from `{path}`: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The number in the file asks for failure.
    #[error("the file says {0}")]
    FileSays(i64),
    /// The BFD session of the check is down, and why.
    #[error("the BFD session is down: {0}")]
    Session(String),
    /// The check is none that is run (BFD), or lacks its address or URL.
    #[error("there is nothing to run for this check")]
    NotAProbe,
}
