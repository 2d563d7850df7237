//! What this host sends: replies of its own real servers.
//!
//! They pass no ingress hook. Those of NAT get back the address and port that the client asked; the
//! others have them already. All are counted and step their connection (kernel `ip_vs_out` at
//! LOCAL_OUT), and go on by the way that the host chose for them.

use crate::{
    Env, Flow, Packet, Verdict,
    abi::{Counter, Method, RealServer, Slot, Tag, real_server_flag, wide},
    carry,
    fast::{has, touch},
    memory::{opaque, read_shared},
    next_hop::{self, HOP_SERVER_HERE, Hop},
    parse, related, rewrite,
    state::tcp as tcp_state,
    table::{self, Family, V4, V6},
};

/// Decides a packet that this host sends: [`Verdict::PASS`] for a reply, which is now as it must leave,
/// [`Verdict::ONWARD`] for any other, as it came.
#[inline(always)]
pub fn run<P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    // SAFETY: nothing else took it.
    let Some(flow) = (unsafe { Flow::of(env) }) else {
        return Verdict::ONWARD;
    };
    let (start, end) = packet.bounds();
    if parse::is_ipv6(start, end) {
        decide::<V6, P, E>(packet, env, flow)
    } else {
        decide::<V4, P, E>(packet, env, flow)
    }
}

#[inline(always)]
fn decide<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E, flow: &mut Flow) -> Verdict {
    let (start, end) = packet.bounds();
    let mut quoted = 0;
    if !parse::parse::<F>(start, end, flow) {
        if parse::other(start, end) != Verdict::RELATED {
            return Verdict::ONWARD;
        }
        packet.pull(related::PULL);
        let (start, end) = packet.bounds();
        quoted = related::parse::<F>(start, end, flow);
        if quoted == 0 {
            return Verdict::ONWARD;
        }
    }
    if !may_be_reply::<F, E>(env, flow) {
        return Verdict::ONWARD;
    }
    reply::<F, P, E>(packet, env, flow, quoted)
}

/// Whether the source may be a VIP, or a real server.
#[inline(always)]
fn may_be_reply<F: Family, E: Env>(env: &E, flow: &Flow) -> bool {
    let filter = env.filter();
    if filter.is_null() {
        return false;
    }
    let filter = opaque(filter.cast_mut()).cast_const();
    let source = &flow.tuple.source;
    has::<F>(filter, source, false) || has::<F>(filter, source, true)
}

/// Looks for the connection that the packet is a reply of: that of a reverse entry, or, where servers
/// answer in the name of the VIP, of the entry for packets the other way.
#[inline(always)]
fn reply<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &mut Flow,
    quoted: u32,
) -> Verdict {
    let mut place = table::find_flow::<F, E>(env, flow);
    let mut entry = table::entry_at::<F, E>(env, place);
    let translated = !entry.is_null();
    if !translated {
        flow.tuple = flow.tuple.swapped();
        place = table::find_flow::<F, E>(env, flow);
        entry = table::entry_at::<F, E>(env, place);
        if entry.is_null() {
            return Verdict::ONWARD;
        }
    }
    let entry = opaque(entry);
    // SAFETY: `entry` is a valid map value.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above.
    let (tag, real_server) = unsafe { (read_shared(fields.tag), *fields.real_server) };
    let key = F::Key::from(&flow.tuple);
    // It may have been evicted since it was found; the key is compared after the tag was read.
    // SAFETY: as above.
    if Tag(tag).slot() < Slot::LIVE || !unsafe { F::matches(entry, &key) } {
        return Verdict::ONWARD;
    }
    let named = !Tag(tag).reverse() && Tag(tag).method() == Method::LOCAL;
    let server = env.real_server(real_server);
    if Tag(tag).reverse() != translated || !(translated || named) || server.is_null() {
        return Verdict::ONWARD;
    }
    let server = opaque(server);
    // SAFETY: the server is a valid map value.
    if unsafe { (*server).flags } & real_server_flag::HERE == 0 {
        return Verdict::ONWARD;
    }
    // SAFETY: entry and server are valid map values.
    unsafe {
        if quoted == 0 {
            carry::advance::<F, E>(env, entry, tag, tcp_state::OUTPUT, flow, place);
            *fields.stamp = env.now();
        }
        if named {
            count(packet, env, flow, server);
            return Verdict::PASS;
        }
        translate::<F, P, E>(packet, env, flow, quoted, entry, tag, server)
    }
}

/// Counts a reply that has no entry of its own.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
unsafe fn count<P: Packet, E: Env>(packet: &P, env: &E, flow: &Flow, server: *mut RealServer) {
    // SAFETY: the caller vouches for the server; counters are shared by atomics alone.
    unsafe {
        env.add64(&raw mut (*server).packets_out, wide(packet.segments()));
        env.add64(&raw mut (*server).bytes_out, wide(flow.length));
    }
}

/// Counts a reply by its entry, and rewrites it in its place.
///
/// # Safety
/// `entry` and `server` must be valid map values.
#[inline(always)]
unsafe fn translate<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
    quoted: u32,
    entry: *mut F::Entry,
    tag: u64,
    server: *const RealServer,
) -> Verdict {
    let mut hop = Hop {
        code: HOP_SERVER_HERE,
        ..Hop::default()
    };
    next_hop::keep_addresses(packet, &mut hop);
    // SAFETY: the caller vouches for the entry.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above, and for the server.
    let done = unsafe {
        if table::available(server.cast_mut()) {
            touch(&fields, packet, flow, *fields.stamp);
        }
        if quoted == 0 {
            carry::transform::<F, P, E>(packet, env, flow, entry, tag, server, &hop)
        } else {
            let recipe = F::recipe(entry);
            if !Tag(read_shared(fields.tag)).same_use(Tag(tag)) {
                Err(Counter::DropTorn)
            } else if rewrite::relate::<F, P>(packet, &recipe, false, quoted, &hop) {
                Ok(())
            } else {
                Err(Counter::DropHeadroom)
            }
        }
    };
    match done {
        Ok(()) => Verdict::PASS,
        Err(why) => {
            env.count(why);
            Verdict::DROP
        }
    }
}
