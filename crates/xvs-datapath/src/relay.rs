//! ICMP errors about our own tunnels: a router tells the director of a tunnelled packet, and the
//! client must hear of the one inside (kernel `ip_vs_in_icmp`, IPv4 inside IPv4 alone).
//!
//! The connection is found by the packet inside. The error that the client gets is a new one, from
//! the VIP, about what the client sent.

use xvs_wire::{ethernet, icmp, ipv4};

use crate::{
    Env, Flow, Packet, Verdict,
    abi::{Counter, Method, RealServer, Slot, Tag, Tuple, index},
    answer::{self, Message},
    memory::{load8, load16, load32, opaque, opaque_number, read_shared},
    next_hop::{self, Hop},
    path_mtu, related, rewrite,
    table::{self, Family, V4},
    unusual,
};

/// Bytes that must be directly readable: Ethernet, IP, the error's header, the quoted IP header, the
/// longest shim, the IP header inside, ports.
const PULL: u32 = 14 + 20 + 8 + 20 + 136 + 20 + 4;

/// What a tunnelled packet that an error quotes tells.
#[derive(Clone, Copy)]
struct Quote {
    /// Bytes of the outer header and what stands between it and the packet inside; 0 for none.
    overhead: u32,
    /// One of `IP_VS_CONN_F_TUNNEL_TYPE_*`.
    kind: u8,
    /// Whether the outer packet was not to be fragmented.
    whole: bool,
    /// The real server.
    server: u32,
    /// Type and code of the error.
    what: (u8, u8),
    /// Its second word.
    value: u32,
}

/// Decides an ICMP error that is about no connection's packet itself.
#[inline(always)]
pub fn run<P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    packet.pull(PULL);
    let (start, end) = packet.bounds();
    // SAFETY: nothing else took it.
    let Some(flow) = (unsafe { Flow::of(env) }) else {
        return Verdict::PASS;
    };
    let quote = parse(start, end, flow);
    if quote.overhead == 0 {
        return Verdict::PASS;
    }
    let place = table::find_flow::<V4, E>(env, flow);
    let entry = table::entry_at::<V4, E>(env, place);
    if entry.is_null() {
        return Verdict::PASS;
    }
    let entry = opaque(entry);
    // SAFETY: `entry` is a valid map value.
    let fields = unsafe { V4::fields(entry) };
    // SAFETY: as above.
    let (tag, real_server) = unsafe { (Tag(read_shared(fields.tag)), *fields.real_server) };
    let key = <V4 as Family>::Key::from(&flow.tuple);
    // It may have been evicted since it was found; the key is compared after the tag was read.
    // SAFETY: as above.
    let ours = tag.slot() >= Slot::LIVE && unsafe { V4::matches(entry, &key) };
    let server = env.real_server(real_server);
    if !ours || tag.method() != Method::TUNNEL || server.is_null() {
        return Verdict::PASS;
    }
    let server = opaque(server);
    // SAFETY: the server is a valid map value.
    if unsafe { !leads_to(server, &quote) } {
        return Verdict::PASS;
    }
    if !related::is_intact::<V4, P, E>(packet, env, flow) {
        env.count(Counter::DropIcmpChecksum);
        return Verdict::DROP;
    }
    let needed = quote.what == (icmp::V4_UNREACHABLE, icmp::V4_FRAGMENTATION_NEEDED);
    if needed {
        // SAFETY: entry and server are valid map values; the fast path leaves what has no next hop.
        unsafe {
            path_mtu::learn(env, server, quote.value & 0xffff);
            *fields.next_hop = 0;
        }
    }
    if needed && !quote.whole {
        // The client does not ask for the way's MTU.
        return Verdict::PASS;
    }
    let mut hop = Hop::default();
    next_hop::towards_client::<P, E>(packet, env, &flow.tuple.source, 4, &mut hop);
    let settled = next_hop::settle(packet, env, &mut hop);
    if settled != Verdict::ONWARD {
        return settled;
    }
    flow.length = flow.length.wrapping_sub(28 + quote.overhead);
    if !tell::<P, E>(packet, env, flow, &quote, &hop) {
        env.count(Counter::DropHeadroom);
        return Verdict::DROP;
    }
    env.count(Counter::IcmpRelated);
    let told = answer::length::<V4>(flow);
    // The kernel counts what it tells, and the packet that it tells about.
    // SAFETY: the server is a valid map value; its counters are shared by atomics alone.
    unsafe {
        env.add64(&raw mut (*server).packets_out, 2);
        env.add64(&raw mut (*server).bytes_out, u64::from(told + told - 28));
    }
    next_hop::send(packet, env, &hop)
}

/// Whether a quoted packet is one of this server's tunnel.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
unsafe fn leads_to(server: *const RealServer, quote: &Quote) -> bool {
    // SAFETY: the caller vouches for the server.
    unsafe {
        (*server).family == 4
            && (*server).address[0] == quote.server
            && (*server).tunnel_kind == quote.kind
    }
}

/// Makes the error one from the VIP to the client.
#[inline(always)]
fn tell<P: Packet, E: Env>(packet: &mut P, env: &E, flow: &Flow, quote: &Quote, hop: &Hop) -> bool {
    let length = answer::length::<V4>(flow);
    // IP header and error's header stay as room for the new ones.
    if !packet.pop_front(opaque_number(quote.overhead) & 0xff) || !packet.resize(14 + length) {
        return false;
    }
    let sum = crate::sum::over(packet, env, 14 + 28, length - 28);
    let needed = quote.what == (icmp::V4_UNREACHABLE, icmp::V4_FRAGMENTATION_NEEDED);
    // As the kernel, which takes no more from what would be less than every link must carry.
    let value = if needed && quote.value > 68 + quote.overhead {
        quote.value - quote.overhead
    } else {
        quote.value
    };
    let message = Message::v4(quote.what, value);
    answer::write::<V4, P>(packet, flow, message, length, sum)
        && rewrite::frame(packet, hop, ethernet::TYPE_IPV4)
}

/// Reads an error about a tunnelled packet; the tuple of the packet inside goes to `flow`.
#[inline(always)]
fn parse(start: usize, end: usize, flow: &mut Flow) -> Quote {
    let mut quote = Quote {
        overhead: 0,
        kind: 0,
        whole: false,
        server: 0,
        what: (0, 0),
        value: 0,
    };
    let ip = start + ethernet::HEADER;
    let error = ip + ipv4::HEADER;
    let quoted = error + icmp::HEADER;
    let shim = quoted + ipv4::HEADER;
    if shim + 12 > end {
        return quote;
    }
    // SAFETY: the headers and twelve bytes behind them were compared with the end.
    let shim_length = unsafe {
        related::outer_v4(ip, error, flow);
        let plain = load8(quoted) == ipv4::VERSION_IHL_PLAIN;
        let mine = load32(ip + ipv4::DESTINATION) == load32(quoted + ipv4::SOURCE);
        quote.what = (load8(error), load8(error + 1));
        quote.value = u32::from_be(load32(error + 4));
        quote.server = load32(quoted + ipv4::DESTINATION);
        let fragment = u16::from_be(load16(quoted + ipv4::FRAGMENT));
        quote.whole = fragment & ipv4::DONT_FRAGMENT != 0;
        if flow.length == 0 || !plain || !mine || fragment & ipv4::OFFSET_MASK != 0 {
            return quote;
        }
        match load8(quoted + ipv4::PROTOCOL) {
            ipv4::PROTOCOL_IPIP => 0,
            ipv4::PROTOCOL_GRE => {
                quote.kind = 2;
                let flags = u32::from_be(load32(shim));
                match flags {
                    0x0000_0800 => 4,
                    0x8000_0800 => 8,
                    _ => return quote,
                }
            }
            ipv4::PROTOCOL_UDP => {
                quote.kind = 1;
                let (head, inner) = (load8(shim + 8), load8(shim + 9));
                if head >> 5 != 0 || inner != ipv4::PROTOCOL_IPIP {
                    return quote;
                }
                12 + (u32::from(head & 31) << 2)
            }
            _ => return quote,
        }
    };
    let inner = shim + index(opaque_number(shim_length) & 0xfc);
    if inner + ipv4::HEADER + 4 > end {
        return quote;
    }
    // SAFETY: the header inside and the ports were compared with the end.
    unsafe {
        flow.protocol = load8(inner + ipv4::PROTOCOL);
        let offset = u16::from_be(load16(inner + ipv4::FRAGMENT)) & ipv4::OFFSET_MASK;
        let plain = load8(inner) == ipv4::VERSION_IHL_PLAIN && offset == 0;
        if !plain || !related::has_ports(flow.protocol) {
            return quote;
        }
        flow.tuple = Tuple {
            source: [load32(inner + ipv4::SOURCE), 0, 0, 0],
            destination: [load32(inner + ipv4::DESTINATION), 0, 0, 0],
            ports: load32(inner + ipv4::HEADER),
        };
    }
    flow.l4 = 20;
    flow.fragment = unusual::MESSAGE;
    quote.overhead = 20 + shim_length;
    quote
}
