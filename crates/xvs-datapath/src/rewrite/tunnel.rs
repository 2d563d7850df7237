//! Tunnels: an outer IPv4 or IPv6 header (RFC 2003, RFC 2473; ECN as kernel `INET_ECN_encapsulate`),
//! and what [`Shim`] stands behind it.

use xvs_wire::{checksum, ethernet, ipv4, ipv6};

use crate::{
    Packet,
    abi::Address,
    memory::{load8, load16, load32, store16, store32, store64},
    next_hop::Hop,
    rewrite::{Shim, address, direct, link},
    table::Family,
};

/// An outer header's addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer<'a> {
    /// The director.
    pub(crate) source: &'a Address,
    /// The real server.
    pub(crate) destination: &'a Address,
    /// Whether the outer header is IPv6.
    pub(crate) ipv6: bool,
    /// Identification of an outer IPv4 header without "don't fragment".
    pub(crate) identification: u16,
    /// Whether an outer IPv4 packet may be fragmented whatever is inside; else as the one inside.
    pub(crate) may_be_cut: bool,
    /// What stands behind the outer header.
    pub(crate) shim: Shim,
}

/// Bytes that an outer header adds.
#[inline(always)]
pub(crate) const fn overhead(ipv6: bool) -> u32 {
    if ipv6 { 40 } else { 20 }
}

/// Puts the packet of `length` bytes into an outer one and addresses it. `inner_sum` is the sum of its
/// bytes, where the shim has a checksum.
#[inline(always)]
pub(crate) fn encapsulate<F: Family, P: Packet>(
    packet: &mut P,
    outer: &Outer<'_>,
    length: u32,
    inner_sum: u32,
    hop: &Hop,
) -> bool {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + F::IP_HEADER > end {
        return false;
    }
    // SAFETY: Ethernet and IP header were compared with the end.
    let (class, ttl, fragment) = unsafe {
        direct::decrement::<F>(ip);
        if F::V6 {
            let word = u32::from_be(load32(ip));
            (
                (word >> 20) & 0xff,
                u32::from(load8(ip + ipv6::HOP_LIMIT)),
                0,
            )
        } else {
            (
                u32::from(load8(ip + ipv4::TOS)),
                u32::from(load8(ip + ipv4::TTL)),
                u32::from(load16(ip + ipv4::FRAGMENT) & ipv4::DONT_FRAGMENT.to_be()),
            )
        }
    };
    let fragment = if outer.may_be_cut { 0 } else { fragment };
    // Inner CE becomes outer ECT(0): the tunnel's congestion is its own.
    let class = if class & 3 == 3 {
        class & 0xfc | 2
    } else {
        class
    };
    let inner = if F::V6 {
        ipv4::PROTOCOL_IPV6
    } else {
        ipv4::PROTOCOL_IPIP
    };
    let shim = outer.shim;
    let protocol = shim.protocol(inner);
    let added = overhead(outer.ipv6) + shim.length();
    // What the kernel knows to be a tunnel packet changes its length no more.
    let made = if hop.is_cut != 0 {
        packet.push_front(added, outer.ipv6)
    } else {
        packet.push_outer(added, outer.ipv6, protocol)
    };
    if !made {
        return false;
    }
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if outer.ipv6 {
        if ip + ipv6::HEADER > end {
            return false;
        }
        // At least 40 bytes of packet follow the outer header.
        if shim.length() != 0 {
            let at = ip + ipv6::HEADER;
            if at + 12 > end {
                return false;
            }
            let (from, to) = (outer.source, outer.destination);
            let addresses = sum_of(from) + sum_of(to);
            // SAFETY: 12 bytes were compared with the end.
            unsafe { shim.write(at, inner, length, inner_sum, addresses) };
        }
        // SAFETY: Ethernet and IPv6 header were compared with the end.
        unsafe {
            address(start, hop);
            link::set_type(start, ethernet::TYPE_IPV6);
            store32(ip, (6 << 28 | class << 20).to_be());
            let rest = (length + shim.length()) << 16 | u32::from(protocol) << 8 | ttl;
            store32(ip + ipv6::PAYLOAD_LENGTH, rest.to_be());
            store64(ip + 8, crate::abi::join(outer.source[0], outer.source[1]));
            store64(ip + 16, crate::abi::join(outer.source[2], outer.source[3]));
            store64(
                ip + 24,
                crate::abi::join(outer.destination[0], outer.destination[1]),
            );
            store64(
                ip + 32,
                crate::abi::join(outer.destination[2], outer.destination[3]),
            );
        }
        return true;
    }
    if ip + ipv4::HEADER > end {
        return false;
    }
    if shim.length() != 0 {
        let at = ip + ipv4::HEADER;
        if at + 12 > end {
            return false;
        }
        let addresses = checksum::sum32(outer.source[0]) + checksum::sum32(outer.destination[0]);
        // SAFETY: 12 bytes were compared with the end.
        unsafe { shim.write(at, inner, length, inner_sum, addresses) };
    }
    let first = (0x4500_0000 | class << 16 | (length + shim.length() + 20) & 0xffff).to_be();
    let identification = if fragment != 0 {
        0
    } else {
        outer.identification
    };
    let second = u32::from(identification) | fragment << 16;
    let third = (ttl << 24 | u32::from(protocol) << 16).to_be();
    let sum = checksum::sum32(first)
        + checksum::sum32(second)
        + checksum::sum32(third)
        + checksum::sum32(outer.source[0])
        + checksum::sum32(outer.destination[0]);
    // SAFETY: Ethernet and IPv4 header were compared with the end.
    unsafe {
        address(start, hop);
        link::set_type(start, ethernet::TYPE_IPV4);
        store32(ip, first);
        store32(ip + 4, second);
        store32(ip + 8, third);
        store16(ip + ipv4::CHECKSUM, !checksum::fold(sum));
        store32(ip + ipv4::SOURCE, outer.source[0]);
        store32(ip + ipv4::DESTINATION, outer.destination[0]);
    }
    true
}

/// The sum of an IPv6 address.
#[inline(always)]
fn sum_of(address: &Address) -> u32 {
    checksum::sum32(address[0])
        + checksum::sum32(address[1])
        + checksum::sum32(address[2])
        + checksum::sum32(address[3])
}
