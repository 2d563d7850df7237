//! Virtual servers.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    Endpoint, Family, Persistence, PersistenceEngine, Protocol, Scheduler, SchedulerFlags,
};

/// What clients reach: the identity of a virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VirtualServerId {
    /// `VIP:port/protocol`; port 0 is every port and needs persistence.
    Address {
        /// The protocol.
        protocol: Protocol,
        /// VIP and port.
        endpoint: Endpoint,
    },
    /// Packets that the firewall gave this mark, never 0.
    Mark {
        /// The family of the packets.
        family: Family,
        /// The mark, 1 to 2^32 - 1.
        mark: u32,
    },
}

impl VirtualServerId {
    /// A virtual server on a TCP endpoint.
    #[must_use]
    pub fn tcp(endpoint: Endpoint) -> Self {
        Self::Address {
            protocol: Protocol::Tcp,
            endpoint,
        }
    }

    /// A virtual server on a UDP endpoint.
    #[must_use]
    pub fn udp(endpoint: Endpoint) -> Self {
        Self::Address {
            protocol: Protocol::Udp,
            endpoint,
        }
    }

    /// The family of the packets it takes.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Address { endpoint, .. } => endpoint.family(),
            Self::Mark { family, .. } => *family,
        }
    }

    /// The VIP; none for a firewall mark.
    #[must_use]
    pub fn vip(&self) -> Option<IpAddr> {
        match self {
            Self::Address { endpoint, .. } => Some(endpoint.address),
            Self::Mark { .. } => None,
        }
    }

    /// The port; 0 for every port and for a firewall mark.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Address { endpoint, .. } => endpoint.port,
            Self::Mark { .. } => 0,
        }
    }
}

impl fmt::Display for VirtualServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, endpoint } => write!(f, "{protocol} {endpoint}"),
            Self::Mark {
                family: Family::V4,
                mark,
            } => write!(f, "FWM {mark}"),
            Self::Mark {
                family: Family::V6,
                mark,
            } => write!(f, "FWM {mark} IPv6"),
        }
    }
}

/// A virtual server without its real servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VirtualServer {
    /// What clients reach.
    pub id: VirtualServerId,
    /// The rule that picks a real server.
    #[serde(default)]
    pub scheduler: Scheduler,
    /// The scheduler's flags.
    #[serde(default)]
    pub scheduler_flags: SchedulerFlags,
    /// Whether and how clients stay with their real server.
    #[serde(default)]
    pub persistence: Option<Persistence>,
    /// The persistence engine; the kernel keeps one without persistence too.
    #[serde(default)]
    pub engine: Option<PersistenceEngine>,
    /// One-packet scheduling, UDP only (`-o`).
    #[serde(default)]
    pub one_packet: bool,
    /// Addresses of the director that FULLNAT connections come from (`--laddr`), at most 64.
    #[serde(default)]
    pub local_addresses: Vec<IpAddr>,
    /// Takes packets to the VIP even while the VIP is no address of this host.
    #[serde(default)]
    pub anywhere: bool,
}

impl VirtualServer {
    /// A virtual server with the defaults of `ipvsadm -A`: wlc, no persistence.
    #[must_use]
    pub fn new(id: VirtualServerId) -> Self {
        Self {
            id,
            scheduler: Scheduler::default(),
            scheduler_flags: SchedulerFlags::default(),
            persistence: None,
            engine: None,
            one_packet: false,
            local_addresses: Vec::new(),
            anywhere: false,
        }
    }
}
