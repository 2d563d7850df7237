//! What the director tells the dataplane about the host around it.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// An Ethernet address.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Where on a link the datapath runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// tcx ingress, or a clsact filter where the kernel has no tcx (before 6.6).
    Tcx,
    /// XDP in the driver, with the tcx entry beside it for what XDP cannot do.
    Xdp,
    /// XDP in the stack, with the tcx entry beside it.
    XdpGeneric,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcx => "tcx",
            Self::Xdp => "xdp",
            Self::XdpGeneric => "xdp-generic",
        })
    }
}

/// A link that shall carry the datapath.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Interface index.
    pub ifindex: u32,
    /// Interface name, for messages.
    pub name: String,
    /// The link's own address and those of the VMACs on it: only frames to these open connections.
    pub macs: Vec<Mac>,
    /// Where to attach; the loopback link knows tcx alone.
    pub hook: Hook,
    /// Whether this host's own real servers may answer by this link: what leaves is looked at too.
    pub answers: bool,
}

/// An address prefix of the kernel's `local` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix {
    /// The address; bits beyond `length` are ignored.
    pub address: IpAddr,
    /// Prefix length, 0 to 32 or 128.
    pub length: u8,
}

impl Prefix {
    /// Whether `address` lies in the prefix.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        fn same(a: u128, b: u128, width: u32, length: u8) -> bool {
            let host_bits = width.saturating_sub(length.into());
            a.checked_shr(host_bits).unwrap_or(0) == b.checked_shr(host_bits).unwrap_or(0)
        }
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                same(a.to_bits().into(), b.to_bits().into(), 32, self.length)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128, self.length),
            _ => false,
        }
    }
}

impl FromStr for Prefix {
    type Err = String;

    /// Parses `ADDRESS[/LENGTH]`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|error| format!("`{text}`: {error}"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length
                .parse()
                .ok()
                .filter(|length| *length <= most)
                .ok_or_else(|| format!("`{text}`: the prefix length is 0 to {most}"))?,
            None => most,
        };
        Ok(Self { address, length })
    }
}

/// The kernel's route to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The link that packets leave by.
    pub ifindex: u32,
    /// The next router; none when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The address the kernel would send from: the outer source of a tunnel.
    pub source: Option<IpAddr>,
    /// Bytes of the largest IP packet on the way.
    pub mtu: u32,
    /// The destination is this host.
    pub local: bool,
}

/// A neighbour whose link-layer address the dataplane needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NeighbourKey {
    /// The link.
    pub ifindex: u32,
    /// Its address there.
    pub address: IpAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_contains_its_addresses_only() {
        let prefix: Prefix = "10.30.0.0/16".parse().unwrap();
        assert!(prefix.contains("10.30.255.1".parse().unwrap()));
        assert!(!prefix.contains("10.31.0.1".parse().unwrap()));
        assert!(!prefix.contains("::1".parse().unwrap()));
        let all: Prefix = "::/0".parse().unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()));
        let one: Prefix = "2001:db8::1".parse().unwrap();
        assert!(!one.contains("2001:db8::2".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<Prefix>().is_err());
    }
}
