//! The fast path: packets of connections that are known, in a settled state, to a known next hop.
//!
//! Packets of unknown connections go to [`open`](crate::open), the others that are not so to
//! [`carry`](crate::carry), each from the packet on.

use xvs_wire::{ipv4, tcp};

use crate::{
    Env, Flow, Packet, Verdict,
    abi::{Address, AddressFilter, Counter, Method, Tag, setting_flag},
    brought, extent, fragments,
    hash::address_bit,
    memory::{opaque, read_shared},
    next_hop::{self, HOP_KNOWN, Hop},
    parse,
    rewrite::{self, Outer, Place, Shim},
    state::{tcp as tcp_state, udp as udp_state},
    table::{Family, Fields, V4, V6, locate},
    unusual,
};

/// Decides a packet. With [`Verdict::OPEN`] and [`Verdict::CARRY`] it is as it came.
#[inline(always)]
pub fn run<P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    brought::restore(packet, env);
    let (start, end) = packet.bounds();
    if parse::is_ipv6(start, end) {
        decide::<V6, P, E>(packet, env, start, end)
    } else {
        decide::<V4, P, E>(packet, env, start, end)
    }
}

#[inline(always)]
fn decide<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    start: usize,
    end: usize,
) -> Verdict {
    let mut flow = Flow::default();
    if !parse::parse::<F>(start, end, &mut flow) {
        let verdict = parse::other(start, end);
        if verdict != Verdict::PASS {
            hand_on(env);
        }
        return verdict;
    }
    if !may_be_ours::<F, E>(env, &flow) || !extent::trim(packet, &flow) {
        return Verdict::PASS;
    }
    let verdict = established::<F, P, E>(packet, env, &flow);
    if verdict == Verdict::CARRY {
        hand_on(env);
    }
    if verdict == Verdict::OPEN {
        // SAFETY: nothing else took it.
        if let Some(room) = unsafe { Flow::of(env) } {
            flow.opened = Flow::READ;
            *room = flow;
        }
    }
    verdict
}

/// Clears what an earlier packet left in the room: the next stage has to look for itself.
#[inline(always)]
fn hand_on<E: Env>(env: &E) {
    // SAFETY: nothing else took it.
    if let Some(room) = unsafe { Flow::of(env) } {
        room.opened = 0;
        room.heard = 0;
        room.is_new = 0;
    }
}

/// Whether the destination may be a VIP or a local address, or the source a real server.
#[inline(always)]
pub(crate) fn may_be_ours<F: Family, E: Env>(env: &E, flow: &Flow) -> bool {
    let filter = env.filter();
    if filter.is_null() {
        return false;
    }
    let filter = opaque(filter.cast_mut()).cast_const();
    has::<F>(filter, &flow.tuple.destination, false) || has::<F>(filter, &flow.tuple.source, true)
}

/// Whether the filter has an address, as that of a real server (`source`) or as one that clients ask.
#[inline(always)]
pub(crate) fn has<F: Family>(
    filter: *const AddressFilter,
    address: &Address,
    source: bool,
) -> bool {
    let folded = if F::V6 {
        address[0] ^ address[1] ^ address[2] ^ address[3]
    } else {
        address[0]
    };
    is_set(filter, address_bit(folded, source))
}

/// Whether a bit of the filter is set.
#[inline(always)]
pub(crate) fn is_set(filter: *const AddressFilter, (word, mask): (usize, u64)) -> bool {
    // SAFETY: the filter is a valid map value; a word is below 1,024.
    unsafe { (*filter).words[word & 1023] & mask != 0 }
}

#[inline(always)]
fn established<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E, flow: &Flow) -> Verdict {
    let key = F::Key::from(&flow.tuple);
    let (entry, tag, _) = locate::<F, E>(env, &key, u32::from(flow.protocol) << 8);
    if entry.is_null() {
        return Verdict::OPEN;
    }
    let now = env.now();
    // SAFETY: entries in the table are valid for ever.
    let (fields, recipe, deltas) =
        unsafe { (F::fields(entry), F::recipe(entry), F::entry_deltas(entry)) };
    // SAFETY: as above.
    let index = unsafe { *fields.next_hop };
    // The entry may have been evicted and used anew while it was read.
    // SAFETY: as above.
    if !Tag(unsafe { read_shared(fields.tag) }).same_use(Tag(tag)) {
        env.count(Counter::DropTorn);
        return Verdict::DROP;
    }
    let tag = Tag(tag);
    let is_tcp = flow.protocol == ipv4::PROTOCOL_TCP;
    // *carry* revives what is about to be freed.
    if unsettled(tag, flow, is_tcp) || tag.crossing() || tag.dying() {
        return Verdict::CARRY;
    }
    if tag.method() == Method::LOCAL {
        // What XDP passes comes by tcx once more, and is counted there.
        if P::RESOLVES {
            // SAFETY: as above.
            unsafe { touch(&fields, packet, flow, now) };
        }
        return Verdict::PASS;
    }
    let settings = env.settings();
    let found = next_hop::known(env, index);
    if settings.is_null() || found.is_null() || !next_hop::trusted(opaque(settings), now) {
        return Verdict::CARRY;
    }
    // SAFETY: next hops are valid map values.
    let hop = unsafe {
        Hop {
            code: HOP_KNOWN,
            ifindex: (*found).ifindex,
            mac0: (*found).mac0,
            mac1: (*found).mac1,
            mtu: (*found).mtu,
            neighbour: [0; 4],
            family: 0,
            is_cut: 0,
            zero: [0; 6],
        }
    };
    // SAFETY: the settings are a valid map value.
    let flags = unsafe { (*opaque(settings)).flags };
    if tag.method() == Method::TUNNEL && flags & setting_flag::NO_PMTU_DISC != 0 {
        return Verdict::CARRY;
    }
    if flow.ttl <= 1 || exceeds::<F, P>(packet, flow, outer_header(tag, F::V6), hop.mtu) {
        return Verdict::CARRY;
    }
    // SAFETY: as above.
    unsafe { touch(&fields, packet, flow, now) };
    let done = match tag.method() {
        Method::DIRECT => rewrite::forward::<F, P>(packet, &hop),
        Method::TUNNEL => {
            let outer = Outer {
                source: &recipe.source,
                destination: &recipe.destination,
                ipv6: F::V6,
                identification: crate::abi::low16(now),
                may_be_cut: false,
                shim: Shim::NONE,
            };
            rewrite::encapsulate::<F, P>(packet, &outer, flow.length, 0, &hop)
        }
        _ => rewrite::translate::<F, P>(packet, &recipe, deltas, Place::plain::<F>(is_tcp), &hop),
    };
    if !done {
        env.count(Counter::DropHeadroom);
        return Verdict::DROP;
    }
    Verdict::redirect(hop.ifindex)
}

/// Whether the packet changes the connection's state, or a SYN might carry an option.
#[inline(always)]
fn unsettled(tag: Tag, flow: &Flow, is_tcp: bool) -> bool {
    if !is_tcp {
        return !udp_state::is_settled(tag.reverse(), tag.state());
    }
    if flow.flags & (tcp::SYN | tcp::FIN | tcp::RST) == 0
        && flow.flags & tcp::ACK != 0
        && tag.state() == tcp_state::ESTABLISHED
    {
        return false;
    }
    flow.flags & tcp::SYN != 0
        || tcp_state::next(direction(tag), flow.flags, tag.state()) != tag.state()
}

/// The row of the state table for packets of an entry: replies are seen where packets of both directions
/// pass, and of a real server that is this host.
#[inline(always)]
pub(crate) const fn direction(tag: Tag) -> u32 {
    // Two bits a method, those of the reverse direction in the upper half. Without a branch, for each one
    // doubles what the verifier walks after it.
    const ROWS: u32 = {
        let mut rows = 0;
        let mut method = 0;
        while method < 8 {
            let seen = Method::two_way(method) || method == Method::LOCAL;
            let row = if seen {
                tcp_state::INPUT
            } else {
                tcp_state::INPUT_ONLY
            };
            rows |= row << (2 * method) | tcp_state::OUTPUT << (16 + 2 * method);
            method += 1;
        }
        rows
    };
    ROWS >> tag.rows() & 3
}

/// Bytes that a tunnel adds to packets of an entry.
#[inline(always)]
pub(crate) fn outer_header(tag: Tag, ipv6: bool) -> u32 {
    if tag.method() == Method::TUNNEL {
        rewrite::overhead(ipv6)
    } else {
        0
    }
}

/// Whether the packet with an outer header of `outer` bytes is larger than `mtu`; 0 is no limit.
#[inline(always)]
pub(crate) fn exceeds<F: Family, P: Packet>(packet: &P, flow: &Flow, outer: u32, mtu: u32) -> bool {
    if mtu == 0 {
        return false;
    }
    let segment = packet.segment_payload();
    if segment != 0 {
        // Segments of a tunnelled packet are cut anew to fit.
        let header = if F::V6 { 40 } else { 20 };
        return outer == 0 && segment + header + flow.l4_header > mtu;
    }
    flow.length + outer > mtu
}

/// Notes a packet in its entry: fragments together as the packet that they are of.
///
/// # Safety
/// `fields` must be those of a valid entry.
#[inline(always)]
pub(crate) unsafe fn touch<P: Packet>(fields: &Fields, packet: &P, flow: &Flow, now: u32) {
    // Two CPUs may lose a packet between them here; an atomic add would cost every packet.
    // SAFETY: the caller vouches for the fields.
    unsafe {
        *fields.stamp = now;
        if flow.fragment != unusual::FIRST && flow.fragment != unusual::LATER {
            *fields.packets = (*fields.packets).wrapping_add(packet.segments());
            *fields.bytes = (*fields.bytes).wrapping_add(u64::from(flow.length));
        } else {
            *fields.packets =
                (*fields.packets).wrapping_add(u32::from(flow.fragment == unusual::FIRST));
            *fields.bytes = (*fields.bytes).wrapping_add(u64::from(fragments::share(flow)));
        }
    }
}
