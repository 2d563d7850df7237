//! BFD sessions (RFC 5880).

use std::{net::IpAddr, time::Duration};

use serde::Serialize;

use super::TrackWeight;

/// A `bfd_instance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BfdInstance {
    /// Its name, at most 31 bytes.
    pub name: String,
    /// `neighbor_ip`.
    pub neighbour: IpAddr,
    /// `source_ip`; none for the kernel's choice.
    pub source: Option<IpAddr>,
    /// `min_rx`; default 10 ms.
    pub min_rx: Duration,
    /// `min_tx`; default 10 ms.
    pub min_tx: Duration,
    /// `idle_tx`: interval while the session is down; default and least 1 s.
    pub idle_tx: Duration,
    /// `multiplier`, 1 to 255; default 5.
    pub multiplier: u8,
    /// Waits for the neighbour to begin.
    pub passive: bool,
    /// TTL or hop limit of what is sent; default 255 (IPv4) or 64 (IPv6).
    pub ttl: u8,
    /// How many hops a packet may have made; 255 for any number, default 0.
    pub max_hops: u8,
    /// Multihop session, UDP port 4784 (RFC 5883).
    pub multihop: bool,
    /// What it does to the priority of those that track it; default 0.
    #[serde(flatten)]
    pub weight: TrackWeight,
    /// Its events go to VRRP.
    pub for_vrrp: bool,
    /// Its events go to checkers.
    pub for_checkers: bool,
}
