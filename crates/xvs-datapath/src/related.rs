//! ICMP and ICMPv6 errors about packets of known connections, both ways.
//!
//! An error quotes the packet that it is about, which went the other way: its addresses and ports
//! turned round are those of a packet of the connection that would take the error's way. So the
//! entry that is found by them has the recipe for the error as well (kernel `ip_vs_in_icmp`,
//! `ip_vs_out_icmp`). Whatever is not about a known connection passes: the host's own stack answers
//! echo requests and hears of its own packets.

use xvs_wire::{checksum, ethernet, icmp, ipv4, ipv6};

use crate::{
    Env, Flow, Packet, Verdict,
    abi::{Address, Counter, Method, Slot, Tag, Tuple, index, setting_flag},
    carry, extent,
    fast::exceeds,
    memory::{load8, load16, load32, opaque, read_shared},
    next_hop::{self, Hop},
    open, rewrite, state, sum,
    table::{self, Family},
    unusual,
};

/// Bytes that must be directly readable: Ethernet, IP header, the error's header, the quoted IP header
/// with options, ports.
pub(crate) const PULL: u32 = 14 + 40 + 8 + 60 + 4;

/// Decides an ICMP message of the family.
#[inline(always)]
pub fn run<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    packet.pull(PULL);
    let (start, end) = packet.bounds();
    // SAFETY: nothing else took it.
    let Some(flow) = (unsafe { Flow::of(env) }) else {
        return Verdict::PASS;
    };
    let quoted = parse::<F>(start, end, flow);
    if flow.length != 0 && !extent::trim(packet, flow) {
        return Verdict::PASS;
    }
    // The kernel relays errors about tunnels for IPv4 alone.
    let otherwise = if F::V6 || flow.length == 0 {
        Verdict::PASS
    } else {
        Verdict::RELAY
    };
    if quoted == 0 {
        return otherwise;
    }
    let entry = entry_of::<F, E>(env, flow);
    if entry.is_null() {
        if heard::<F, P, E>(env, flow) {
            return Verdict::PASS;
        }
        if state::is_set(env, setting_flag::SCHEDULE_ICMP) {
            return Verdict::OPEN;
        }
        return otherwise;
    }
    // SAFETY: `entry` is a valid map value.
    unsafe { relate::<F, P, E>(packet, env, flow, quoted, opaque(entry)) }
}

/// The entry whose packets go the way of an error; null for none.
#[inline(always)]
fn entry_of<F: Family, E: Env>(env: &E, flow: &Flow) -> *mut F::Entry {
    let place = table::find_flow::<F, E>(env, flow);
    table::entry_at::<F, E>(env, place)
}

/// Opens a connection for what an ICMP error quotes (`schedule_icmp`), and has it related then; who is
/// asked for that else is asked next. `packet` is one that is neither TCP nor UDP.
#[inline(always)]
pub(crate) fn schedule<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &mut Flow,
) -> Verdict {
    packet.pull(PULL);
    let (start, end) = packet.bounds();
    if parse::<F>(start, end, flow) != 0 {
        let verdict = open::by_message::<F, P, E>(packet, env, flow);
        if verdict != Verdict::ONWARD {
            return verdict;
        }
    }
    if F::V6 || flow.length == 0 {
        Verdict::PASS
    } else {
        Verdict::RELAY
    }
}

/// Whether an error is one of a real server by DR or TUN about a client's packet. It counts as a reply:
/// it is the client's, and the host forwards it (kernel `ip_vs_out_icmp`).
#[inline(always)]
fn heard<F: Family, P: Packet, E: Env>(env: &E, flow: &mut Flow) -> bool {
    flow.tuple = flow.tuple.swapped();
    let entry = entry_of::<F, E>(env, flow);
    if entry.is_null() {
        return false;
    }
    // SAFETY: `entry` is a valid map value.
    let fields = unsafe { F::fields(opaque(entry)) };
    // SAFETY: as above.
    let (tag, real_server) = unsafe { (Tag(read_shared(fields.tag)), *fields.real_server) };
    let server = env.real_server(real_server);
    if server.is_null() || tag.reverse() || Method::two_way(tag.method()) {
        return false;
    }
    let server = opaque(server);
    // What XDP passes comes by tcx once more.
    if !P::RESOLVES {
        return true;
    }
    // SAFETY: the server is a valid map value; its counters are shared by atomics alone.
    unsafe {
        env.add64(&raw mut (*server).packets_out, 1);
        env.add64(&raw mut (*server).bytes_out, u64::from(flow.length));
    }
    true
}

/// Sends an error the way of the packets of an entry.
///
/// # Safety
/// `entry` must be a valid map value.
#[inline(always)]
unsafe fn relate<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
    quoted: u32,
    entry: *mut F::Entry,
) -> Verdict {
    // SAFETY: the caller vouches for the entry.
    let (fields, recipe) = unsafe { (F::fields(entry), F::recipe(entry)) };
    // SAFETY: as above.
    let (tag, real_server) = unsafe { (read_shared(fields.tag), *fields.real_server) };
    let key = F::Key::from(&flow.tuple);
    // It may have been evicted since it was found; the key is compared after the tag was read.
    // SAFETY: as above.
    if Tag(tag).slot() < Slot::LIVE || !unsafe { F::matches(entry, &key) } {
        return Verdict::PASS;
    }
    let server = env.real_server(real_server);
    if server.is_null() {
        env.count(Counter::DropInternal);
        return Verdict::DROP;
    }
    let server = opaque(server);
    if !is_intact::<F, P, E>(packet, env, flow) {
        env.count(Counter::DropIcmpChecksum);
        return Verdict::DROP;
    }
    let method = Tag(tag).method();
    if method == Method::LOCAL {
        return Verdict::PASS;
    }
    if flow.ttl <= 1 {
        // An error is never the cause of another one (RFC 1122 section 3.2.2).
        env.count(Counter::DropTtl);
        return Verdict::DROP;
    }
    let mut hop = Hop::default();
    let now = env.now();
    // SAFETY: entry and server are valid map values.
    unsafe { next_hop::resolve::<F, P, E>(packet, env, entry, tag, server, now, &mut hop) };
    let settled = next_hop::settle(packet, env, &mut hop);
    if settled != Verdict::ONWARD {
        return settled;
    }
    // At XDP fewer ways lead here, and the room costs more than it spares.
    if P::RESOLVES {
        let Some(forgotten) = hop.forgotten(env) else {
            env.count(Counter::DropInternal);
            return Verdict::DROP;
        };
        hop = forgotten;
    }
    // SAFETY: the server is a valid map value.
    let outer = unsafe { carry::overhead(tag, server) };
    if !hop.is_here() && exceeds::<F, P>(packet, flow, outer, hop.mtu) {
        env.count(Counter::DropTooBig);
        return Verdict::DROP;
    }
    // The connection lives no longer for it, yet it is counted.
    // SAFETY: the caller vouches for the entry.
    unsafe {
        *fields.packets = (*fields.packets).wrapping_add(1);
        *fields.bytes = (*fields.bytes).wrapping_add(u64::from(flow.length));
    }
    let done = if Method::two_way(method) {
        // The entry may have been evicted and used anew while it was read.
        // SAFETY: the caller vouches for the entry.
        if !Tag(unsafe { read_shared(fields.tag) }).same_use(Tag(tag)) {
            env.count(Counter::DropTorn);
            return Verdict::DROP;
        }
        // NAT leaves real servers the client's address, and so the one of a router on the way.
        let keep_source = method == Method::NAT && !Tag(tag).reverse();
        rewrite::relate::<F, P>(packet, &recipe, keep_source, quoted, &hop)
    } else {
        // SAFETY: the server is a valid map value.
        unsafe { carry::pass_on::<F, P, E>(packet, env, flow, tag, server, &hop) }
    };
    if !done {
        env.count(Counter::DropHeadroom);
        return Verdict::DROP;
    }
    env.count(Counter::IcmpRelated);
    next_hop::send(packet, env, &hop)
}

/// Reads an error: into `flow` go the tuple of packets that go its way, its own length and time to
/// live. Answers the length of the quoted IP header; 0 where it is none that could be about a
/// connection: no error, addressed to another than the quoted packet's sender, or cut before the
/// quoted ports.
#[inline(always)]
pub(crate) fn parse<F: Family>(start: usize, end: usize, flow: &mut Flow) -> u32 {
    let ip = start + ethernet::HEADER;
    let error = ip + F::IP_HEADER;
    let inner = error + icmp::HEADER;
    flow.length = 0;
    if inner + F::IP_HEADER + 4 > end {
        return 0;
    }
    // SAFETY: all headers but the options of the quoted one were compared with the end.
    unsafe {
        let quoted = if F::V6 {
            outer_v6(ip, error, flow);
            quoted_v6(inner, flow)
        } else {
            outer_v4(ip, error, flow);
            quoted_v4(inner, flow)
        };
        if flow.length == 0 || quoted == 0 {
            return 0;
        }
        flow.l4 = if F::V6 { 40 } else { 20 };
        flow.fragment = unusual::MESSAGE;
        let ports = inner + index(quoted & 0x7c);
        if ports + 4 > end {
            return 0;
        }
        flow.tuple = Tuple {
            source: read::<F>(inner + F::DESTINATION),
            destination: read::<F>(inner + F::SOURCE),
            ports: load32(ports).rotate_left(16),
        };
        let to = read::<F>(ip + F::DESTINATION);
        let mine = flow.tuple.destination;
        let other = (to[0] ^ mine[0]) | (to[1] ^ mine[1]) | (to[2] ^ mine[2]) | (to[3] ^ mine[3]);
        if other != 0 {
            return 0;
        }
        quoted
    }
}

/// Notes length and time to live of an error; length 0 where it is none.
///
/// # Safety
/// An IPv4 header at `ip` and an error's at `error` must be readable.
#[inline(always)]
pub(crate) unsafe fn outer_v4(ip: usize, error: usize, flow: &mut Flow) {
    // SAFETY: the caller vouches for both headers.
    unsafe {
        let kind = load8(error);
        let whole = load8(ip) == ipv4::VERSION_IHL_PLAIN
            && u16::from_be(load16(ip + ipv4::FRAGMENT)) & ipv4::FRAGMENT_MASK == 0
            && load8(ip + ipv4::PROTOCOL) == ipv4::PROTOCOL_ICMP
            && extent::is_sound_v4(ip);
        let length = u32::from(u16::from_be(load16(ip + ipv4::TOTAL_LENGTH)));
        // The kernel knows these three (`ip_vs_in_icmp`).
        let is_error = kind == icmp::V4_UNREACHABLE
            || kind == icmp::V4_SOURCE_QUENCH
            || kind == icmp::V4_TIME_EXCEEDED;
        flow.length = if whole && is_error { length } else { 0 };
        flow.ttl = load8(ip + ipv4::TTL);
        flow.ipv6 = false;
    }
}

/// As [`outer_v4`].
///
/// # Safety
/// As there, for an IPv6 header.
#[inline(always)]
unsafe fn outer_v6(ip: usize, error: usize, flow: &mut Flow) {
    // SAFETY: the caller vouches for both headers.
    unsafe {
        let length = u32::from(u16::from_be(load16(ip + ipv6::PAYLOAD_LENGTH))) + 40;
        let is_error = load8(ip + ipv6::NEXT_HEADER) == ipv4::PROTOCOL_ICMPV6
            && load8(error) < icmp::V6_INFORMATIONAL;
        flow.length = if is_error { length } else { 0 };
        flow.ttl = load8(ip + ipv6::HOP_LIMIT);
        flow.ipv6 = true;
    }
}

/// Length of the quoted header; 0 where no ports of TCP or UDP follow it.
///
/// # Safety
/// An IPv4 header at `inner` must be readable.
#[inline(always)]
unsafe fn quoted_v4(inner: usize, flow: &mut Flow) -> u32 {
    // SAFETY: the caller vouches for the header.
    unsafe {
        let first = load8(inner);
        let length = u32::from(first & 15) << 2;
        flow.protocol = load8(inner + ipv4::PROTOCOL);
        let offset = u16::from_be(load16(inner + ipv4::FRAGMENT)) & ipv4::OFFSET_MASK;
        if first >> 4 == 4 && length >= 20 && offset == 0 && has_ports(flow.protocol) {
            length
        } else {
            0
        }
    }
}

/// As [`quoted_v4`].
///
/// # Safety
/// As there, for an IPv6 header.
#[inline(always)]
unsafe fn quoted_v6(inner: usize, flow: &mut Flow) -> u32 {
    // SAFETY: the caller vouches for the header.
    unsafe {
        flow.protocol = load8(inner + ipv6::NEXT_HEADER);
        if load8(inner) >> 4 == 6 && has_ports(flow.protocol) {
            40
        } else {
            0
        }
    }
}

#[inline(always)]
pub(crate) const fn has_ports(protocol: u8) -> bool {
    protocol == ipv4::PROTOCOL_TCP || protocol == ipv4::PROTOCOL_UDP
}

/// Whether the error's checksum is right: the packet will get another one by deltas.
#[inline(always)]
pub(crate) fn is_intact<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
) -> bool {
    let header = if F::V6 { 40 } else { 20 };
    let length = flow.length.wrapping_sub(header);
    let mut total = sum::over(packet, env, 14 + header, length);
    if F::V6 {
        total += u32::from(checksum::fold(packet.sum(14 + 8, 32)))
            + checksum::sum32(length.to_be())
            + checksum::sum32(u32::from(ipv4::PROTOCOL_ICMPV6).to_be());
    }
    checksum::fold(total) == 0xffff
}

/// # Safety
/// An address of the family at `at` must be readable.
#[inline(always)]
unsafe fn read<F: Family>(at: usize) -> Address {
    // SAFETY: the caller vouches for the address.
    unsafe {
        if F::V6 {
            [load32(at), load32(at + 4), load32(at + 8), load32(at + 12)]
        } else {
            [load32(at), 0, 0, 0]
        }
    }
}
