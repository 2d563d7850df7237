//! The attacks: packets that only the stages behind the fast path look at, each from another sender.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    director::{Director, FTP, Family, PORT},
    program::frame::{ACK, FIRST, LAST, Order, Plan, SYN, Segment},
};

/// The first address that attackers say they have.
pub(super) const SPOOFED: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 0);
/// How many senders there are, those of an attack, and those of one of its turns, after which they come from
/// others: what is remembered of the turn before says nothing of these.
pub(super) const SENDERS: u32 = 1 << 24;
const OF_ATTACK: u32 = 1 << 21;
const OF_TURN: u32 = 1 << 17;
/// Packets of one plan before those of the next: fewer than may wait.
pub(super) const AT_ONCE: u32 = 512;
/// Control connections of FTP, whose clients say what has no end.
pub(super) const CONTROLS: u32 = 256;
/// Bytes of a frame in which as much is to be read as is read at all.
const ENDLESS: u16 = 600;
/// IANA protocol number of ICMP.
const ICMP: u8 = 1;

/// An attack: what is sent in turn, so many of each.
pub(super) struct Attack {
    /// What it is.
    pub(super) name: &'static str,
    plans: Vec<Plan>,
    next: u32,
}

impl Attack {
    /// Its packets, of senders that have sent none yet.
    pub(super) fn turn(&mut self) -> Vec<Plan> {
        let next = self.next;
        self.next = next.wrapping_add(OF_TURN);
        self.plans
            .iter()
            .map(|plan| plan.starting_at(next))
            .collect()
    }

    /// Its packets, to be no more than made.
    pub(super) fn frames(&self) -> Vec<Plan> {
        self.plans.clone()
    }
}

/// Segments of the control connections of FTP.
pub(super) fn control(director: &Director, flags: u8) -> Plan {
    let segment = director.segment(Family::V4, flags);
    Segment {
        source: (IpAddr::V4(SPOOFED), 0),
        destination: (segment.destination.0, FTP),
        ..segment
    }
    .plan(CONTROLS, Order::InOrder)
}

/// All of them.
pub(super) fn all(director: &Director) -> Vec<Attack> {
    let segment = |flags, fragment| Segment {
        source: (IpAddr::V4(SPOOFED), 0),
        fragment,
        ..director.segment(Family::V4, flags)
    };
    let many = |flags, fragment| segment(flags, fragment).plan(SENDERS, Order::InOrder);
    let whole = director.segment(Family::V4, ACK);
    let from_attackers = Segment {
        source: (IpAddr::V4(SPOOFED), 0),
        ..whole
    };
    let message = |payload: &[u8]| Plan::message(&from_attackers, ICMP, payload, SENDERS);
    let known = match whole.source.0 {
        IpAddr::V4(client) => client,
        IpAddr::V6(_) => SPOOFED,
    };
    [
        (
            "half packets (first fragments alone)",
            vec![many(SYN, FIRST)],
        ),
        ("early fragments without a first", vec![many(ACK, LAST)]),
        (
            "early fragments of one packet",
            vec![segment(ACK, LAST).plan(1, Order::InOrder)],
        ),
        (
            "fragments in the wrong order",
            vec![many(ACK, LAST), many(ACK, FIRST)],
        ),
        (
            "ICMP errors about no connection",
            vec![message(&error_about(SPOOFED))],
        ),
        (
            "ICMP errors about a connection",
            vec![message(&error_about(known))],
        ),
        (
            "FTP lines without an end",
            vec![control(director, ACK).saying(b"PORT", ENDLESS)],
        ),
        (
            "ICMP echo requests",
            vec![message(&[8, 0, 0xf7, 0xff, 0, 0, 0, 0])],
        ),
    ]
    .into_iter()
    .zip(0..)
    .map(|((name, plans), index)| Attack {
        name,
        plans,
        next: OF_ATTACK.wrapping_mul(index),
    })
    .collect()
}

/// The ICMP message "port unreachable" that quotes a segment from the VIP to a client (RFC 792), as the
/// client of flow 0 has it.
fn error_about(client: Ipv4Addr) -> Vec<u8> {
    /// Bytes of IP payload of every frame of the benchmark.
    const LENGTH: usize = crate::program::frame::LENGTH - 34;
    let mut message = vec![0; LENGTH];
    message[..2].copy_from_slice(&[3, 3]);
    let quoted = &mut message[8..];
    quoted[..10].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6]);
    if let IpAddr::V4(vip) = Family::V4.vip() {
        quoted[12..16].copy_from_slice(&vip.octets());
    }
    quoted[16..20].copy_from_slice(&client.octets());
    let sum = !folded(&quoted[..20]);
    quoted[10..12].copy_from_slice(&sum.to_be_bytes());
    quoted[20..22].copy_from_slice(&PORT.to_be_bytes());
    // As the programs of the benchmark choose the port of flow 0.
    quoted[22..24].copy_from_slice(&0x4000_u16.to_be_bytes());
    let sum = !folded(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The Internet checksum's sum of bytes, an even number of them (RFC 1071).
fn folded(bytes: &[u8]) -> u16 {
    bytes.chunks_exact(2).fold(0, |sum: u16, pair| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([pair[0], pair[1]]));
        sum + u16::from(carry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_and_its_quote_have_right_checksums() {
        let message = error_about(SPOOFED);
        assert_eq!(folded(&message), 0xffff);
        assert_eq!(folded(&message[8..28]), 0xffff);
    }
}
