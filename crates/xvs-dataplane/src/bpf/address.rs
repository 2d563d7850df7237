//! Addresses and identities between the words of xvs and the ABI.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use xvs_datapath::abi::{Address, ServiceKey};
use xvs_types::{Endpoint, Family, Protocol, VirtualServerId};

/// An address as it lies in a packet.
pub(super) fn to_abi(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => [u32::from_ne_bytes(address.octets()), 0, 0, 0],
        IpAddr::V6(address) => {
            let [a, b, c, d] = words(address.octets());
            [a, b, c, d]
        }
    }
}

/// An address of family 4 or 6 from a packet.
pub(super) fn from_abi(address: &Address, ipv6: bool) -> IpAddr {
    if !ipv6 {
        return Ipv4Addr::from(address[0].to_ne_bytes()).into();
    }
    let mut octets = [0; 16];
    for (four, word) in octets.chunks_exact_mut(4).zip(address) {
        four.copy_from_slice(&word.to_ne_bytes());
    }
    Ipv6Addr::from(octets).into()
}

fn words(octets: [u8; 16]) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, four) in words.iter_mut().zip(octets.chunks_exact(4)) {
        if let [a, b, c, d] = four {
            *word = u32::from_ne_bytes([*a, *b, *c, *d]);
        }
    }
    words
}

/// An address folded to 32 bits, as the address filter wants it.
pub(super) fn folded(address: &Address) -> u32 {
    address.iter().fold(0, |sum, word| sum ^ word)
}

/// 4 or 6.
pub(super) fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 6,
    }
}

/// The key of a virtual server.
pub(super) fn service_key(id: &VirtualServerId) -> ServiceKey {
    match id {
        VirtualServerId::Address { protocol, endpoint } => ServiceKey {
            address: to_abi(endpoint.address),
            mark: 0,
            port: endpoint.port.to_be(),
            protocol: protocol.number(),
            family: family_number(endpoint.family()),
        },
        VirtualServerId::Mark { family, mark } => ServiceKey {
            mark: *mark,
            family: family_number(*family),
            ..ServiceKey::default()
        },
    }
}

/// The virtual server of a key; none for a key that is nobody's.
pub(super) fn service_id(key: &ServiceKey) -> Option<VirtualServerId> {
    let ipv6 = key.family == 6;
    if key.mark != 0 {
        return Some(VirtualServerId::Mark {
            family: if ipv6 { Family::V6 } else { Family::V4 },
            mark: key.mark,
        });
    }
    Some(VirtualServerId::Address {
        protocol: Protocol::from_number(key.protocol)?,
        endpoint: endpoint(&key.address, key.port, ipv6),
    })
}

/// An endpoint from a packet's address and port.
pub(super) fn endpoint(address: &Address, port: u16, ipv6: bool) -> Endpoint {
    Endpoint::new(from_abi(address, ipv6), u16::from_be(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_and_addresses_come_back() {
        for text in ["192.0.2.7:80", "[2001:db8::1]:443"] {
            let id = VirtualServerId::tcp(text.parse().unwrap());
            assert_eq!(service_id(&service_key(&id)), Some(id));
        }
        let mark = VirtualServerId::Mark {
            family: Family::V6,
            mark: 7,
        };
        assert_eq!(service_id(&service_key(&mark)), Some(mark));
    }
}
