//! Virtual servers, their groups and what they share.

use std::{net::IpAddr, time::Duration};

use serde::Serialize;
use xvs_types::{
    Endpoint, Family, ForwardingMethod, PersistenceEngine, PersistenceMask, Protocol, Scheduler,
    SchedulerFlags,
};

use super::{RealServer, Script};

/// A `virtual_server`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VirtualServer {
    /// What clients reach.
    pub target: Target,
    /// The family of its packets; none for a group, whose entries have their own.
    pub family: Option<Family>,
    /// The protocol; none for a firewall mark.
    pub protocol: Option<Protocol>,
    /// The scheduler; default wlc.
    pub scheduler: Scheduler,
    /// Its flags.
    pub scheduler_flags: SchedulerFlags,
    /// One-packet scheduling.
    pub one_packet: bool,
    /// The forwarding method of real servers that name none; default NAT.
    pub method: ForwardingMethod,
    /// How long clients stay with their real server, 1 to 2678400 s; none for no persistence.
    pub persistence_timeout: Option<Duration>,
    /// Which clients share a real server; none for single hosts.
    pub persistence_mask: Option<PersistenceMask>,
    /// `persistence_engine`.
    pub engine: Option<PersistenceEngine>,
    /// Real servers start outside of the pool.
    pub alpha: bool,
    /// Scripts also run at the end.
    pub omega: bool,
    /// Sum of weights that must be alive, at least 1; default 1.
    pub quorum: u64,
    /// How far the sum may pass the quorum without a change, below the quorum; default 0.
    pub hysteresis: u64,
    /// Run when the quorum is there.
    pub quorum_up: Option<Script>,
    /// Run when the quorum is lost.
    pub quorum_down: Option<Script>,
    /// Checks rest while its address is on no interface.
    pub ha_suspend: bool,
    /// Mail when the quorum comes or goes; default off.
    pub smtp_alert: bool,
    /// Host of HTTP checks that name none.
    pub virtualhost: Option<String>,
    /// Takes over while the quorum is lost.
    pub sorry_server: Option<SorryServer>,
    /// The real servers, never empty.
    pub real_servers: Vec<RealServer>,
}

/// What clients reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// An address and port; port 0 is every port.
    Address(Endpoint),
    /// The entries of a group, by its name.
    Group(String),
    /// Packets with this firewall mark.
    Mark(u32),
}

/// A `virtual_server_group`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VirtualServerGroup {
    /// Its name.
    pub name: String,
    /// Its entries, never empty.
    pub entries: Vec<GroupEntry>,
}

/// One line of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupEntry {
    /// Every address from the first to the last.
    Addresses {
        /// The first.
        first: IpAddr,
        /// The last, of the same family and not before the first.
        last: IpAddr,
        /// The port, 0 for every port.
        port: u16,
    },
    /// A firewall mark.
    Mark {
        /// The mark.
        mark: u32,
        /// Its family; none to follow the real servers.
        family: Option<Family>,
    },
}

/// The server that says sorry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SorryServer {
    /// Its address and port.
    pub endpoint: Endpoint,
    /// How packets reach it.
    pub method: ForwardingMethod,
    /// It stays with weight 0 rather than leave (`sorry_server_inhibit`).
    pub inhibit: bool,
}

/// When a check runs, with every default filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// Time between checks; default 60 s.
    pub delay_loop: Duration,
    /// Further failures until the real server is down.
    pub retry: u32,
    /// Time before each of them.
    pub delay_before_retry: Duration,
    /// The first check comes up to this much later, by chance.
    pub warmup: Duration,
    /// How long a connection may take; default 5 s.
    pub connect_timeout: Duration,
}

/// `SSL`: what SSL_GET presents and trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SslSettings {
    /// Password of the key.
    pub password: Option<String>,
    /// PEM file of authorities.
    pub ca: Option<String>,
    /// PEM file of the certificate.
    pub certificate: Option<String>,
    /// PEM file of the key.
    pub key: Option<String>,
}
