//! Direct routing: only the link-layer destination and the time to live change.

use xvs_wire::{checksum, ethernet, ipv4, ipv6};

use crate::{
    Packet,
    memory::{load8, load16, store8, store16},
    next_hop::Hop,
    rewrite::address,
    table::Family,
};

/// Sends the packet on to the hop as it is.
#[inline(always)]
pub(crate) fn forward<F: Family, P: Packet>(packet: &P, hop: &Hop) -> bool {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + F::IP_HEADER > end {
        return false;
    }
    // SAFETY: Ethernet and IP header were compared with the end.
    unsafe {
        decrement::<F>(ip);
        address(start, hop);
    }
    true
}

/// Takes one from the time to live, as on every way out of a router.
#[inline(always)]
pub(crate) fn age<F: Family, P: Packet>(packet: &P) {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + F::IP_HEADER <= end {
        // SAFETY: the IP header was compared with the end.
        unsafe { decrement::<F>(ip) };
    }
}

/// Gives the packet the hop back that a router took ([`age`] undone).
#[inline(always)]
pub(crate) fn renew<F: Family, P: Packet>(packet: &P) {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + F::IP_HEADER > end {
        return;
    }
    // SAFETY: the IP header was compared with the end.
    unsafe {
        if F::V6 {
            let limit = load8(ip + ipv6::HOP_LIMIT);
            store8(ip + ipv6::HOP_LIMIT, limit.wrapping_add(1));
        } else {
            let ttl = load8(ip + ipv4::TTL);
            store8(ip + ipv4::TTL, ttl.wrapping_add(1));
            let sum = load16(ip + ipv4::CHECKSUM);
            store16(ip + ipv4::CHECKSUM, checksum::update(sum, 1));
        }
    }
}

/// What [`age`] adds to the sum of the packet's bytes: nothing for IPv4, whose header's sum stays.
#[inline(always)]
pub(crate) fn age_delta<F: Family, P: Packet>(_packet: &P) -> u32 {
    // The hop limit is the second byte of its word.
    if F::V6 {
        u32::from((!1_u16).to_be())
    } else {
        0
    }
}

/// Decrements the time to live, and mends the IPv4 header's checksum.
///
/// # Safety
/// The IP header at `ip` must be writable.
#[inline(always)]
pub(super) unsafe fn decrement<F: Family>(ip: usize) {
    // SAFETY: the caller vouches for the header.
    unsafe {
        if F::V6 {
            let limit = load8(ip + ipv6::HOP_LIMIT);
            store8(ip + ipv6::HOP_LIMIT, limit.wrapping_sub(1));
        } else {
            let ttl = load8(ip + ipv4::TTL);
            store8(ip + ipv4::TTL, ttl.wrapping_sub(1));
            let sum = load16(ip + ipv4::CHECKSUM);
            store16(ip + ipv4::CHECKSUM, checksum::update(sum, TTL_DELTA));
        }
    }
}

/// Delta of a time to live that falls by one: it is the high byte of its word on the wire, the low
/// one in memory.
pub(super) const TTL_DELTA: u32 = 0xfffe;
