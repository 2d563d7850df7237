//! The host's network as plain values: links, addresses, prefixes, routes and neighbours.
//!
//! Nothing here talks to the kernel; the values are what [`Host`](crate::Host) reads and what the
//! director hands on to the dataplane.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use xvs_types::Family;

/// An Ethernet address.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A link (network device) of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkInfo {
    /// Interface index, unique within the network namespace.
    pub index: u32,
    /// Interface name, such as `eth0`.
    pub name: String,
    /// Its Ethernet address; none on links that have none, such as IP tunnels.
    pub mac: Option<Mac>,
    /// Bytes of the largest IP packet it carries.
    pub mtu: u32,
    /// Bytes of the largest IPv6 packet it carries; less than `mtu` when a router said so.
    pub mtu_v6: u32,
    /// The administrator switched it on (`IFF_UP`).
    pub up: bool,
    /// It has carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// It is the loopback device.
    pub loopback: bool,
    /// Its frames begin with an Ethernet header (`ARPHRD_ETHER`).
    pub ethernet: bool,
    /// The kernel's name of its kind, such as `veth`, `bridge`, `vlan` or `tun` (tun and tap); none
    /// for physical devices and `lo`.
    pub kind: Option<String>,
    /// The index of the bridge, bond, team or VRF that it is a port of.
    pub master: Option<u32>,
    /// The index of the link under it (VLAN, macvlan) or of its peer (veth); none when that lies in
    /// another network namespace.
    pub lower: Option<u32>,
}

/// An address prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix {
    /// The address; bits beyond `length` are ignored.
    pub address: IpAddr,
    /// Prefix length, 0 to 32 or 128.
    pub length: u8,
}

impl Prefix {
    /// The prefix that holds `address` alone.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self {
            address,
            length: Family::of(address).bits(),
        }
    }

    /// Whether `address` lies in the prefix.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let host_bits = 32_u32.saturating_sub(self.length.into());
                let differing = u64::from(a.to_bits() ^ b.to_bits());
                differing >> host_bits == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let host_bits = 128_u32.saturating_sub(self.length.into());
                let differing = a.to_bits() ^ b.to_bits();
                differing.checked_shr(host_bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// An address that a link has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAddress {
    /// The link.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of the prefix that it shares with the link's neighbours.
    pub length: u8,
    /// The address is being probed for duplicates and cannot be used yet (IPv6).
    pub tentative: bool,
}

/// A unicast route of a routing table other than `local`; one entry for each of its next hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteEntry {
    /// What it leads to.
    pub destination: Prefix,
    /// The link that packets leave by.
    pub ifindex: u32,
    /// The next router; none when the destination is on the link.
    pub gateway: Option<IpAddr>,
}

/// Where the kernel would send a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteAnswer {
    /// The link that the packet leaves by; the loopback link for a local destination.
    pub ifindex: u32,
    /// The next router, of either family; none when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The address the kernel would send from.
    pub source: Option<IpAddr>,
    /// Bytes of the largest IP packet on the way: the route's or a learned path MTU, else the link's.
    pub mtu: u32,
    /// The destination is this host.
    pub local: bool,
}

impl RouteAnswer {
    /// The neighbour that a packet to `destination` is handed to; none for a local destination.
    #[must_use]
    pub fn neighbour(&self, destination: IpAddr) -> Option<NeighbourKey> {
        (!self.local).then(|| NeighbourKey {
            ifindex: self.ifindex,
            address: self.gateway.unwrap_or(destination),
        })
    }
}

/// A neighbour on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NeighbourKey {
    /// The link.
    pub ifindex: u32,
    /// The neighbour's address.
    pub address: IpAddr,
}

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The link.
    pub ifindex: u32,
    /// The neighbour's address.
    pub address: IpAddr,
    /// Its Ethernet address; none while unresolved.
    pub mac: Option<Mac>,
    /// The state of the entry.
    pub state: NeighbourState,
    /// The kernel keeps it resolved by itself (`NTF_EXT_MANAGED`).
    pub managed: bool,
}

impl Neighbour {
    /// The Ethernet address to send to, when the kernel itself would send to it.
    #[must_use]
    pub fn usable_mac(&self) -> Option<Mac> {
        self.mac.filter(|_mac| self.state.is_usable())
    }
}

/// The state of a neighbour entry, in the order of the kernel's `NUD_*` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighbourState {
    /// Asked for, no answer yet.
    Incomplete,
    /// Confirmed not long ago.
    Reachable,
    /// Was confirmed long ago; still used.
    Stale,
    /// Used while stale; a probe follows.
    Delay,
    /// Being probed; still used.
    Probe,
    /// Did not answer.
    Failed,
    /// Needs no resolution.
    NoArp,
    /// Set by the administrator for good.
    Permanent,
    /// A new entry that nobody asked for yet.
    None,
}

impl NeighbourState {
    /// Whether the kernel sends to the entry's Ethernet address in this state (`NUD_VALID`).
    #[must_use]
    pub fn is_usable(self) -> bool {
        !matches!(self, Self::Incomplete | Self::Failed | Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str, length: u8) -> Prefix {
        Prefix {
            address: address.parse().unwrap(),
            length,
        }
    }

    #[test]
    fn a_prefix_contains_its_addresses_only() {
        assert!(prefix("10.9.0.0", 16).contains("10.9.255.1".parse().unwrap()));
        assert!(!prefix("10.9.0.0", 16).contains("10.10.0.1".parse().unwrap()));
        assert!(prefix("0.0.0.0", 0).contains("255.1.2.3".parse().unwrap()));
        assert!(prefix("::", 0).contains("ff00::1".parse().unwrap()));
        assert!(!prefix("0.0.0.0", 0).contains("::1".parse().unwrap()));
        let one = Prefix::host("2001:db8::1".parse().unwrap());
        assert!(one.contains("2001:db8::1".parse().unwrap()));
        assert!(!one.contains("2001:db8::2".parse().unwrap()));
    }

    #[test]
    fn a_route_by_a_gateway_has_the_gateway_as_neighbour() {
        let destination = "10.2.0.1".parse().unwrap();
        let mut answer = RouteAnswer {
            ifindex: 3,
            gateway: Some("fe80::1".parse().unwrap()),
            source: None,
            mtu: 1500,
            local: false,
        };
        let address = |answer: &RouteAnswer| answer.neighbour(destination).map(|key| key.address);
        assert_eq!(address(&answer), answer.gateway);
        answer.gateway = None;
        assert_eq!(address(&answer), Some(destination));
        answer.local = true;
        assert_eq!(address(&answer), None);
    }

    #[test]
    fn an_unanswered_neighbour_has_no_usable_mac() {
        let mut neighbour = Neighbour {
            ifindex: 1,
            address: "10.0.0.1".parse().unwrap(),
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            state: NeighbourState::Failed,
            managed: true,
        };
        assert_eq!(neighbour.usable_mac(), None);
        neighbour.state = NeighbourState::Stale;
        assert_eq!(neighbour.usable_mac(), neighbour.mac);
    }
}
