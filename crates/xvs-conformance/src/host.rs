//! The director's own stack, as far as recordings need it: what may leave when a packet is passed on.
//!
//! Replies to what is sent to the director itself (a reset, an ICMP error, an echo) come from the
//! address that was asked and go to who asked; what is sent elsewhere is forwarded. A packet that is
//! passed and must be answered by every host, and nothing left in the recording, was not passed there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use xvs_datapath::native::checksums_are_valid;
use xvs_wire::{checksum, ipv4};

use crate::{Network, Output, receiver::is_fragment};

/// Why the frames that left in the recording cannot come from the host's stack, when `frame` came in
/// and was passed to it.
pub(crate) fn objection(network: &Network, frame: &[u8], outputs: &[Output]) -> Option<String> {
    let Some(packet) = Packet::of(frame) else {
        // ARP and what else is no IP packet: the host's alone.
        return None;
    };
    let for_us = network.leg_of(&frame[..6]).is_some();
    if outputs.is_empty() {
        let answers = for_us && must_answer(network, frame, &packet);
        return answers.then(|| "passed to the host; the recorded director was silent".to_owned());
    }
    outputs.iter().find_map(|output| {
        let sent = Packet::of(&output.frame)?;
        let host = if network.is_local(packet.destination) {
            is_reply(&packet, &sent, &output.frame)
        } else {
            is_forwarded(&packet, frame, &sent, &output.frame) || is_error(network, &packet, &sent)
        };
        let from = packet.destination;
        (!host).then(|| {
            format!(
                "passed to the host; the recorded director sent from {} to {} (packet to {from})",
                sent.source, sent.destination
            )
        })
    })
}

/// What the host's stack has sent when `reply` left, had the director nothing changed: it answers from
/// the address and port at which it got `frame`, as `passed` has them.
pub(crate) fn before_the_director(frame: &[u8], passed: &[u8], reply: &[u8]) -> Vec<u8> {
    let mut sent = reply.to_vec();
    let (Some(asked), Some(got), Some(packet)) =
        (Packet::of(frame), Packet::of(passed), Packet::of(reply))
    else {
        return sent;
    };
    let port = |frame: &[u8], at: usize| frame.get(at..at + 2).map(<[u8]>::to_vec);
    let (asked_port, got_port) = (port(frame, asked.l4 + 2), port(passed, got.l4 + 2));
    let has_ports = [ipv4::PROTOCOL_TCP, ipv4::PROTOCOL_UDP].contains(&packet.protocol);
    if !has_ports || (asked.destination, &asked_port) == (got.destination, &got_port) {
        return sent;
    }
    let mut replace = |at: usize, new: &[u8], sums: &[usize]| {
        for (word, pair) in new.chunks_exact(2).enumerate() {
            let at = at + 2 * word;
            let old = [sent[at], sent[at + 1]];
            sent[at..at + 2].copy_from_slice(pair);
            let delta = u32::from(!u16::from_ne_bytes(old))
                + u32::from(u16::from_ne_bytes([pair[0], pair[1]]));
            for sum in sums {
                let value = u16::from_ne_bytes([sent[*sum], sent[sum + 1]]);
                let value = checksum::update(value, delta);
                sent[*sum..sum + 2].copy_from_slice(&value.to_ne_bytes());
            }
        }
    };
    let is_tcp = packet.protocol == ipv4::PROTOCOL_TCP;
    let l4_sum = packet.l4 + if is_tcp { 16 } else { 6 };
    match got.destination {
        IpAddr::V4(address) => replace(26, &address.octets(), &[24, l4_sum]),
        IpAddr::V6(address) => replace(22, &address.octets(), &[l4_sum]),
    }
    replace(packet.l4, &got_port.unwrap_or_default(), &[l4_sum]);
    sent
}

/// Whether a frame asks who has an address, or says that nobody answered.
pub(crate) fn is_about_a_neighbour(frame: &[u8]) -> bool {
    const ARP: [u8; 2] = [0x08, 0x06];
    if frame.get(12..14) == Some(&ARP) {
        return true;
    }
    let Some(packet) = Packet::of(frame) else {
        return false;
    };
    let message = (frame.get(packet.l4), frame.get(packet.l4 + 1));
    matches!(
        (packet.protocol, message),
        // Host unreachable; solicitation, address unreachable.
        (ipv4::PROTOCOL_ICMP, (Some(3), Some(1)))
            | (ipv4::PROTOCOL_ICMPV6, (Some(135), _))
            | (ipv4::PROTOCOL_ICMPV6, (Some(1), Some(3)))
    )
}

/// Whether a frame is of those that the recorder left out: what an IPv6 stack says of itself, and what a
/// host says of fragments half a minute ago.
pub(crate) fn is_noise(frame: &[u8]) -> bool {
    is_said_of_fragments(frame) || is_of_ipv6(frame)
}

/// Whether a frame says that fragments were not put together in time.
fn is_said_of_fragments(frame: &[u8]) -> bool {
    let Some(packet) = Packet::of(frame) else {
        return false;
    };
    let message = frame.get(packet.l4..packet.l4 + 2);
    matches!(
        (packet.protocol, message),
        (ipv4::PROTOCOL_ICMP, Some([11, 1])) | (ipv4::PROTOCOL_ICMPV6, Some([3, 1]))
    )
}

/// Whether a frame is what an IPv6 stack says of itself.
fn is_of_ipv6(frame: &[u8]) -> bool {
    let Some(ip) = frame
        .get(14..)
        .filter(|_| frame.get(12..14) == Some(&[0x86, 0xdd]))
    else {
        return false;
    };
    let hop_by_hop = ip.get(6) == Some(&0);
    let (next, at) = match (hop_by_hop, ip.get(40), ip.get(41)) {
        (true, Some(next), Some(length)) => (*next, 40 + (usize::from(*length) + 1) * 8),
        _ => (ip.get(6).copied().unwrap_or(0), 40),
    };
    // Listeners' reports and queries, solicitations and advertisements of routers.
    next == ipv4::PROTOCOL_ICMPV6 && matches!(ip.get(at), Some(130..=134 | 143))
}

/// What can be told of an IP packet without its payload.
pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    /// Offset of what is behind the IP header.
    pub(crate) l4: usize,
}

impl Packet {
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let ip = frame.get(14..)?;
        match (frame.get(12..14)?, ip.first()? >> 4) {
            ([0x08, 0x00], 4) => Some(Self {
                source: Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(12..16)?).ok()?).into(),
                destination: Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(16..20)?).ok()?).into(),
                protocol: *ip.get(9)?,
                l4: 14 + usize::from(ip.first()? & 15) * 4,
            }),
            ([0x86, 0xdd], 6) => Some(Self {
                source: Ipv6Addr::from(<[u8; 16]>::try_from(ip.get(8..24)?).ok()?).into(),
                destination: Ipv6Addr::from(<[u8; 16]>::try_from(ip.get(24..40)?).ok()?).into(),
                protocol: *ip.get(6)?,
                l4: 54,
            }),
            _ => None,
        }
    }

    /// Its two ends, where it has ports.
    pub(crate) fn ends(&self, frame: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
        if ![ipv4::PROTOCOL_TCP, ipv4::PROTOCOL_UDP].contains(&self.protocol) {
            return None;
        }
        let [a, b, c, d] = frame.get(self.l4..self.l4 + 4)?.try_into().ok()?;
        let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let ends = (
            SocketAddr::new(self.source, from),
            SocketAddr::new(self.destination, to),
        );
        Some(ends)
    }

    pub(crate) fn is_icmp(&self) -> bool {
        [ipv4::PROTOCOL_ICMP, ipv4::PROTOCOL_ICMPV6].contains(&self.protocol)
    }
}

/// Whether every host answers this packet, or passes it on.
fn must_answer(network: &Network, frame: &[u8], packet: &Packet) -> bool {
    const RST: u8 = 4;
    // A fragment waits for the others.
    if is_fragment(frame)
        || checksums_are_valid(frame) != Some(true)
        || is_martian(network, packet.source)
    {
        return false;
    }
    if !network.is_local(packet.destination) {
        return network.route(packet.destination).is_some();
    }
    match packet.protocol {
        ipv4::PROTOCOL_TCP => frame
            .get(packet.l4 + 13)
            .is_some_and(|flags| flags & RST == 0),
        ipv4::PROTOCOL_UDP => true,
        _ => false,
    }
}

/// Whether a host drops what claims to come from there.
fn is_martian(network: &Network, source: IpAddr) -> bool {
    if source.is_loopback() || source.is_multicast() {
        return true;
    }
    match source {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.is_broadcast() || network.is_local(source),
        IpAddr::V6(_) => false,
    }
}

/// Whether the director answers `packet` by `sent` itself. A host resets TCP; that a port of TCP is
/// unreachable only IPVS says.
fn is_reply(packet: &Packet, sent: &Packet, reply: &[u8]) -> bool {
    const RST: u8 = 4;
    let back = sent.destination == packet.source && sent.source == packet.destination;
    if !back {
        return false;
    }
    if sent.protocol == ipv4::PROTOCOL_TCP {
        return reply
            .get(sent.l4 + 13)
            .is_some_and(|flags| flags & RST != 0);
    }
    let refusal = sent.is_icmp()
        && match (reply.get(sent.l4), reply.get(sent.l4 + 1)) {
            (Some(3), Some(3)) => sent.protocol == ipv4::PROTOCOL_ICMP,
            (Some(1), Some(4)) => sent.protocol == ipv4::PROTOCOL_ICMPV6,
            _ => false,
        };
    !(refusal && packet.protocol == ipv4::PROTOCOL_TCP)
}

/// Whether `sent` is `packet` on its way.
fn is_forwarded(packet: &Packet, frame: &[u8], sent: &Packet, output: &[u8]) -> bool {
    sent.source == packet.source
        && sent.destination == packet.destination
        && frame
            .get(packet.l4..)
            .zip(output.get(sent.l4..))
            .is_some_and(|(came, left)| !left.is_empty() && came.starts_with(left))
}

/// Whether `sent` is an ICMP error of the director about `packet`.
fn is_error(network: &Network, packet: &Packet, sent: &Packet) -> bool {
    sent.is_icmp() && sent.destination == packet.source && network.is_local(sent.source)
}
