//! Virtual routers as they are, and what can be asked of them.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

/// The answer of `GET /v1/vrrp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VrrpStatus {
    /// The virtual routers, in the order of the configuration; none without VRRP.
    pub routers: Vec<VirtualRouterStatus>,
    /// Packets that were for no virtual router, by reason.
    pub stray: BTreeMap<String, u64>,
    /// Advertisements that the system did not take.
    pub not_taken: u64,
}

/// A virtual router as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtualRouterStatus {
    /// Its name.
    pub name: String,
    /// `MASTER`, `BACKUP`, `FAULT`, `INIT` or `STOP`.
    pub state: String,
    /// Why it is in that state.
    pub reason: String,
    /// When it entered it, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Its interface.
    pub interface: String,
    /// Its identifier.
    pub vrid: u8,
    /// 2 or 3.
    pub version: u8,
    /// The priority in the configuration.
    pub configured_priority: u8,
    /// The priority that counts: configured or set, moved by trackers.
    pub priority: u8,
    /// The addresses that it holds as master.
    pub addresses: Vec<IpAddr>,
    /// Where it sends from, when known.
    pub source: Option<IpAddr>,
    /// The master that it follows, or followed before it became master.
    pub master: Option<IpAddr>,
    /// That master's priority.
    pub master_priority: Option<u8>,
    /// The time between two of its own advertisements.
    pub interval_ms: u64,
    /// The time between two advertisements of the master that it follows; its own when master.
    pub master_interval_ms: u64,
    /// How long it waits for a silent master.
    pub master_down_ms: u64,
    /// Its sync group.
    pub group: Option<String>,
    /// Its sync group keeps it from becoming master.
    pub waits_for_group: bool,
    /// It handed over on request and does not preempt.
    pub yielded: bool,
    /// What it counted since the daemon started.
    pub counters: VirtualRouterCounters,
    /// Its last states, the oldest first.
    pub transitions: Vec<VrrpTransition>,
}

/// What a virtual router counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtualRouterCounters {
    /// Advertisements sent.
    pub sent: u64,
    /// Advertisements that could not be built or had no address to be sent from.
    pub not_sent: u64,
    /// Advertisements accepted.
    pub received: u64,
    /// Of these, those that release.
    pub releases_received: u64,
    /// Advertisements accepted though they list other addresses.
    pub addresses_differ: u64,
    /// Advertisements rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// How often it became master.
    pub became_master: u64,
    /// How often it left that state.
    pub released_master: u64,
    /// Of the advertisements sent, those that release.
    pub releases_sent: u64,
    /// How often it met another master and stayed.
    pub conflicts_won: u64,
    /// How often its addresses were removed by somebody else.
    pub addresses_lost: u64,
    /// Advertisements that went out more than half an interval late.
    pub late_adverts: u64,
    /// The latest of all its advertisements.
    pub greatest_lateness_us: u64,
}

/// A state that was entered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VrrpTransition {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Which one.
    pub state: String,
    /// Why.
    pub reason: String,
}

/// The body of `POST /v1/vrrp/failover`: a master hands over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VrrpFailover {
    /// Which virtual router.
    pub router: String,
}

/// The body of `POST /v1/vrrp/priority`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VrrpPriority {
    /// Which virtual router.
    pub router: String,
    /// In place of the configured one, 1 to 255; none takes that back.
    pub priority: Option<u8>,
}
