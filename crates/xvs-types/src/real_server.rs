//! Real servers: forwarding method, weight, thresholds.

use serde::{Deserialize, Serialize};

use crate::Endpoint;

/// How packets reach a real server, as its rule says it.
///
/// What the dataplane does may differ for a real server that is the director itself; see
/// [`EffectiveMethod`](crate::EffectiveMethod).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardingMethod {
    /// Direct routing (`-g`, listed as `Route`): only the link-layer destination changes.
    #[default]
    Direct,
    /// Both addresses and ports change; the real server sees a local address of the director.
    FullNat,
    /// NAT, masquerading (`-m`, listed as `Masq`): destination address and port change.
    Nat,
    /// Tunnelling (`-i`, listed as `Tunnel`).
    Tunnel(Tunnel),
}

/// An encapsulation (`ipvsadm --tun-type`), default IPIP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tunnel {
    /// The outer protocol.
    pub kind: TunnelKind,
    /// The checksum of the outer header; IPIP has none.
    pub checksum: TunnelChecksum,
}

/// The outer protocol of a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKind {
    /// Generic routing encapsulation, RFC 2784.
    Gre,
    /// Generic UDP encapsulation to this destination port (`--tun-port`).
    Gue {
        /// Destination port, 1 to 65535.
        port: u16,
    },
    /// IP in IP: RFC 2003, RFC 2473, protocol 4 or 41.
    #[default]
    Ipip,
}

/// `--tun-nocsum` (default), `--tun-csum`, `--tun-remcsum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelChecksum {
    /// The outer header carries no checksum.
    #[default]
    None,
    /// The outer header carries a checksum.
    Outer,
    /// GUE remote checksum offload.
    Remote,
}

/// The share of a real server, 0 to 2^31 - 1; 0 quiesces it; default 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Weight(u32);

impl Weight {
    /// The greatest weight: the kernel keeps it in a signed int.
    pub const MAX: Self = Self(i32::MAX.unsigned_abs());
    /// No new connections, old ones go on.
    pub const QUIESCED: Self = Self(0);

    /// A weight of `value`, if it is at most [`Weight::MAX`].
    #[must_use]
    pub fn new(value: u32) -> Option<Self> {
        (value <= Self::MAX.0).then_some(Self(value))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

impl From<Weight> for u32 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl TryFrom<u32> for Weight {
    type Error = String;

    fn try_from(value: u32) -> Result<Self, Self::Error> {
        Self::new(value).ok_or_else(|| format!("weight {value} is above {}", Self::MAX.0))
    }
}

/// How many connections a real server takes (`-x`, `-y`); 0 means no threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Thresholds {
    /// At this many connections the server gets no new ones.
    pub upper: u32,
    /// Below this many it gets them again; 0 means three quarters of `upper`.
    pub lower: u32,
}

impl Thresholds {
    /// Whether there is no limit.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// One server behind a virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RealServer {
    /// Its address and port: its identity within the virtual server.
    ///
    /// For DR and TUN the port is the virtual server's; port 0 behind a mark or an all-ports
    /// virtual server keeps the port of the packet.
    pub endpoint: Endpoint,
    /// How packets reach it.
    #[serde(default)]
    pub method: ForwardingMethod,
    /// Its share.
    #[serde(default)]
    pub weight: Weight,
    /// How many connections it takes; not written where there is no limit, as for most.
    #[serde(default, skip_serializing_if = "Thresholds::are_none")]
    pub thresholds: Thresholds,
}

impl RealServer {
    /// A real server with the defaults of `ipvsadm -a`: direct routing, weight 1, no thresholds.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            method: ForwardingMethod::default(),
            weight: Weight::default(),
            thresholds: Thresholds::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_written_where_there_are_any() {
        let none = RealServer::new("192.0.2.1:80".parse().unwrap());
        let some = RealServer {
            thresholds: Thresholds { upper: 9, lower: 0 },
            ..none
        };
        for (real_server, written) in [(none, false), (some, true)] {
            let text = serde_json::to_string(&real_server).unwrap();
            assert_eq!(text.contains("thresholds"), written, "{text}");
            assert_eq!(
                serde_json::from_str::<RealServer>(&text).unwrap(),
                real_server
            );
        }
    }
}
