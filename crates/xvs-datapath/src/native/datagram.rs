//! Frames built from scratch: what tests send and what they expect.

use std::net::{IpAddr, SocketAddr};

use xvs_wire::{checksum, ipv4, tcp};

use crate::{abi::Address, native::World};

/// A TCP segment or UDP datagram in its frame. Checksums are computed over the finished bytes, never
/// adjusted, so that they prove the datapath's arithmetic.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of the headers' fields")]
pub struct Datagram {
    pub mac_to: [u8; 6],
    pub mac_from: [u8; 6],
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub protocol: u8,
    pub flags: u8,
    pub ttl: u8,
    pub class: u8,
    pub dont_fragment: bool,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
    /// UDP only: without it the field is 0.
    pub checksum: bool,
    /// Outer addresses of a tunnel.
    pub outer: Option<(IpAddr, IpAddr)>,
}

impl Datagram {
    /// A TCP segment from a client, addressed to the director.
    #[must_use]
    pub fn tcp(from: &str, to: &str, flags: u8) -> Self {
        Self {
            mac_to: World::CLIENTS_MAC,
            mac_from: World::ROUTER_MAC,
            source: parsed(from),
            destination: parsed(to),
            protocol: ipv4::PROTOCOL_TCP,
            flags,
            ttl: 64,
            class: 0,
            dont_fragment: true,
            options: Vec::new(),
            payload: Vec::new(),
            checksum: true,
            outer: None,
        }
    }

    /// A SYN with the options that Linux sends: MSS 1460, SACK permitted, window scale.
    #[must_use]
    pub fn syn(from: &str, to: &str) -> Self {
        Self::tcp(from, to, tcp::SYN).options(&[2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7])
    }

    /// A UDP datagram likewise.
    #[must_use]
    pub fn udp(from: &str, to: &str) -> Self {
        Self {
            protocol: ipv4::PROTOCOL_UDP,
            ..Self::tcp(from, to, 0)
        }
    }

    /// From another endpoint.
    #[must_use]
    pub fn from(self, source: &str) -> Self {
        Self {
            source: parsed(source),
            ..self
        }
    }

    /// To another endpoint.
    #[must_use]
    pub fn to(self, destination: &str) -> Self {
        Self {
            destination: parsed(destination),
            ..self
        }
    }

    /// With a time to live or hop limit.
    #[must_use]
    pub fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    /// With a type of service or traffic class.
    #[must_use]
    pub fn class(self, class: u8) -> Self {
        Self { class, ..self }
    }

    /// IPv4: routers may fragment it.
    #[must_use]
    pub fn may_fragment(self) -> Self {
        Self {
            dont_fragment: false,
            ..self
        }
    }

    /// In a frame to `to` from `from`.
    #[must_use]
    pub fn macs(self, to: [u8; 6], from: [u8; 6]) -> Self {
        Self {
            mac_to: to,
            mac_from: from,
            ..self
        }
    }

    /// As the director sends it to the real server with this index: one hop further.
    #[must_use]
    pub fn forwarded(self, server: u32) -> Self {
        let ttl = self.ttl - 1;
        self.ttl(ttl)
            .macs(World::server_mac(server), World::SERVERS_MAC)
    }

    /// As the director sends it to a client: one hop further.
    #[must_use]
    pub fn returned(self) -> Self {
        let ttl = self.ttl - 1;
        self.ttl(ttl).macs(World::ROUTER_MAC, World::CLIENTS_MAC)
    }

    /// With TCP options, whose length must be a multiple of four.
    #[must_use]
    pub fn options(self, options: &[u8]) -> Self {
        Self {
            options: options.to_vec(),
            ..self
        }
    }

    /// With `length` bytes of payload, none of them like the one before.
    #[must_use]
    pub fn payload(self, length: usize) -> Self {
        Self {
            payload: (0..=u8::MAX).cycle().skip(1).take(length).collect(),
            ..self
        }
    }

    /// UDP: without a checksum.
    #[must_use]
    pub fn without_checksum(self) -> Self {
        Self {
            checksum: false,
            ..self
        }
    }

    /// In an outer header.
    #[must_use]
    pub fn inside(self, source: &str, destination: &str) -> Self {
        Self {
            outer: Some((parsed(source), parsed(destination))),
            ..self
        }
    }

    /// The frame.
    ///
    /// # Panics
    /// When addresses are of different families, or it is too long.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let (from, to) = (self.source.ip(), self.destination.ip());
        let mut inner = self.ip_header(from, to, self.protocol, self.l4().len(), self.class);
        inner.extend(self.l4());
        let Some((source, destination)) = self.outer else {
            return self.frame(from, &inner);
        };
        let next = if from.is_ipv6() {
            ipv4::PROTOCOL_IPV6
        } else {
            ipv4::PROTOCOL_IPIP
        };
        // RFC 6040 section 4.1, compatibility mode: congestion experienced stays inside.
        let class = if self.class & 3 == 3 {
            self.class - 1
        } else {
            self.class
        };
        let outer = Self {
            dont_fragment: self.dont_fragment && from.is_ipv4(),
            ..self.clone()
        };
        let mut packet = outer.ip_header(source, destination, next, inner.len(), class);
        packet.extend(inner);
        self.frame(source, &packet)
    }

    pub(super) fn frame(&self, ip: IpAddr, packet: &[u8]) -> Vec<u8> {
        let kind: u16 = if ip.is_ipv6() { 0x86dd } else { 0x0800 };
        [
            &self.mac_to[..],
            &self.mac_from,
            &kind.to_be_bytes(),
            packet,
        ]
        .concat()
    }

    pub(super) fn ip_header(
        &self,
        from: IpAddr,
        to: IpAddr,
        next: u8,
        length: usize,
        class: u8,
    ) -> Vec<u8> {
        let payload = u16::try_from(length).expect("a packet has at most 65,535 bytes");
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let fragment: u16 = if self.dont_fragment { 0x4000 } else { 0 };
                let mut header = vec![0x45, class];
                header.extend((payload + 20).to_be_bytes());
                header.extend([0, 0]);
                header.extend(fragment.to_be_bytes());
                header.extend([self.ttl, next, 0, 0]);
                header.extend(from.octets());
                header.extend(to.octets());
                let sum = checksum::finish(&header, 0).to_ne_bytes();
                header[10..12].copy_from_slice(&sum);
                header
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let mut header = (6_u32 << 28 | u32::from(class) << 20)
                    .to_be_bytes()
                    .to_vec();
                header.extend(payload.to_be_bytes());
                header.extend([next, self.ttl]);
                header.extend(from.octets());
                header.extend(to.octets());
                header
            }
            _ => panic!("{from} and {to} are of different families"),
        }
    }

    fn l4(&self) -> Vec<u8> {
        let is_tcp = self.protocol == ipv4::PROTOCOL_TCP;
        let mut bytes = Vec::new();
        bytes.extend(self.source.port().to_be_bytes());
        bytes.extend(self.destination.port().to_be_bytes());
        if is_tcp {
            let words = u8::try_from(5 + self.options.len() / 4).expect("at most 40 bytes");
            bytes.extend([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
            bytes.extend([words << 4, self.flags, 0xfa, 0xf0, 0, 0, 0, 0]);
            bytes.extend(&self.options);
        } else {
            let length = u16::try_from(8 + self.payload.len()).expect("at most 65,535 bytes");
            bytes.extend(length.to_be_bytes());
            bytes.extend([0, 0]);
        }
        bytes.extend(&self.payload);
        if self.checksum {
            let field = if is_tcp { 16 } else { 6 };
            let partial = pseudo(
                self.source.ip(),
                self.destination.ip(),
                self.protocol,
                &bytes,
            );
            let sum = match checksum::finish(&bytes, partial) {
                0 if !is_tcp => 0xffff,
                sum => sum,
            };
            bytes[field..field + 2].copy_from_slice(&sum.to_ne_bytes());
        }
        bytes
    }
}

/// An address as it lies in a packet.
#[must_use]
pub fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(ip) => [u32::from_ne_bytes(ip.octets()), 0, 0, 0],
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = ip.octets();
            [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(u32::from_ne_bytes)
        }
    }
}

/// The sum of a pseudo-header.
pub(super) fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, l4: &[u8]) -> u32 {
    let length = u32::try_from(l4.len()).unwrap_or(u32::MAX);
    checksum::sum(&octets(from))
        + checksum::sum(&octets(to))
        + checksum::sum(&length.to_be_bytes())
        + checksum::sum(&[0, protocol])
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub(super) fn octets4(bytes: &[u8]) -> IpAddr {
    IpAddr::from(<[u8; 4]>::try_from(bytes).expect("four bytes were taken"))
}

pub(super) fn octets16(bytes: &[u8]) -> IpAddr {
    IpAddr::from(<[u8; 16]>::try_from(bytes).expect("sixteen bytes were taken"))
}

pub(super) fn parsed<T: std::str::FromStr>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| panic!("`{text}` is no address"))
}
