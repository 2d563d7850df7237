//! Persistence: a client stays with its real server.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Which clients share a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersistenceMask {
    /// An IPv4 netmask, contiguous or not, as the kernel takes it; default 255.255.255.255.
    V4(Ipv4Addr),
    /// An IPv6 prefix length, 1 to 128; default 128.
    V6(u8),
}

impl PersistenceMask {
    /// `address` with the bits outside the mask cleared; an address of the other family is unchanged.
    #[must_use]
    pub fn apply(self, address: IpAddr) -> IpAddr {
        match (self, address) {
            (Self::V4(mask), IpAddr::V4(address)) => {
                Ipv4Addr::from_bits(address.to_bits() & mask.to_bits()).into()
            }
            (Self::V6(prefix), IpAddr::V6(address)) => {
                let host_bits = 128_u32.saturating_sub(prefix.into());
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
            (_, other) => other,
        }
    }
}

/// What besides the client's address decides its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PersistenceEngine {
    /// The Call-ID of SIP over UDP (`ipvsadm --pe sip`).
    Sip,
}

/// The persistence of a virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Persistence {
    /// How long a template lives after its last connection; 1 s to 31 days, default 360 s.
    pub timeout: Duration,
    /// Which clients share a template.
    pub mask: PersistenceMask,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_clears_the_host_part_of_its_own_family_only() {
        let v4 = PersistenceMask::V4(Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!(
            v4.apply("192.0.2.77".parse().unwrap()).to_string(),
            "192.0.2.0"
        );
        let v6 = PersistenceMask::V6(32);
        assert_eq!(
            v6.apply("2001:db8:1::9".parse().unwrap()).to_string(),
            "2001:db8::"
        );
        assert_eq!(
            PersistenceMask::V6(0).apply("2001:db8::9".parse().unwrap()),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        );
        assert_eq!(
            v4.apply("2001:db8::9".parse().unwrap()).to_string(),
            "2001:db8::9"
        );
    }
}
