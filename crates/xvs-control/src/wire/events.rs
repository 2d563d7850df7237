//! What happens, as it happens.

use serde::{Deserialize, Serialize};

/// A line of `GET /v1/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What it is about.
    pub kind: EventKind,
    /// The virtual server, by its name in logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_server: Option<String>,
    /// The real server, by its name in logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_server: Option<String>,
    /// It came (`true`) or went (`false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// The line of the log, or of the FIFO.
    pub text: String,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EventKind {
    /// A step of a health check.
    Check,
    /// A configuration came into force, was taken back or refused.
    Configuration,
    /// So many events before this one are lost: the reader is too slow.
    Lost,
    /// The quorum of a virtual server came or went; there is one for each transition.
    Quorum,
    /// A real server came or went; there is one for each transition.
    RealServer,
    /// A virtual router or a sync group.
    Vrrp,
    /// A kind of a newer daemon.
    #[serde(other)]
    Other,
}
