//! What a dataplane reports: rules with their counts, and connections.

use std::{fmt, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Endpoint, ForwardingMethod, Protocol, RealServer, VirtualServer, VirtualServerId};

/// Totals since the virtual or real server was added or zeroed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; 0 for DR and TUN, whose replies bypass the director.
    pub packets_out: u64,
    /// Bytes from clients, IP header included.
    pub bytes_in: u64,
    /// Bytes to clients, IP header included.
    pub bytes_out: u64,
}

/// Rates a second, as the kernel's estimator rounds them (2 s samples, weight 1/4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Connections.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// What the dataplane does with packets for a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectiveMethod {
    /// As its rule says.
    Configured(ForwardingMethod),
    /// The real server is the director itself: packets go up the stack (listed as `Local`).
    Local,
}

/// A real server with its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServerListing {
    /// Its rule.
    pub config: RealServer,
    /// What is done with its packets.
    pub effective: EffectiveMethod,
    /// Connections in an active state.
    pub active: u32,
    /// Connections in any other state.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
    /// Totals; 0 where they were not asked for, see [`ServerScope`].
    #[serde(default)]
    pub counters: Counters,
    /// Rates; 0 where they were not asked for.
    #[serde(default)]
    pub rates: Rates,
}

/// A virtual server with its counts and its real servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServerListing {
    /// Its rule.
    pub config: VirtualServer,
    /// Totals, deleted real servers included; 0 where they were not asked for.
    #[serde(default)]
    pub counters: Counters,
    /// Rates; 0 where they were not asked for.
    #[serde(default)]
    pub rates: Rates,
    /// Its real servers in the kernel's order: the one added last comes first.
    pub real_servers: Vec<RealServerListing>,
}

/// What a listing of virtual servers shall hold. By default it holds everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerScope {
    /// This virtual server alone, if it exists; none for all of them.
    pub only: Option<VirtualServerId>,
    /// Whether totals and rates are wanted. They make a listing twice as long, and a dataplane looks
    /// through its connections for them.
    pub counters: bool,
}

impl Default for ServerScope {
    fn default() -> Self {
        Self {
            only: None,
            counters: true,
        }
    }
}

/// The state of a connection, in the kernel's order (`include/net/ip_vs.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ConnectionState {
    /// No segment seen yet; also a template without an established child.
    None,
    /// TCP and SCTP.
    Established,
    /// TCP.
    SynSent,
    /// TCP.
    SynRecv,
    /// TCP.
    FinWait,
    /// TCP.
    TimeWait,
    /// TCP.
    Close,
    /// TCP.
    CloseWait,
    /// TCP.
    LastAck,
    /// TCP.
    Listen,
    /// TCP.
    Synack,
    /// UDP, its only state.
    Udp,
    /// SCTP.
    Init1,
    /// SCTP.
    Init,
    /// SCTP.
    CookieSent,
    /// SCTP.
    CookieReplied,
    /// SCTP.
    CookieWait,
    /// SCTP.
    Cookie,
    /// SCTP.
    CookieEchoed,
    /// SCTP.
    ShutdownSent,
    /// SCTP.
    ShutdownReceived,
    /// SCTP.
    ShutdownAckSent,
    /// SCTP.
    Rejected,
    /// SCTP.
    Closed,
    /// A template with an established child.
    Assured,
}

impl ConnectionState {
    /// The name in the `state` column of `ipvsadm -Lc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait => "FIN_WAIT",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Synack => "SYNACK",
            Self::Udp => "UDP",
            Self::Init1 => "INIT1",
            Self::Init => "INIT",
            Self::CookieSent => "C-SENT",
            Self::CookieReplied => "C-REPLIED",
            Self::CookieWait => "C-WAIT",
            Self::Cookie => "COOKIE",
            Self::CookieEchoed => "C-ECHOED",
            Self::ShutdownSent => "S-SENT",
            Self::ShutdownReceived => "S-RECEIVED",
            Self::ShutdownAckSent => "S-ACK-SENT",
            Self::Rejected => "REJECTED",
            Self::Closed => "CLOSED",
            Self::Assured => "ASSURED",
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One tracked flow, or a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionListing {
    /// Its protocol; none for the template of a firewall mark (listed as `IP`).
    pub protocol: Option<Protocol>,
    /// The client; port 0 for a template.
    pub client: Endpoint,
    /// What the client talks to.
    pub virtual_endpoint: Endpoint,
    /// The virtual server it was scheduled by, if that still exists.
    pub virtual_server: Option<VirtualServerId>,
    /// The real server.
    pub real_endpoint: Endpoint,
    /// What is done with its packets.
    pub method: EffectiveMethod,
    /// FULLNAT: the address and port that the real server sees.
    pub local: Option<Endpoint>,
    /// Its state.
    pub state: ConnectionState,
    /// Time until it expires if no packet comes.
    pub expires: Duration,
    /// Whether it is a persistence template.
    pub template: bool,
    /// Persistence engine data of a template.
    pub engine_data: Option<String>,
    /// Packets from the client.
    pub packets_in: u64,
    /// Packets to the client.
    pub packets_out: u64,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
}

impl ConnectionListing {
    /// Whether the connection has `address` at any of its ends.
    #[must_use]
    pub fn touches(&self, address: IpAddr) -> bool {
        [
            self.client.address,
            self.virtual_endpoint.address,
            self.real_endpoint.address,
        ]
        .contains(&address)
            || self.local.is_some_and(|local| local.address == address)
    }
}
