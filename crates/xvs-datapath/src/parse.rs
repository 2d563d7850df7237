//! From bytes to a [`Flow`].
//!
//! Recognised are TCP and UDP right behind an IPv4 header without options or an IPv6 header without
//! extensions, not fragmented, whole by what its headers say. What is not so is read by [`unusual`](crate::unusual).

use xvs_wire::{ethernet, ipv4, ipv6, tcp, udp};

use crate::{
    Flow, Verdict,
    abi::{Address, Tuple},
    extent,
    memory::{load8, load16, load32},
    table::Family,
};

/// Bytes that must be directly readable for the longest header the parser reads: Ethernet, IPv6, TCP.
pub(crate) const PULL: u32 = 74;

/// Whether the packet between `start` and `end` says that it is IPv6.
#[inline(always)]
pub(crate) fn is_ipv6(start: usize, end: usize) -> bool {
    // SAFETY: the Ethernet header is compared with the end.
    start + ethernet::HEADER <= end
        && unsafe { load16(start + ethernet::TYPE) } == ethernet::TYPE_IPV6.to_be()
}

/// Finds the flow of the packet of the family between `start` and `end`; `false` when it is not one of
/// ours.
///
/// For one family, because code that reads either keeps what it read on the stack.
#[inline(always)]
pub(crate) fn parse<F: Family>(start: usize, end: usize, flow: &mut Flow) -> bool {
    let ip = start + ethernet::HEADER;
    if ip + F::IP_HEADER + udp::HEADER > end {
        return false;
    }
    // SAFETY: Ethernet, the IP header and 8 more bytes were compared with the end.
    unsafe {
        let kind = load16(start + ethernet::TYPE);
        flow.ipv6 = F::V6;
        flow.fragment = 0;
        if F::V6 {
            if kind != ethernet::TYPE_IPV6.to_be() {
                return false;
            }
            flow.l4 = 40;
            flow.protocol = load8(ip + ipv6::NEXT_HEADER);
            flow.ttl = load8(ip + ipv6::HOP_LIMIT);
            flow.length = u32::from(u16::from_be(load16(ip + ipv6::PAYLOAD_LENGTH))) + 40;
            flow.tuple = Tuple {
                source: address(ip + ipv6::SOURCE),
                destination: address(ip + ipv6::DESTINATION),
                ports: load32(ip + ipv6::HEADER),
            };
        } else {
            if kind != ethernet::TYPE_IPV4.to_be()
                || load8(ip) != ipv4::VERSION_IHL_PLAIN
                || !extent::is_sound_v4(ip)
                || u16::from_be(load16(ip + ipv4::FRAGMENT)) & ipv4::FRAGMENT_MASK != 0
            {
                return false;
            }
            flow.l4 = 20;
            flow.protocol = load8(ip + ipv4::PROTOCOL);
            flow.ttl = load8(ip + ipv4::TTL);
            flow.length = u32::from(u16::from_be(load16(ip + ipv4::TOTAL_LENGTH)));
            flow.tuple = Tuple {
                source: [load32(ip + ipv4::SOURCE), 0, 0, 0],
                destination: [load32(ip + ipv4::DESTINATION), 0, 0, 0],
                ports: load32(ip + ipv4::HEADER),
            };
        }
    }
    l4(ip + F::IP_HEADER, end, flow)
}

/// TCP and UDP as next headers.
const TCP: u32 = 6;
const UDP: u32 = 17;

/// Who decides a packet that [`parse`] does not know: ICMP messages may be about a connection, and
/// other stages read options, extension headers, fragments and what is cut short.
#[inline(always)]
pub(crate) fn other(start: usize, end: usize) -> Verdict {
    let ip = start + ethernet::HEADER;
    if ip + ipv4::HEADER > end {
        return Verdict::PASS;
    }
    // SAFETY: Ethernet and 20 more bytes were compared with the end.
    let (kind, protocol, next) = unsafe {
        (
            u16::from_be(load16(start + ethernet::TYPE)),
            load8(ip + ipv4::PROTOCOL),
            load8(ip + ipv6::NEXT_HEADER),
        )
    };
    match (kind, protocol, u32::from(next)) {
        (ethernet::TYPE_IPV4, ipv4::PROTOCOL_ICMP, _) => Verdict::RELATED,
        (
            ethernet::TYPE_IPV4,
            ipv4::PROTOCOL_TCP
            | ipv4::PROTOCOL_UDP
            | ipv4::PROTOCOL_SCTP
            | ipv4::PROTOCOL_ESP
            | ipv4::PROTOCOL_AH,
            _,
        ) => Verdict::OPEN,
        (ethernet::TYPE_IPV6, _, 58) => Verdict::RELATED,
        (
            ethernet::TYPE_IPV6,
            _,
            TCP
            | UDP
            | ipv6::HOP_BY_HOP
            | ipv6::ROUTING
            | ipv6::FRAGMENT
            | ipv6::DESTINATION_OPTIONS
            | ipv6::ESP
            | ipv6::AH
            | ipv6::SCTP,
        ) => Verdict::OPEN,
        _ => Verdict::PASS,
    }
}

#[inline(always)]
fn l4(l4: usize, end: usize, flow: &mut Flow) -> bool {
    if flow.protocol == ipv4::PROTOCOL_TCP {
        if l4 + tcp::HEADER > end || ends_before(flow, 20) {
            return false;
        }
        // SAFETY: 20 bytes were compared with the end.
        unsafe {
            flow.flags = load8(l4 + tcp::FLAGS);
            flow.l4_header = u32::from(load8(l4 + tcp::DATA_OFFSET) >> 4) << 2;
        }
        return true;
    }
    flow.flags = 0;
    flow.l4_header = 8;
    flow.protocol == ipv4::PROTOCOL_UDP && !ends_before(flow, 8)
}

/// Whether the IP packet ends before an L4 header of `length` bytes does. One that stands for several
/// may say that it has no length at all, because that would be too large a number.
#[inline(always)]
fn ends_before(flow: &Flow, length: u32) -> bool {
    flow.length.wrapping_sub(1) < flow.l4 + length - 1
}

/// # Safety
/// 16 bytes at `at` must be readable.
#[inline(always)]
pub(crate) unsafe fn address(at: usize) -> Address {
    // SAFETY: the caller vouches for 16 bytes.
    unsafe { [load32(at), load32(at + 4), load32(at + 8), load32(at + 12)] }
}
