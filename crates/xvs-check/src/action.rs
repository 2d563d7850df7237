//! What comes out of the machine.

use std::{fmt, sync::Arc};

use xvs_types::Op;

use crate::{CheckerId, Event};

/// Something to be done, in the order in which it comes out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Apply these ops, all or nothing.
    Apply(Vec<Op>),
    /// Give up a running check; its result will be ignored.
    Cancel(CheckerId),
    /// Write a line into the log.
    Log(Event),
    /// Tell scripts, FIFOs and mail.
    Notify(Notification),
    /// Run a check and hand its result to [`Checks::handle_result`](crate::Checks::handle_result).
    Run {
        /// Whose.
        checker: CheckerId,
        /// Which of its URLs, from 0.
        url: usize,
    },
}

/// A real server or a quorum came or went. There is exactly one for a transition.
///
/// Its text is the line that keepalived writes into `lvs_notify_fifo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What came or went.
    pub subject: Subject,
    /// The name of its virtual server.
    pub virtual_server: Arc<str>,
    /// It is there.
    pub up: bool,
}

/// What a notification is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A real server, by its name (`notify_up`, `notify_down`).
    RealServer(Arc<str>),
    /// The quorum of the virtual server (`quorum_up`, `quorum_down`), with the sum of weights.
    Quorum(u64),
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.up { "UP" } else { "DOWN" };
        match &self.subject {
            Subject::RealServer(name) => write!(f, "RS {name} {} {state}", self.virtual_server),
            Subject::Quorum(_) => write!(f, "VS {} {state}", self.virtual_server),
        }
    }
}
