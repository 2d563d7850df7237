//! What a packet walk shows of one captured frame: a TCP segment, plain or in one IPIP packet.
//!
//! This reads for display only, and answers nothing for a frame it does not understand.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// One IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
}

/// A captured TCP segment with the headers before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Source MAC address.
    pub source_mac: Mac,
    /// Destination MAC address.
    pub destination_mac: Mac,
    /// The outer header of an IPIP packet (RFC 2003, RFC 2473).
    pub outer: Option<Ip>,
    /// The header before TCP.
    pub ip: Ip,
    /// The segment.
    pub tcp: Tcp,
}

/// What is shown of a TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; means nothing without [`Tcp::ack`].
    pub acknowledgement: u32,
    /// The SYN flag.
    pub syn: bool,
    /// The ACK flag.
    pub ack: bool,
    /// The maximum segment size option, bytes.
    pub mss: Option<u16>,
    /// The client that the TOA option names: kind 254 for IPv4, 253 for IPv6.
    pub toa: Option<SocketAddr>,
}

impl Frame {
    /// Reads an Ethernet frame; none unless it is the TCP segment of an IPv4 or IPv6 packet, or of
    /// one such packet in another.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (ethernet, payload) = bytes.split_at_checked(14)?;
        let (first, protocol, payload) = match ethernet.get(12..14)? {
            [0x08, 0x00] => ipv4(payload)?,
            [0x86, 0xdd] => ipv6(payload)?,
            _ => return None,
        };
        let (outer, ip, segment) = match protocol {
            6 => (None, first, payload),
            4 => {
                let (inner, 6, segment) = ipv4(payload)? else {
                    return None;
                };
                (Some(first), inner, segment)
            }
            41 => {
                let (inner, 6, segment) = ipv6(payload)? else {
                    return None;
                };
                (Some(first), inner, segment)
            }
            _ => return None,
        };
        Some(Self {
            source_mac: Mac(array(ethernet, 6)?),
            destination_mac: Mac(array(ethernet, 0)?),
            outer,
            ip,
            tcp: tcp(segment)?,
        })
    }

    /// Where the segment says it comes from.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(self.ip.source, self.tcp.source_port)
    }

    /// Where the segment says it goes.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        SocketAddr::new(self.ip.destination, self.tcp.destination_port)
    }
}

fn ipv4(bytes: &[u8]) -> Option<(Ip, u8, &[u8])> {
    let header = bytes.get(..20)?;
    let length = usize::from(header.first()? & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes(array(header, 2)?));
    // What follows the first fragment is no TCP header.
    let offset = u16::from_be_bytes(array(header, 6)?) & 0x1fff;
    if header.first()? >> 4 != 4 || offset != 0 {
        return None;
    }
    let ip = Ip {
        source: Ipv4Addr::from(array::<4>(header, 12)?).into(),
        destination: Ipv4Addr::from(array::<4>(header, 16)?).into(),
        ttl: *header.get(8)?,
    };
    let end = total.min(bytes.len());
    Some((ip, *header.get(9)?, bytes.get(length.max(20)..end)?))
}

/// Reads an IPv6 header; extension headers are not followed, as no host of a lab sends them, but for
/// the destination options that a tunnel of the kernel puts first (RFC 2473, 4.1.1).
fn ipv6(bytes: &[u8]) -> Option<(Ip, u8, &[u8])> {
    let (header, payload) = bytes.split_at_checked(40)?;
    if header.first()? >> 4 != 6 {
        return None;
    }
    let ip = Ip {
        source: Ipv6Addr::from(array::<16>(header, 8)?).into(),
        destination: Ipv6Addr::from(array::<16>(header, 24)?).into(),
        ttl: *header.get(7)?,
    };
    match *header.get(6)? {
        60 => {
            let length = (usize::from(*payload.get(1)?) + 1) * 8;
            Some((ip, *payload.first()?, payload.get(length..)?))
        }
        protocol => Some((ip, protocol, payload)),
    }
}

fn tcp(bytes: &[u8]) -> Option<Tcp> {
    let header = bytes.get(..20)?;
    let length = usize::from(header.get(12)? >> 4) * 4;
    let flags = header.get(13)?;
    let mut segment = Tcp {
        source_port: u16::from_be_bytes(array(header, 0)?),
        destination_port: u16::from_be_bytes(array(header, 2)?),
        sequence: u32::from_be_bytes(array(header, 4)?),
        acknowledgement: u32::from_be_bytes(array(header, 8)?),
        syn: flags & 0x02 != 0,
        ack: flags & 0x10 != 0,
        mss: None,
        toa: None,
    };
    let mut options = bytes.get(20..length)?;
    while let Some((&kind, rest)) = options.split_first() {
        match kind {
            0 => break,
            1 => {
                options = rest;
                continue;
            }
            _ => {}
        }
        let size = usize::from(*rest.first()?);
        let value = options.get(2..size)?;
        options = options.get(size..)?;
        match (kind, size) {
            (2, 4) => segment.mss = Some(u16::from_be_bytes(array(value, 0)?)),
            (254, 8) => segment.toa = Some(client::<4>(value)?),
            (253, 20) => segment.toa = Some(client::<16>(value)?),
            _ => {}
        }
    }
    Some(segment)
}

fn client<const N: usize>(value: &[u8]) -> Option<SocketAddr>
where
    IpAddr: From<[u8; N]>,
{
    let port = u16::from_be_bytes(array(value, 0)?);
    Some(SocketAddr::new(array::<N>(value, 2)?.into(), port))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SYN of a FULLNAT connection as it leaves the director, with MSS and TOA, written out.
    const SYN: &str = "02000000050102000000030208004500003c0001400040060000ac186587ac100002\
                       1388 1f40 00000001 00000000 a002 faf0 0000 0000 0204058c fe08 a028ca640102 01 01 01 01 0103 03 00";

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<char> = text.chars().filter(|c| c.is_ascii_hexdigit()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
            .collect()
    }

    #[test]
    fn a_syn_with_toa_names_its_client() {
        let frame = Frame::parse(&hex(SYN)).unwrap();
        assert_eq!(frame.source(), "172.24.101.135:5000".parse().unwrap());
        assert_eq!(frame.destination(), "172.16.0.2:8000".parse().unwrap());
        assert_eq!(frame.tcp.toa, Some("202.100.1.2:41000".parse().unwrap()));
        assert_eq!(frame.tcp.mss, Some(1_420));
        assert!(frame.tcp.syn && !frame.tcp.ack);
        assert_eq!(frame.source_mac.to_string(), "02:00:00:00:03:02");
    }

    #[test]
    fn an_ipip_packet_shows_both_headers() {
        let mut bytes = hex(SYN);
        let outer = hex("45000050 0001 4000 3f04 0000 c0a80a01 ac100002");
        bytes.splice(14..14, outer);
        let frame = Frame::parse(&bytes).unwrap();
        let outer = frame.outer.unwrap();
        assert_eq!(outer.source, "192.168.10.1".parse::<IpAddr>().unwrap());
        assert_eq!(outer.ttl, 63);
        assert_eq!(frame.ip.ttl, 64);
        assert_eq!(frame.tcp.destination_port, 8_000);
    }

    #[test]
    fn a_frame_cut_anywhere_is_no_segment() {
        let bytes = hex(SYN);
        for length in 0..bytes.len() {
            assert_eq!(Frame::parse(&bytes[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn a_later_fragment_is_no_segment() {
        let mut bytes = hex(SYN);
        bytes[21] = 0x10;
        assert_eq!(Frame::parse(&bytes), None);
    }
}
