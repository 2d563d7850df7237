//! ICMP errors built from scratch.

use std::net::IpAddr;

use xvs_wire::{checksum, icmp, ipv4};

use crate::native::{
    Datagram, World,
    datagram::{octets4, octets16, pseudo},
};

/// An ICMP or ICMPv6 error in its frame.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of the headers' fields")]
pub struct IcmpError {
    pub mac_to: [u8; 6],
    pub mac_from: [u8; 6],
    pub source: IpAddr,
    pub destination: IpAddr,
    pub ttl: u8,
    pub class: u8,
    pub kind: u8,
    pub code: u8,
    pub value: u32,
    /// The IP packet that it is about, or its begin.
    pub quoted: Vec<u8>,
}

impl IcmpError {
    /// "Port unreachable" about an IP packet, from its receiver to its sender, by the director.
    ///
    /// # Panics
    /// When `quoted` has no IP header.
    #[must_use]
    pub fn about(quoted: &[u8]) -> Self {
        let v6 = quoted[0] >> 4 == 6;
        let (source, destination, kind, code) = if v6 {
            let (from, to) = (octets16(&quoted[24..40]), octets16(&quoted[8..24]));
            (from, to, icmp::V6_UNREACHABLE, icmp::V6_PORT)
        } else {
            let (from, to) = (octets4(&quoted[16..20]), octets4(&quoted[12..16]));
            (from, to, icmp::V4_UNREACHABLE, icmp::V4_PORT)
        };
        Self {
            mac_to: World::CLIENTS_MAC,
            mac_from: World::ROUTER_MAC,
            source,
            destination,
            ttl: 64,
            class: 0,
            kind,
            code,
            value: 0,
            quoted: quoted.to_vec(),
        }
    }

    /// Of another kind.
    #[must_use]
    pub fn saying(self, kind: u8, code: u8, value: u32) -> Self {
        Self {
            kind,
            code,
            value,
            ..self
        }
    }

    /// From another address.
    #[must_use]
    pub fn from(self, source: &str) -> Self {
        Self {
            source: source.parse().expect("an address"),
            ..self
        }
    }

    /// As the director sends it to the real server with this index: one hop further.
    #[must_use]
    pub fn forwarded(self, server: u32) -> Self {
        Self {
            mac_to: World::server_mac(server),
            mac_from: World::SERVERS_MAC,
            ttl: self.ttl - 1,
            ..self
        }
    }

    /// As the director sends it to a client: one hop further.
    #[must_use]
    pub fn returned(self) -> Self {
        Self {
            mac_to: World::ROUTER_MAC,
            mac_from: World::CLIENTS_MAC,
            ttl: self.ttl - 1,
            ..self
        }
    }

    /// The frame.
    ///
    /// # Panics
    /// When addresses are of different families, or it is too long.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut message = vec![self.kind, self.code, 0, 0];
        message.extend(self.value.to_be_bytes());
        message.extend(&self.quoted);
        let (next, partial) = if self.source.is_ipv6() {
            let next = ipv4::PROTOCOL_ICMPV6;
            (next, pseudo(self.source, self.destination, next, &message))
        } else {
            (ipv4::PROTOCOL_ICMP, 0)
        };
        let sum = checksum::finish(&message, partial).to_ne_bytes();
        message[2..4].copy_from_slice(&sum);
        let header = Datagram::tcp("0.0.0.0:0", "0.0.0.0:0", 0)
            .may_fragment()
            .ttl(self.ttl)
            .macs(self.mac_to, self.mac_from);
        let mut packet = header.ip_header(
            self.source,
            self.destination,
            next,
            message.len(),
            self.class,
        );
        packet.extend(message);
        header.frame(self.source, &packet)
    }
}

/// The ICMP error about `frame` that the director sends back: type, code and the second word by the
/// family of the frame; as much of the frame as fits 576 or 1,280 bytes.
///
/// # Panics
/// When `frame` is no IP packet.
#[must_use]
pub fn icmp_error(frame: &[u8], kind: u8, code: u8, value: u32) -> Vec<u8> {
    let v6 = frame[12..14] == [0x86, 0xdd];
    let most = if v6 { 1232 } else { 548 };
    let packet = &frame[14..];
    let mac = |range: std::ops::Range<usize>| -> [u8; 6] {
        frame[range].try_into().expect("six bytes were taken")
    };
    IcmpError {
        mac_to: mac(6..12),
        mac_from: mac(0..6),
        class: if v6 { 0 } else { 0xc0 },
        ..IcmpError::about(&packet[..packet.len().min(most)])
    }
    .saying(kind, code, value)
    .bytes()
}
