//! Bytes of the frames that the tests send, and the little of the answers that they read.

use std::net::IpAddr;

/// `aa:bb:cc:dd:ee:ff`.
pub(crate) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// An Ethernet frame around an IP packet.
pub(crate) fn ethernet(destination: [u8; 6], source: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let ethertype: [u8; 2] = if packet[0] >> 4 == 4 {
        [0x08, 0x00]
    } else {
        [0x86, 0xdd]
    };
    [&destination[..], &source, &ethertype, packet].concat()
}

/// An IP packet of either family; `class` is the type of service or traffic class.
pub(crate) fn ip(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    class: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut header = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
            let mut header = vec![
                0x45, class, length[0], length[1], 0, 1, 0x40, 0, 64, protocol, 0, 0,
            ];
            header.extend(source.octets());
            header.extend(destination.octets());
            let sum = checksum(&header).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
            let mut header = vec![
                0x60 | class >> 4,
                class << 4,
                0,
                0,
                length[0],
                length[1],
                protocol,
                64,
            ];
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        _ => panic!("one family a header"),
    };
    header.extend(payload);
    header
}

/// A TCP segment with a right checksum; `options` are padded with zeros.
pub(crate) struct Segment<'a> {
    pub source: (IpAddr, u16),
    pub destination: (IpAddr, u16),
    pub sequence: u32,
    pub acknowledgement: u32,
    pub flags: u8,
    pub options: &'a [u8],
    pub payload: &'a [u8],
}

impl Segment<'_> {
    /// The packet, with the congestion codepoint `class` in its IP header.
    pub(crate) fn packet(&self, class: u8) -> Vec<u8> {
        let mut options = self.options.to_vec();
        options.resize(options.len().div_ceil(4) * 4, 0);
        let words = u8::try_from((20 + options.len()) / 4).unwrap();
        let mut tcp = Vec::new();
        tcp.extend(self.source.1.to_be_bytes());
        tcp.extend(self.destination.1.to_be_bytes());
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledgement.to_be_bytes());
        tcp.extend([words << 4, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(options);
        tcp.extend(self.payload);
        let mut pseudo = octets(self.source.0);
        pseudo.extend(octets(self.destination.0));
        pseudo.extend(u32::try_from(tcp.len()).unwrap().to_be_bytes());
        pseudo.extend([0, 0, 0, 6]);
        pseudo.extend(&tcp);
        let sum = checksum(&pseudo).to_be_bytes();
        tcp[16..18].copy_from_slice(&sum);
        ip(self.source.0, self.destination.0, 6, class, &tcp)
    }
}

/// A TCP segment that was received.
#[derive(Debug)]
pub(crate) struct Received {
    pub source: (IpAddr, u16),
    pub destination: (IpAddr, u16),
    pub sequence: u32,
    pub flags: u8,
    pub payload: Vec<u8>,
}

/// Reads a frame; none unless it holds a whole TCP segment without IP options.
pub(crate) fn received(frame: &[u8]) -> Option<Received> {
    let packet = frame.get(14..)?;
    let (source, destination, tcp): (IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 if packet[9] == 6 => {
            let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            let address = |at: usize| <[u8; 4]>::try_from(&packet[at..at + 4]).unwrap().into();
            (address(12), address(16), packet.get(20..length)?)
        }
        6 if packet[6] == 6 => {
            let length = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            let address = |at: usize| <[u8; 16]>::try_from(&packet[at..at + 16]).unwrap().into();
            (address(8), address(24), packet.get(40..40 + length)?)
        }
        _ => return None,
    };
    let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    Some(Received {
        source: (source, port(0)),
        destination: (destination, port(2)),
        sequence: u32::from_be_bytes(tcp[4..8].try_into().unwrap()),
        flags: tcp[13],
        payload: tcp[usize::from(tcp[12] >> 4) * 4..].to_vec(),
    })
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| {
            u32::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}
