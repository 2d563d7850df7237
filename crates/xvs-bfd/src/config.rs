//! What a session is to be.

use std::{net::IpAddr, sync::Arc, time::Duration};

/// A session with one neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Its name, which is its identity over a reload.
    pub name: Arc<str>,
    /// The other end.
    pub neighbour: IpAddr,
    /// The address to send from; none for the kernel's choice.
    pub source: Option<IpAddr>,
    /// Least interval between packets of the neighbour; default 10 ms.
    pub min_rx: Duration,
    /// Interval between own packets while the session is up; default 10 ms.
    pub min_tx: Duration,
    /// Interval between own packets while it is not; default and least 1 s (RFC 5880 6.8.3).
    pub idle_tx: Duration,
    /// Missed packets after which the neighbour takes us for dead, at least 1; default 5.
    pub multiplier: u8,
    /// Sends nothing until the neighbour does (RFC 5880 6.1).
    pub passive: bool,
    /// TTL or hop limit of what is sent and expected; default 255 (IPv4) or 64 (IPv6), as keepalived.
    pub ttl: u8,
    /// By how much a packet's TTL may be below `ttl`; 255 for anything; default 0.
    pub max_hops: u8,
    /// To port 4784, over several hops.
    pub multihop: bool,
}

impl SessionConfig {
    /// With every default.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, neighbour: IpAddr) -> Self {
        Self {
            name: name.into(),
            neighbour,
            source: None,
            min_rx: Duration::from_millis(10),
            min_tx: Duration::from_millis(10),
            idle_tx: Duration::from_secs(1),
            multiplier: 5,
            passive: false,
            ttl: if neighbour.is_ipv4() { 255 } else { 64 },
            max_hops: 0,
            multihop: false,
        }
    }

    /// Whether both are the same session over a reload, whatever their intervals.
    #[must_use]
    pub fn same_place(&self, other: &Self) -> bool {
        let place = |config: &Self| (config.neighbour, config.source, config.multihop, config.ttl);
        self.name == other.name && place(self) == place(other)
    }

    /// Whether a packet may have come so far: nobody behind a router can pretend to be next to us
    /// (RFC 5881 5, RFC 5082).
    #[must_use]
    pub fn accepts_ttl(&self, ttl: u8) -> bool {
        self.max_hops == u8::MAX || ttl >= self.ttl.saturating_sub(self.max_hops)
    }
}

/// A duration as it stands in a packet; the longest is 71 minutes.
pub(crate) fn microseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
