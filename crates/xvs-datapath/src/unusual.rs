//! Packets with IPv4 options, IPv6 extension headers, in fragments, or cut within the L4 header; AH and
//! ESP, which go where UDP's port 500 goes between the same two addresses (kernel `ip_vs_proto_ah_esp.c`).
//!
//! They are rare, so the stages behind the fast path read them; what they find goes the same way as
//! the flow of any other packet. Source routes and malformed headers are left to the kernel, which
//! drops or answers them.

use xvs_wire::{checksum, ethernet, ipv4, ipv6, sctp, tcp, udp};

use crate::{
    Env, Flow, Packet, Rounds,
    abi::{Tuple, index},
    extent, fragments,
    memory::{load8, load16, load32},
    parse::{self, address},
    state,
    table::Family,
};

/// Bytes of IP header and extension headers that are read at the most; a multiple of eight.
const HEADERS: u32 = 256;
/// Bytes that must be directly readable.
const PULL: u32 = 14 + HEADERS + 20;

/// The ports of the connection that AH and ESP ride with, as in a tuple: those of key exchange (RFC 7296
/// section 2; kernel `PORT_ISAKMP`).
const KEY_EXCHANGE: u32 = {
    let port = 500_u16.to_be() as u32;
    port << 16 | port
};

/// How a packet is fragmented.
pub(crate) const WHOLE: u32 = 0;
/// The fragment with the L4 header.
pub(crate) const FIRST: u32 = 1;
/// A fragment behind the first.
pub(crate) const LATER: u32 = 2;
/// No TCP or UDP packet at all, but an ICMP message.
pub(crate) const MESSAGE: u32 = 3;
/// Whole, and of its L4 header there is little more than the ports.
pub(crate) const CUT: u32 = 4;
/// A fragment behind the first, which has not come yet.
pub(crate) const EARLY: u32 = 5;
/// One of AH or ESP, whole or in fragments: it has no ports, and goes the way of key exchange.
pub(crate) const RIDING: u32 = 6;

/// Finds the flow of any TCP or UDP packet of the family; `false` when it is not one of ours.
#[inline(always)]
pub(crate) fn parse<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &mut Flow,
) -> bool {
    flow.fragment = WHOLE;
    packet.pull(parse::PULL);
    let (start, end) = packet.bounds();
    if parse::parse::<F>(start, end, flow) {
        return extent::trim(packet, flow);
    }
    packet.pull(PULL);
    let headers = if F::V6 {
        headers_v6::<P, E>(packet, env, flow)
    } else {
        headers_v4::<P, E>(packet, env, flow)
    };
    if headers == 0 || headers > HEADERS {
        return false;
    }
    flow.l4 = headers;
    flow.flags = 0;
    flow.l4_header = 8;
    flow.ipv6 = F::V6;
    if flow.protocol == ipv4::PROTOCOL_ESP || flow.protocol == ipv4::PROTOCOL_AH {
        flow.fragment = RIDING;
        flow.protocol = ipv4::PROTOCOL_UDP;
        flow.tuple.ports = KEY_EXCHANGE;
        return extent::trim(packet, flow);
    }
    let is_tcp = flow.protocol == ipv4::PROTOCOL_TCP;
    let is_sctp = flow.protocol == ipv4::PROTOCOL_SCTP;
    if !is_tcp && !is_sctp && flow.protocol != ipv4::PROTOCOL_UDP {
        return false;
    }
    // The kernel drops what is not all there.
    if !extent::trim(packet, flow) {
        return false;
    }
    if flow.fragment == LATER {
        return fragments::complete(env, flow);
    }
    let (start, end) = packet.bounds();
    let l4 = start + ethernet::HEADER + index(headers & 0x1fc);
    if l4 + 4 > end {
        return false;
    }
    // SAFETY: four bytes were compared with the end.
    flow.tuple.ports = unsafe { load32(l4) };
    if l4 + udp::HEADER > end {
        return is_cut(flow);
    }
    if is_tcp {
        if l4 + tcp::HEADER > end {
            return is_cut(flow);
        }
        // SAFETY: 20 bytes were compared with the end.
        unsafe {
            flow.flags = load8(l4 + tcp::FLAGS);
            flow.l4_header = u32::from(load8(l4 + tcp::DATA_OFFSET) >> 4) << 2;
        }
    }
    if is_sctp {
        if l4 + sctp::CHUNK + sctp::CHUNK_HEADER > end {
            return false;
        }
        flow.l4_header = sctp::HEADER;
        // SAFETY: the first chunk's header was compared with the end.
        flow.flags = state::sctp::event(unsafe { load8(l4 + sctp::CHUNK) });
    }
    true
}

/// Notes that the L4 header is not all there; `false` for a first fragment, whose rest may come.
#[inline(always)]
fn is_cut(flow: &mut Flow) -> bool {
    let whole = flow.fragment == WHOLE;
    flow.fragment = CUT;
    whole
}

/// Whether the packet of a flow has an L4 header with ports, and is not one that goes by those of others.
#[inline(always)]
pub(crate) const fn has_ports(flow: &Flow) -> bool {
    flow.fragment != LATER && flow.fragment != RIDING
}

/// Whether the packet with an IPv4 header may be fragmented.
#[inline(always)]
pub(crate) fn may_be_cut<P: Packet>(packet: &P) -> bool {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + ipv4::HEADER > end {
        return false;
    }
    // SAFETY: the IPv4 header was compared with the end.
    let fragment = unsafe { load16(ip + ipv4::FRAGMENT) };
    u16::from_be(fragment) & ipv4::DONT_FRAGMENT == 0
}

/// Reads an IPv4 header but for the ports; answers its length, 0 where it is not for us.
#[inline(always)]
fn headers_v4<P: Packet, E: Env>(packet: &mut P, env: &E, flow: &mut Flow) -> u32 {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + ipv4::HEADER > end {
        return 0;
    }
    // SAFETY: Ethernet and IPv4 header were compared with the end.
    let length = unsafe {
        if load16(start + ethernet::TYPE) != ethernet::TYPE_IPV4.to_be() || load8(ip) >> 4 != 4 {
            return 0;
        }
        let fragment = u16::from_be(load16(ip + ipv4::FRAGMENT));
        flow.fragment = kind_of(
            fragment & ipv4::OFFSET_MASK,
            fragment & ipv4::MORE_FRAGMENTS,
        );
        flow.identification = u32::from(load16(ip + ipv4::IDENTIFICATION));
        flow.protocol = load8(ip + ipv4::PROTOCOL);
        flow.ttl = load8(ip + ipv4::TTL);
        flow.length = u32::from(u16::from_be(load16(ip + ipv4::TOTAL_LENGTH)));
        flow.tuple = Tuple {
            source: [load32(ip + ipv4::SOURCE), 0, 0, 0],
            destination: [load32(ip + ipv4::DESTINATION), 0, 0, 0],
            ports: 0,
        };
        u32::from(load8(ip) & 15) << 2
    };
    if length < 20 || flow.length < length {
        return 0;
    }
    if checksum::fold(packet.sum(14, length)) != 0xffff {
        return 0;
    }
    let mut options = Options {
        packet,
        at: 20,
        length,
        refused: 0,
    };
    if length > 20 {
        env.repeat(40, &mut options);
    }
    if options.refused != 0 { 0 } else { length }
}

/// A walk over the options of an IPv4 header.
struct Options<'a, P> {
    packet: &'a P,
    at: u32,
    length: u32,
    /// Not 0 once one was found that the kernel must see.
    refused: u32,
}

impl<P: Packet> Rounds for Options<'_, P> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        let at = self.at & 63;
        if at >= self.length {
            return true;
        }
        let (start, end) = self.packet.bounds();
        let here = start + ethernet::HEADER + index(at);
        // An L4 header follows, so that there are two bytes.
        if here + 2 > end {
            self.refused = 1;
            return true;
        }
        // SAFETY: two bytes were compared with the end.
        let (kind, length) = unsafe { (load8(here), u32::from(load8(here + 1))) };
        if kind == ipv4::OPTION_END {
            return true;
        }
        if kind == ipv4::OPTION_NOP {
            self.at = at + 1;
            return false;
        }
        let source_route =
            kind == ipv4::OPTION_LOOSE_SOURCE_ROUTE || kind == ipv4::OPTION_STRICT_SOURCE_ROUTE;
        if source_route || length < 2 || at + length > self.length {
            self.refused = 1;
            return true;
        }
        self.at = at + length;
        false
    }
}

/// Reads an IPv6 header and its extensions; answers the length of all, 0 where it is not for us.
#[inline(always)]
fn headers_v6<P: Packet, E: Env>(packet: &P, env: &E, flow: &mut Flow) -> u32 {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + ipv6::HEADER > end {
        return 0;
    }
    // SAFETY: Ethernet and IPv6 header were compared with the end.
    let next = unsafe {
        if load16(start + ethernet::TYPE) != ethernet::TYPE_IPV6.to_be() || load8(ip) >> 4 != 6 {
            return 0;
        }
        flow.ttl = load8(ip + ipv6::HOP_LIMIT);
        flow.length = u32::from(u16::from_be(load16(ip + ipv6::PAYLOAD_LENGTH))) + 40;
        flow.tuple = Tuple {
            source: address(ip + ipv6::SOURCE),
            destination: address(ip + ipv6::DESTINATION),
            ports: 0,
        };
        u32::from(load8(ip + ipv6::NEXT_HEADER))
    };
    let mut extensions = Extensions {
        packet,
        at: 40,
        next,
        identification: 0,
        fragment: WHOLE,
        refused: 0,
    };
    env.repeat(8, &mut extensions);
    flow.identification = extensions.identification;
    flow.fragment = extensions.fragment;
    flow.protocol = crate::abi::low8(u64::from(extensions.next));
    if extensions.refused != 0 {
        0
    } else {
        extensions.at
    }
}

/// A walk over extension headers, as far as the kernel follows them (`ipv6_find_hdr`).
struct Extensions<'a, P> {
    packet: &'a P,
    /// Offset of the next header behind the IPv6 header's begin.
    at: u32,
    /// What it is.
    next: u32,
    identification: u32,
    fragment: u32,
    /// Not 0 once the walk cannot go on.
    refused: u32,
}

impl<P: Packet> Rounds for Extensions<'_, P> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        let kind = self.next;
        let skipped =
            kind == ipv6::HOP_BY_HOP || kind == ipv6::ROUTING || kind == ipv6::DESTINATION_OPTIONS;
        let fragment = kind == ipv6::FRAGMENT;
        if (!skipped && !fragment) || self.fragment == LATER {
            return true;
        }
        let (start, end) = self.packet.bounds();
        let here = start + ethernet::HEADER + index(self.at & 0x1f8);
        if here + 8 > end || self.at >= HEADERS {
            self.refused = 1;
            return true;
        }
        // SAFETY: eight bytes were compared with the end.
        unsafe {
            self.next = u32::from(load8(here));
            if fragment {
                let word = u16::from_be(load16(here + 2));
                self.fragment = kind_of(word & 0xfff8, word & 1);
                self.identification = load32(here + 4);
                self.at += 8;
            } else {
                self.at += (u32::from(load8(here + 1)) + 1) << 3;
            }
        }
        false
    }
}

#[inline(always)]
const fn kind_of(offset: u16, more: u16) -> u32 {
    if offset != 0 {
        LATER
    } else if more != 0 {
        FIRST
    } else {
        WHOLE
    }
}
