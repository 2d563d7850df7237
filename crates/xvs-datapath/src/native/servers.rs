//! What a world is made of: virtual and real servers, as tests spell them.

use std::net::{IpAddr, SocketAddr};

use xvs_wire::ipv4;

use crate::{abi::Method, native::datagram::parsed, scheduler::number};

/// A virtual server to be.
#[derive(Clone, Debug)]
pub struct Service {
    /// VIP and port; port 0 takes every port.
    pub address: SocketAddr,
    /// IANA protocol number.
    pub protocol: u8,
    /// Number of the scheduler.
    pub scheduler: u32,
    /// Persistent, with as many bits of the client's address that count.
    pub persistent: Option<u8>,
    /// One-packet scheduling.
    pub one_packet: bool,
    /// Persistent by the Call-ID of SIP as well.
    pub sip: bool,
    /// Whether packets may open connections.
    pub open: bool,
    /// Local addresses, each with its first and last port.
    pub locals: Vec<(IpAddr, u16, u16)>,
}

impl Service {
    /// A virtual server for TCP, scheduled round robin.
    #[must_use]
    pub fn tcp(endpoint: &str) -> Self {
        Self {
            address: parsed(endpoint),
            protocol: ipv4::PROTOCOL_TCP,
            scheduler: number::RR,
            persistent: None,
            one_packet: false,
            sip: false,
            open: true,
            locals: Vec::new(),
        }
    }

    /// The same for UDP.
    #[must_use]
    pub fn udp(endpoint: &str) -> Self {
        Self {
            protocol: ipv4::PROTOCOL_UDP,
            ..Self::tcp(endpoint)
        }
    }

    /// With another scheduler.
    #[must_use]
    pub fn scheduler(self, scheduler: u32) -> Self {
        Self { scheduler, ..self }
    }

    /// Persistent by the first `bits` bits of the client's address.
    #[must_use]
    pub fn persistent(self, bits: u8) -> Self {
        Self {
            persistent: Some(bits),
            ..self
        }
    }

    /// With one-packet scheduling.
    #[must_use]
    pub fn one_packet(self) -> Self {
        Self {
            one_packet: true,
            ..self
        }
    }

    /// Persistent by the Call-ID of SIP as well.
    #[must_use]
    pub fn sip(self) -> Self {
        Self { sip: true, ..self }
    }

    /// With a local address for FULLNAT and its ports from `first` to `last`.
    #[must_use]
    pub fn local(mut self, address: &str, first: u16, last: u16) -> Self {
        self.locals.push((parsed(address), first, last));
        self
    }

    /// On a host that does not have the VIP.
    #[must_use]
    pub fn elsewhere(self) -> Self {
        Self {
            open: false,
            ..self
        }
    }
}

/// A real server to be.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port; port 0 keeps the packet's.
    pub address: SocketAddr,
    /// One of [`Method`].
    pub method: u8,
    /// Its weight.
    pub weight: u32,
    /// Whether its next hop is known, and the next hop's MTU.
    pub mtu: Option<u32>,
    /// Outer source address of a tunnel.
    pub tunnel_source: Option<IpAddr>,
    /// Upper and lower threshold.
    pub thresholds: (u32, u32),
    /// Whether it is this host.
    pub here: bool,
}

impl Server {
    /// A real server with a known next hop.
    #[must_use]
    pub fn new(method: u8, endpoint: &str) -> Self {
        Self {
            address: parsed(endpoint),
            method,
            weight: 1,
            mtu: Some(1500),
            tunnel_source: None,
            thresholds: (0, 0),
            here: false,
        }
    }

    /// A real server behind a tunnel from `source`.
    #[must_use]
    pub fn tunnel(source: &str, endpoint: &str) -> Self {
        Self {
            tunnel_source: Some(parsed(source)),
            ..Self::new(Method::TUNNEL, endpoint)
        }
    }

    /// With a weight.
    #[must_use]
    pub fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// With an MTU of its next hop.
    #[must_use]
    pub fn mtu(self, mtu: u32) -> Self {
        Self {
            mtu: Some(mtu),
            ..self
        }
    }

    /// Without a known next hop: the routing table is asked.
    #[must_use]
    pub fn unknown_next_hop(self) -> Self {
        Self { mtu: None, ..self }
    }

    /// On this host, without a next hop.
    #[must_use]
    pub fn here(self) -> Self {
        Self {
            mtu: None,
            here: true,
            ..self
        }
    }

    /// With an upper and a lower threshold.
    #[must_use]
    pub fn thresholds(self, upper: u32, lower: u32) -> Self {
        Self {
            thresholds: (upper, lower),
            ..self
        }
    }
}
