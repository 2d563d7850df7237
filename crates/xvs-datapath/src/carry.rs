//! Carrying on: packets of known connections that the fast path leaves.
//!
//! It steps the connection's state, resolves the next hop, answers with ICMP what cannot go on, and
//! forwards the rest.

use xvs_wire::{ipv4, tcp};

use crate::{
    Env, Flow, Packet, Verdict,
    abi::{
        Counter, Method, NONE, RealServer, Slot, Tag, Tuple, low16, low32, setting_flag,
        virtual_server_flag,
    },
    admission, answer, cut,
    fast::{direction, exceeds, outer_header, touch},
    fragments,
    memory::{opaque, opaque_number, read_shared},
    next_hop::{self, HOP_NONE, Hop},
    path_mtu, persistence, reuse,
    rewrite::{self, Outer, Place, Shim},
    state::{self, sctp, tcp as tcp_state, udp as udp_state},
    table::{self, Family},
    unusual,
};

/// Decides a packet of a known connection of the family.
#[inline(always)]
pub fn run<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    // SAFETY: nothing else took it.
    let Some(flow) = (unsafe { Flow::of(env) }) else {
        return Verdict::PASS;
    };
    let is_new = flow.is_new != 0;
    let place = if flow.opened != 0 {
        // The stage before this one has read the packet and knows its connection.
        i64::from(flow.opened.wrapping_sub(1))
    } else {
        if !unusual::parse::<F, P, E>(packet, env, flow) {
            return Verdict::PASS;
        }
        table::find_flow::<F, E>(env, flow)
    };
    let entry = table::entry_at::<F, E>(env, place);
    if entry.is_null() {
        // It ended between two programs; its client sends again.
        env.count(Counter::DropRace);
        return Verdict::DROP;
    }
    // SAFETY: `entry` is a valid map value.
    let verdict = unsafe { carry::<F, P, E>(packet, env, flow, opaque(entry), place, is_new) };
    // What XDP passes comes by tcx once more, where its connection is known.
    if flow.protocol == ipv4::PROTOCOL_UDP && (P::RESOLVES || verdict != Verdict::PASS) {
        // SAFETY: as above.
        unsafe { end_of_one_packet::<F, E>(env, opaque(entry), place) };
    }
    verdict
}

/// Ends a connection of one-packet scheduling (`-o`) after its packet: the next one is scheduled anew.
/// One in the overflow hash ends by its timeout.
///
/// # Safety
/// `entry` must be a valid map value.
#[inline(always)]
unsafe fn end_of_one_packet<F: Family, E: Env>(env: &E, entry: *mut F::Entry, place: i64) {
    // SAFETY: the caller vouches for the entry.
    let index = unsafe { *F::fields(entry).virtual_server };
    let service = env.virtual_server(u32::from(index));
    if place < 0 || service.is_null() {
        return;
    }
    // SAFETY: the virtual server is a valid map value.
    if unsafe { (*opaque(service)).flags } & virtual_server_flag::ONE_PACKET != 0 {
        // Where another packet did it first, it is done; a reply's entry is no forward one, and stays.
        let _ended = env.end_call(F::V6, low32(place.unsigned_abs()));
    }
}

/// Carries a packet of a known connection, whose entry is at `place`: [`FOUND_OVERFLOW`], or its index. One
/// that the packet opened (`is_new`) is in the state after it.
///
/// # Safety
/// `entry` must be a valid map value.
#[inline(always)]
unsafe fn carry<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &mut Flow,
    entry: *mut F::Entry,
    place: i64,
    is_new: bool,
) -> Verdict {
    // SAFETY: the caller vouches for the entry.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above.
    let (tag, real_server) = unsafe { (read_shared(fields.tag), *fields.real_server) };
    // It may have been evicted since it was found. The key is compared after the tag was read:
    // whoever takes the slot later gives it another generation.
    let key = F::Key::from(&flow.tuple);
    // SAFETY: as above.
    if Tag(tag).slot() < Slot::LIVE || !unsafe { F::matches(entry, &key) } {
        env.count(Counter::DropTorn);
        return Verdict::DROP;
    }
    if is_to_be_heard(packet, env, flow, Tag(tag)) {
        return Verdict::HEAR;
    }
    let server = env.real_server(real_server);
    if server.is_null() {
        env.count(Counter::DropInternal);
        return Verdict::DROP;
    }
    let server = opaque(server);
    // SAFETY: the server is a valid map value.
    let available = unsafe { table::available(server) };
    if !Tag(tag).reverse() {
        // SAFETY: as above.
        let begins =
            !is_new && unsafe { reuse::begins_anew::<F, E>(env, flow, place, tag, server) };
        if begins && place >= 0 && env.end_call(F::V6, low32(place.unsigned_abs())) {
            env.count(Counter::Reused);
            return Verdict::OPEN;
        }
        if !available {
            env.count(Counter::DropRealServerGone);
            return Verdict::DROP;
        }
    } else if flow.ttl <= 1 {
        // The kernel forwards replies: what cannot go on never came to IPVS.
        if Tag(tag).method() == Method::NAT {
            // It answers in the name of the director.
            return Verdict::PASS;
        }
        env.count(Counter::DropTtl);
        return tell(flow, answer::TIME_EXCEEDED, 0);
    }
    let is_tcp = flow.protocol == ipv4::PROTOCOL_TCP;
    // A state comes of TCP's flags, that of UDP of any packet; what rides with a connection steps none.
    if !is_new && unusual::has_ports(flow) && !(is_tcp && flow.fragment == unusual::CUT) {
        // SAFETY: the caller vouches for the entry.
        unsafe { advance::<F, E>(env, entry, tag, direction(Tag(tag)), flow, place) };
    }
    if flow.fragment == unusual::FIRST {
        fragments::note(env, flow, false);
    }
    let now = env.now();
    if Tag(tag).method() == Method::LOCAL {
        // What XDP passes comes by tcx once more, and is counted there.
        if P::RESOLVES {
            // SAFETY: as above.
            unsafe { touch(&fields, packet, flow, now) };
        }
        return Verdict::PASS;
    }
    let mut hop = Hop::default();
    // SAFETY: as above.
    unsafe { next_hop::resolve::<F, P, E>(packet, env, entry, tag, server, now, &mut hop) };
    let settled = next_hop::settle(packet, env, &mut hop);
    if settled != Verdict::ONWARD && hop.code != HOP_NONE {
        return settled;
    }
    // SAFETY: the server is a valid map value.
    let outer = unsafe { overhead(tag, server) };
    // SAFETY: entry and server are valid map values.
    if outer != 0 && unsafe { path_mtu::limit(env, server, now, &mut hop) } {
        // The fast path knows the first link's alone.
        // SAFETY: as above.
        unsafe { *fields.next_hop = 0 };
    }
    let account = account(Tag(tag), real_server);
    let large = !hop.is_here() && exceeds::<F, P>(packet, flow, outer, hop.mtu);
    // SAFETY: as above.
    let cut =
        large && unsafe { cut::is_allowed::<F, P, E>(packet, env, flow, server, outer, &hop) };
    if cut && !P::RESOLVES && !admission::is_alone(packet, env) {
        // The companion at the other hook cuts.
        return Verdict::PASS;
    }
    hop.is_cut = u8::from(cut && P::RESOLVES);
    if !Tag(tag).reverse() {
        // The kernel counts what comes from clients before it knows whether it can go on.
        // SAFETY: as above.
        unsafe { touch(&fields, packet, flow, now) };
    }
    if settled != Verdict::ONWARD {
        if Tag(tag).reverse() {
            return settled;
        }
        return tell(flow, answer::HOST_UNREACHABLE, account);
    }
    if flow.ttl <= 1 && !hop.is_here() {
        env.count(Counter::DropTtl);
        return tell(flow, answer::TIME_EXCEEDED, account);
    }
    if large && hop.is_cut == 0 {
        if Tag(tag).reverse()
            && Tag(tag).method() == Method::NAT
            && (F::V6 || !unusual::may_be_cut(packet))
        {
            // As above: the kernel's router says so in the name of the director.
            return Verdict::PASS;
        }
        env.count(Counter::DropTooBig);
        // The kernel finds out after its turn as a router: the packet it quotes is one hop older.
        rewrite::age::<F, P>(packet);
        return tell(flow, answer::too_big(hop.mtu - outer), account);
    }
    if Tag(tag).reverse() {
        // SAFETY: as above.
        unsafe {
            if available {
                touch(&fields, packet, flow, now);
            } else {
                // Replies of a server that is gone go on and are not counted; none takes the fast path.
                *fields.stamp = now;
                *fields.next_hop = 0;
            }
        }
    }
    if Tag(tag).method() == Method::FULLNAT
        && !Tag(tag).reverse()
        && is_tcp
        && flow.flags & (tcp::SYN | tcp::ACK) == tcp::SYN
    {
        let added = rewrite::toa::add::<F, P, E>(packet, env, flow);
        env.count(if added {
            Counter::ToaAdded
        } else {
            Counter::ToaAbsent
        });
    }
    // SAFETY: as above.
    if let Err(why) = unsafe { transform::<F, P, E>(packet, env, flow, entry, tag, server, &hop) } {
        env.count(why);
        return Verdict::DROP;
    }
    if hop.is_cut != 0 {
        return cut::ask(env, &hop, outer);
    }
    next_hop::send(packet, env, &hop)
}

/// Whether a packet is one of a control connection of FTP that was not read yet. At XDP the companion
/// at the other hook reads it, where there is one.
#[inline(always)]
fn is_to_be_heard<P: Packet, E: Env>(packet: &P, env: &E, flow: &Flow, tag: Tag) -> bool {
    // One comparison: each of several would double what the verifier walks behind it.
    let not_to_be = (tag.is_heard() ^ 1) | flow.heard;
    opaque_number(not_to_be) == 0 && (P::RESOLVES || !admission::is_alone(packet, env))
}

/// Has the sender of a packet told why it cannot go on.
#[inline(always)]
fn tell(flow: &mut Flow, message: answer::Message, account: u32) -> Verdict {
    flow.message = message;
    flow.account = account;
    Verdict::ANSWER
}

/// On whose account an error to a client goes: the kernel's IPVS sees its own host send it, and counts
/// it as a reply where it never sees those of the server.
#[inline(always)]
fn account(tag: Tag, real_server: u32) -> u32 {
    if tag.reverse() || Method::two_way(tag.method()) {
        0
    } else {
        real_server.wrapping_add(1)
    }
}

/// Rewrites the packet by the entry's recipe; else the reason why the packet is dropped.
///
/// # Safety
/// `entry` and `server` must be valid map values.
#[inline(always)]
pub(crate) unsafe fn transform<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
    entry: *mut F::Entry,
    tag: u64,
    server: *const RealServer,
    hop: &Hop,
) -> Result<(), Counter> {
    let done = match Tag(tag).method() {
        // SAFETY: the caller vouches for the server.
        Method::DIRECT | Method::TUNNEL => unsafe {
            pass_on::<F, P, E>(packet, env, flow, tag, server, hop)
        },
        _ => {
            // SAFETY: the caller vouches for the entry.
            let (recipe, deltas) = unsafe { (F::recipe(entry), F::entry_deltas(entry)) };
            // The entry may have been evicted and used anew while it was read.
            // SAFETY: as above.
            if !Tag(unsafe { read_shared(F::fields(entry).tag) }).same_use(Tag(tag)) {
                return Err(Counter::DropTorn);
            }
            if flow.fragment == unusual::CUT {
                return Err(Counter::DropCut);
            }
            let is_sctp = flow.protocol == ipv4::PROTOCOL_SCTP;
            if is_sctp && !rewrite::sctp::renumber::<P, E>(packet, env, flow, recipe.ports) {
                return Err(Counter::DropCut);
            }
            let place = Place {
                l4: flow.l4,
                is_tcp: flow.protocol == ipv4::PROTOCOL_TCP,
                // SCTP's checksum does not cover addresses.
                is_there: unusual::has_ports(flow) && !is_sctp,
                is_plain: false,
                ages: !hop.is_here(),
            };
            rewrite::translate::<F, P>(packet, &recipe, deltas, place, hop)
        }
    };
    if done {
        Ok(())
    } else {
        Err(Counter::DropHeadroom)
    }
}

/// Sends a packet of DR or TUN on, its addresses as they are.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn pass_on<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
    tag: u64,
    server: *const RealServer,
    hop: &Hop,
) -> bool {
    if Tag(tag).method() == Method::DIRECT {
        return rewrite::forward::<F, P>(packet, hop);
    }
    // SAFETY: the caller vouches for the server.
    let outer = unsafe {
        Outer {
            shim: Shim::of(server, &flow.tuple, packet.segment_payload() == 0),
            source: &(*server).tunnel_source,
            destination: &(*server).address,
            ipv6: (*server).family == 6,
            identification: low16(env.random()),
            may_be_cut: state::is_set(env, setting_flag::NO_PMTU_DISC),
        }
    };
    let inner_sum = if outer.shim.is_summed() {
        // It will be one hop older.
        answer::sum_of::<F, P, E>(packet, env, flow, flow.length)
            + rewrite::age_delta::<F, P>(packet)
    } else {
        0
    };
    rewrite::encapsulate::<F, P>(packet, &outer, flow.length, inner_sum, hop)
}

/// Bytes that a tunnel adds to packets of an entry.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn overhead(tag: u64, server: *const RealServer) -> u32 {
    // SAFETY: the caller vouches for the server.
    let (shim, ipv6) = unsafe {
        (
            Shim::of(server, &Tuple::default(), true),
            (*server).family == 6,
        )
    };
    match outer_header(Tag(tag), ipv6) {
        0 => 0,
        outer => outer + shim.length(),
    }
}

/// Steps the state of a connection by a packet, and moves it between the real server's active and
/// inactive connections. `row` is the row of the TCP table for the packet.
///
/// The truth is in the forward entry; who wins its compare-exchange adjusts the counts. The reverse
/// entry has a copy, so that the fast path need not look at the other.
///
/// # Safety
/// `entry` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn advance<F: Family, E: Env>(
    env: &E,
    entry: *mut F::Entry,
    tag: u64,
    row: u32,
    flow: &Flow,
    place: i64,
) {
    // SAFETY: the caller vouches for the entry.
    let other = unsafe { table::partner::<F, E>(env, entry, tag) };
    let (master, copy) = if Tag(tag).reverse() {
        if other.is_null() {
            return;
        }
        (opaque(other), entry)
    } else {
        (entry, other)
    };
    // SAFETY: both are valid map values.
    let master_fields = unsafe { F::fields(master) };
    // SAFETY: as above.
    let master_tag = unsafe { read_shared(master_fields.tag) };
    // A claimed slot has no state to step, and another connection's is not ours. As in [`carry`] the
    // keys are compared after the tag was read.
    let ours = if Tag(tag).reverse() {
        // SAFETY: both are valid map values.
        Tag(master_tag).slot() >= Slot::LIVE && unsafe { F::answers(entry, master) }
    } else {
        Tag(master_tag).same_use(Tag(tag))
    };
    if !ours {
        return;
    }
    let old = Tag(master_tag).state();
    let reply = row == tcp_state::OUTPUT;
    // SAFETY: as above.
    let first = !reply && unsafe { *master_fields.packets } == 0;
    let new = match flow.protocol {
        ipv4::PROTOCOL_TCP => state::next_tcp(env, row, flow.flags, old),
        ipv4::PROTOCOL_SCTP => sctp::step(row, flow.flags, first, old),
        _ => udp_state::next(reply, first, old),
    };
    if new != old {
        let stepped = Tag(master_tag).with_state(new);
        // SAFETY: tags are shared by atomics alone.
        if unsafe { env.compare_exchange(master_fields.tag, master_tag, stepped.0) } != master_tag {
            return;
        }
        // SAFETY: the entry is a valid map value.
        unsafe { recount::<F, E>(env, master, Tag(master_tag), stepped) };
        let assures = match flow.protocol {
            ipv4::PROTOCOL_TCP => new == tcp_state::ESTABLISHED,
            ipv4::PROTOCOL_SCTP => new == sctp::ESTABLISHED,
            _ => new == udp_state::REPLIED,
        };
        if assures {
            let index = if Tag(tag).reverse() {
                // SAFETY: the caller vouches for the entry.
                unsafe { *F::fields(entry).peer }
            } else if place >= 0 {
                low32(place.unsigned_abs())
            } else {
                NONE
            };
            if index != NONE {
                // SAFETY: the entry is a valid map value.
                let real_server = unsafe { *master_fields.real_server };
                persistence::assure::<F, E>(env, index, real_server);
            }
        }
    }
    if copy.is_null() {
        return;
    }
    // SAFETY: as above.
    unsafe {
        let word = F::fields(opaque(copy)).tag;
        let seen = read_shared(word);
        if Tag(seen).reverse() && Tag(seen).state() != new {
            env.compare_exchange(word, seen, Tag(seen).with_state(new).0);
        }
    }
}

/// # Safety
/// `entry` must be a valid map value.
#[inline(always)]
unsafe fn recount<F: Family, E: Env>(env: &E, entry: *mut F::Entry, old: Tag, new: Tag) {
    let (was, is) = (state::is_active(old), state::is_active(new));
    if was == is {
        return;
    }
    // SAFETY: the caller vouches for the entry.
    let server = env.real_server(unsafe { *F::fields(entry).real_server });
    if server.is_null() {
        return;
    }
    let server = opaque(server);
    let (up, down) = if is { (1, u32::MAX) } else { (u32::MAX, 1) };
    // SAFETY: the server is a valid map value; counters are shared by atomics alone.
    unsafe {
        env.add32(&raw mut (*server).active, up);
        env.add32(&raw mut (*server).inactive, down);
    }
}
