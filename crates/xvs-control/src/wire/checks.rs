//! What health checks have found.

use serde::{Deserialize, Serialize};

/// The answer of `GET /v1/checks`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChecksStatus {
    /// The virtual servers of the configuration, in its order.
    pub virtual_servers: Vec<CheckedVirtualServer>,
    /// Checks that run now.
    pub running: u64,
    /// Checks that have run since the daemon started.
    pub runs: u64,
    /// The most that a check ever began after it was due.
    pub latest_start_ms: u64,
    /// The BFD sessions of the configuration.
    pub bfd_sessions: Vec<BfdSessionStatus>,
}

/// A BFD session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BfdSessionStatus {
    /// The name of its `bfd_instance`.
    pub name: String,
    /// Its state: `AdminDown`, `Down`, `Init` or `Up`.
    pub state: String,
    /// The neighbour's state, as it said last.
    pub neighbour_state: String,
    /// Time between own packets.
    pub interval_ms: u64,
    /// Silence after which it goes down; none while nothing was heard.
    pub detection_ms: Option<u64>,
}

/// A virtual server as its checks see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckedVirtualServer {
    /// Its name in logs: `[192.0.2.1]:tcp:80`.
    pub name: String,
    /// Enough weight is alive.
    pub has_quorum: bool,
    /// The sum of weights that is alive.
    pub alive_weight: u64,
    /// The sum that must be.
    pub quorum: u64,
    /// How far the sum may pass it without a change.
    pub hysteresis: u64,
    /// The sorry server serves.
    pub sorry: bool,
    /// Its real servers.
    pub real_servers: Vec<CheckedRealServer>,
}

/// A real server as its checks see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckedRealServer {
    /// Its name in logs: `[10.0.0.1]:tcp:80`.
    pub name: String,
    /// Every checker is content.
    pub alive: bool,
    /// Its weight while it is alive.
    pub weight: u32,
    /// Its checkers; none when nothing checks it.
    pub checkers: Vec<CheckerReport>,
}

/// A checker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckerReport {
    /// Its keyword: `TCP_CHECK`.
    pub kind: String,
    /// It is content.
    pub up: bool,
    /// What it does now.
    pub state: CheckerState,
    /// Failures in a row that were not final.
    pub failures: u32,
    /// Time until its next run; none while it runs or rests.
    pub next_run_ms: Option<u64>,
    /// What it found last; none before its first answer.
    pub last: Option<LastCheck>,
}

/// What a checker does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckerState {
    /// A check is on its way.
    Running,
    /// The address of its virtual server is not here (`ha_suspend`).
    Suspended,
    /// It waits for its next run.
    #[default]
    Waiting,
}

/// The last run of a checker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastCheck {
    /// How long ago it ended.
    pub ago_ms: u64,
    /// How long it took, in microseconds.
    pub latency_us: u64,
    /// Why it failed; none for a success.
    pub failure: Option<String>,
}
