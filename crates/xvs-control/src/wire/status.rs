//! What the daemon says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HookChoice;

/// The answer of `GET /v1/version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The version of the daemon.
    pub version: String,
    /// The version of the API.
    pub api: u32,
}

/// The answer of `GET /v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The name of the instance.
    pub instance: String,
    /// The version of the daemon.
    pub version: String,
    /// The daemon's process id.
    pub pid: u32,
    /// The network namespace it entered; none for the one it was started in.
    pub netns: Option<String>,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// Whether the datapath goes on forwarding after a clean stop.
    pub keep: bool,
    /// The hook that was asked for.
    pub hook: HookChoice,
    /// The interfaces that were asked for; none when xvs chooses.
    pub interfaces: Option<Vec<String>>,
    /// Links that carry the datapath, or should.
    pub links: Vec<LinkStatus>,
    /// Virtual servers.
    pub virtual_servers: u64,
    /// Real servers, each behind each virtual server counted.
    pub real_servers: u64,
    /// The IPv4 connection table.
    pub table_v4: TableFill,
    /// The IPv6 connection table.
    pub table_v6: TableFill,
    /// Packets dropped, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Other countable events.
    pub events: BTreeMap<String, u64>,
    /// Addresses that xvs added to links: local addresses of FULLNAT.
    pub added_addresses: Vec<String>,
    /// What the administrator should know: a line each, without a full stop.
    pub warnings: Vec<String>,
}

/// A link in the status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkStatus {
    /// Interface index.
    pub ifindex: u32,
    /// Interface name.
    pub name: String,
    /// Where the datapath runs, `tcx`, `xdp` or `xdp-generic`; none when it could not be attached.
    pub hook: Option<String>,
    /// How it is attached in fact: `tcx`, `clsact`, `xdp (driver)`, ...
    pub attached_by: Option<String>,
    /// Why this link, and why this hook on it.
    pub reason: String,
}

/// The fill of a connection table; one direction of a connection is one entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableFill {
    /// Entries it holds.
    pub capacity: u64,
    /// Entries in use; NAT and FULLNAT connections use two.
    pub used: u64,
    /// Entries that found no place in the table and lie in the overflow hash.
    pub overflow: u64,
}
