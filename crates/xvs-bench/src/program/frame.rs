//! Frames of TCP, and the plan by which the programs make them anew for each flow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a frame: the longest headers, and the rest payload.
pub(crate) const LENGTH: usize = 80;
/// Words of a frame.
const WORDS: usize = LENGTH / 8;

/// The kinds of frame, by what differs from flow to flow: the client, nothing, or the source address alone.
const FROM_CLIENT_V4: u32 = 0;
const FROM_CLIENT_V6: u32 = 1;
const AS_IT_IS: u32 = 2;
const FROM_ADDRESS_V4: u32 = 3;

/// Flags of a segment that opens a connection.
pub(crate) const SYN: u8 = 0x02;
/// Flags of a segment of an open connection.
pub(crate) const ACK: u8 = 0x10;

/// Fragment word of an IPv4 header: the packet is whole and may not be cut.
pub(crate) const WHOLE: u16 = 0x4000;
/// The first fragment of several.
pub(crate) const FIRST: u16 = 0x2000;
/// The last of several, behind 64 bytes of payload.
pub(crate) const LAST: u16 = 8;

/// What the programs of the benchmark read; its twin is in `ebpf/src/bench/plan.rs`, with the words.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    frame: [u64; WORDS],
    random: u64,
    mask: u32,
    order: u32,
    kind: u32,
    next: u32,
    address: u32,
    length: u32,
    ifindex: u32,
    ip_sum: u32,
    tcp_sum: u32,
    through: u32,
}

/// In what order flows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// One after the other from the first on.
    InOrder,
    /// Any, at random.
    Random,
}

/// One frame of TCP, that of flow 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Link-layer destination and source.
    pub(crate) macs: [[u8; 6]; 2],
    /// The source.
    pub(crate) source: (IpAddr, u16),
    /// The destination, of the same family.
    pub(crate) destination: (IpAddr, u16),
    /// Flags.
    pub(crate) flags: u8,
    /// Flags and offset of the IPv4 header, as [`WHOLE`].
    pub(crate) fragment: u16,
}

impl Segment {
    /// The plan for `flows` flows, a power of two.
    pub(crate) fn plan(&self, flows: u32, order: Order) -> Plan {
        let ipv6 = self.source.0.is_ipv6();
        let bytes = self.bytes();
        let kind = if ipv6 { FROM_CLIENT_V6 } else { FROM_CLIENT_V4 };
        // What the programs write must not be in the sums yet.
        let mut still = bytes;
        let (network, transport, width) = if ipv6 { (22, 54, 16) } else { (26, 34, 4) };
        let last = network + width - 4;
        let address = word(&still, last);
        still[last..last + 4].fill(0);
        still[transport..transport + 2].fill(0);
        let tcp_length = u16::try_from(LENGTH - transport).unwrap_or(0);
        let mut plan = Plan {
            random: 0x9e37_79b9_7f4a_7c15,
            mask: flows.next_power_of_two() - 1,
            order: u32::from(order == Order::Random),
            kind,
            address,
            length: u32::try_from(LENGTH).unwrap_or(0),
            ip_sum: sum(&still[14..34]),
            tcp_sum: sum(&still[network..network + 2 * width])
                + sum(&still[transport..])
                + u32::from(6_u16.to_be())
                + u32::from(tcp_length.to_be()),
            ..Plan::default()
        };
        plan.set_frame(&bytes);
        plan
    }

    /// The bytes, without checksums.
    fn bytes(&self) -> [u8; LENGTH] {
        let mut frame = [0; LENGTH];
        let [to, from] = self.macs;
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&from);
        let transport = match (self.source.0, self.destination.0) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => v6(&mut frame, source, destination),
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                v4(&mut frame, source, destination, self.fragment)
            }
            _ => return frame,
        };
        let tcp = &mut frame[transport..];
        tcp[..2].copy_from_slice(&self.source.1.to_be_bytes());
        tcp[2..4].copy_from_slice(&self.destination.1.to_be_bytes());
        tcp[12] = 5 << 4;
        tcp[13] = self.flags;
        tcp[14..16].copy_from_slice(&0xffff_u16.to_be_bytes());
        frame
    }
}

impl Plan {
    /// A plan for IPv4 packets, `flows` of them, that differ in their source alone: of TCP's header that the
    /// segment would have, `payload` takes the place.
    pub(crate) fn message(segment: &Segment, protocol: u8, payload: &[u8], flows: u32) -> Self {
        let mut bytes = segment.bytes();
        bytes[23] = protocol;
        bytes[34..].fill(0);
        for (to, from) in bytes[34..].iter_mut().zip(payload) {
            *to = *from;
        }
        let mut still = bytes;
        still[26..30].fill(0);
        let mut plan = Self {
            kind: FROM_ADDRESS_V4,
            ip_sum: sum(&still[14..34]),
            ..segment.plan(flows, Order::InOrder)
        };
        plan.set_frame(&bytes);
        plan
    }

    /// The same for segments over IPv4 of `length` bytes as frames that begin to say `text`; the rest of what
    /// they say is zeros, and their TCP checksum, which no program looks at, is wrong.
    pub(crate) fn saying(mut self, text: &[u8], length: u16) -> Self {
        let mut bytes = [0; LENGTH];
        for (to, from) in bytes.iter_mut().zip(self.frame()) {
            *to = from;
        }
        for (to, from) in bytes[54..].iter_mut().zip(text) {
            *to = *from;
        }
        bytes[16..18].copy_from_slice(&length.saturating_sub(14).to_be_bytes());
        let mut still = bytes;
        still[26..30].fill(0);
        self.ip_sum = sum(&still[14..34]);
        self.length = u32::from(length);
        self.set_frame(&bytes);
        self
    }

    /// A plan for frames that are all the same bytes, at most [`LENGTH`].
    pub(crate) fn fixed(bytes: &[u8]) -> Self {
        let mut frame = [0; LENGTH];
        for (to, from) in frame.iter_mut().zip(bytes) {
            *to = *from;
        }
        let mut plan = Self {
            kind: AS_IT_IS,
            length: u32::try_from(LENGTH).unwrap_or(0),
            ..Self::default()
        };
        plan.set_frame(&frame);
        plan
    }

    /// The same, beginning with another flow.
    pub(crate) fn starting_at(self, next: u32) -> Self {
        Self { next, ..self }
    }

    /// The same, sent to a link.
    pub(crate) fn to_link(self, ifindex: u32) -> Self {
        Self { ifindex, ..self }
    }

    /// The same, which a plain redirect sends on to a link.
    pub(crate) fn through(self, through: u32) -> Self {
        Self { through, ..self }
    }

    /// The bytes of the frame, to begin with.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut frame: Vec<u8> = self
            .frame
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        let length = usize::try_from(self.length).unwrap_or(LENGTH);
        frame.resize(length.max(LENGTH), 0);
        frame
    }

    fn set_frame(&mut self, bytes: &[u8; LENGTH]) {
        for (word, bytes) in self.frame.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            *word = u64::from_ne_bytes(eight);
        }
    }
}

/// Writes an IPv4 header; answers where the transport header begins.
fn v4(frame: &mut [u8; LENGTH], source: Ipv4Addr, destination: Ipv4Addr, fragment: u16) -> usize {
    frame[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
    frame[14] = 0x45;
    let length = u16::try_from(LENGTH - 14).unwrap_or(0);
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    frame[20..22].copy_from_slice(&fragment.to_be_bytes());
    frame[22] = 64;
    frame[23] = 6;
    frame[26..30].copy_from_slice(&source.octets());
    frame[30..34].copy_from_slice(&destination.octets());
    34
}

/// The same for IPv6.
fn v6(frame: &mut [u8; LENGTH], source: Ipv6Addr, destination: Ipv6Addr) -> usize {
    frame[12..14].copy_from_slice(&0x86dd_u16.to_be_bytes());
    frame[14] = 0x60;
    let length = u16::try_from(LENGTH - 54).unwrap_or(0);
    frame[18..20].copy_from_slice(&length.to_be_bytes());
    frame[20] = 6;
    frame[21] = 64;
    frame[22..38].copy_from_slice(&source.octets());
    frame[38..54].copy_from_slice(&destination.octets());
    54
}

/// The four bytes at `at` as a number.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// The sum of 16-bit words as they stand in memory.
fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair[1]])))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_keeps_the_client_out_of_its_sums() {
        let segment = |last: u8, port| Segment {
            macs: [[2; 6], [3; 6]],
            source: (IpAddr::from([10, 0, 0, last]), port),
            destination: (IpAddr::from([10, 9, 9, 9]), 80),
            flags: ACK,
            fragment: WHOLE,
        };
        let one = segment(1, 7).plan(1, Order::InOrder);
        let two = segment(2, 9).plan(1, Order::InOrder);
        assert_eq!((one.ip_sum, one.tcp_sum), (two.ip_sum, two.tcp_sum));
        assert_eq!((one.address, two.address), (0x0a00_0001, 0x0a00_0002));
    }

    #[test]
    fn a_message_has_the_payload_in_the_place_of_tcp() {
        let segment = Segment {
            macs: [[2; 6], [3; 6]],
            source: (IpAddr::from([10, 0, 0, 1]), 7),
            destination: (IpAddr::from([10, 9, 9, 9]), 80),
            flags: ACK,
            fragment: WHOLE,
        };
        let frame = Plan::message(&segment, 1, &[8, 0, 1, 2], 1).frame();
        assert_eq!((frame[23], &frame[34..40]), (1, &[8, 0, 1, 2, 0, 0][..]));
    }

    #[test]
    fn the_plan_is_as_large_as_its_twin() {
        assert_eq!(size_of::<Plan>(), 128);
    }
}
