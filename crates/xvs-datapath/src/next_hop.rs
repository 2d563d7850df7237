//! Where a packet goes next.
//!
//! The hot path uses the next hop that the entry names. This module answers when that one is not
//! known: it takes the one that user space keeps for the real server, else asks the kernel's routing
//! table, and notes what it learned in the entry.

use xvs_wire::ethernet;

use crate::{
    Env, Fib, Packet, Verdict,
    abi::{
        Address, Counter, HopKey, HopKind, Method, NextHop, RealServer, Settings, Tag, Tuple,
        real_server_flag, setting_flag,
    },
    admission,
    memory::{load32, load64, opaque},
    packet::FibAnswer,
    state,
    table::Family,
};

/// Redirect with known addresses.
pub(crate) const HOP_KNOWN: u32 = 0;
/// Route known, neighbour not.
pub(crate) const HOP_NEIGHBOUR: u32 = 1;
/// The client is this host.
pub(crate) const HOP_CLIENT_HERE: u32 = 2;
/// No way; counted.
pub(crate) const HOP_NONE: u32 = 3;
/// The real server is this host.
pub(crate) const HOP_SERVER_HERE: u32 = 4;

/// A next hop, copied.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hop {
    pub(crate) code: u32,
    pub(crate) ifindex: u32,
    pub(crate) mac0: u64,
    pub(crate) mac1: u32,
    /// Bytes of the largest IP packet; 0 when not known.
    pub(crate) mtu: u32,
    /// The neighbour, for [`HOP_NEIGHBOUR`].
    pub(crate) neighbour: Address,
    /// 4 or 6: the neighbour's family.
    pub(crate) family: u8,
    /// Not 0 where the packet will be cut into what it can carry.
    pub(crate) is_cut: u8,
    /// Zero.
    pub(crate) zero: [u8; 6],
}

const _: () = assert!(size_of::<Hop>() == 48);

impl Hop {
    /// The same, out of this CPU's room; `None` without one. Each way to a next hop leaves the verifier with
    /// a state of its own, and before Linux 6.12 it walks all that follows for each; of what was in a map it
    /// knows nothing, so that one walk does.
    #[inline(always)]
    pub(crate) fn forgotten<E: Env>(self, env: &E) -> Option<Self> {
        let scratch = env.scratch();
        if scratch.is_null() {
            return None;
        }
        // SAFETY: the scratch is this CPU's alone while the program runs.
        unsafe {
            let room = &raw mut (*opaque(scratch)).hop;
            room.write_volatile(self);
            Some(room.read_volatile())
        }
    }

    /// Whether the packet stays on this host, where nothing is too large and nobody counts hops.
    #[inline(always)]
    pub(crate) const fn is_here(&self) -> bool {
        self.code == HOP_CLIENT_HERE || self.code == HOP_SERVER_HERE
    }
}

/// Whether the daemon gave a sign of life of late: only then what user space wrote is believed.
#[inline(always)]
pub(crate) fn trusted(settings: *const Settings, now: u32) -> bool {
    if settings.is_null() {
        return false;
    }
    // SAFETY: the settings are a valid map value.
    unsafe { now.wrapping_sub((*settings).heartbeat) <= (*settings).patience }
}

/// The next hop of `index` if it may be used at once; null otherwise.
#[inline(always)]
pub(crate) fn known<E: Env>(env: &E, index: u16) -> *const NextHop {
    if index == 0 {
        return core::ptr::null();
    }
    let hop = env.next_hop(u32::from(index));
    if hop.is_null() {
        return core::ptr::null();
    }
    let hop = opaque(hop.cast_mut()).cast_const();
    // SAFETY: next hops are valid map values.
    if unsafe { (*hop).kind } == HopKind::KNOWN {
        hop
    } else {
        core::ptr::null()
    }
}

/// Finds the next hop of an entry's packets, and notes its index in the entry.
///
/// # Safety
/// `entry` and `server` must be valid.
#[inline(always)]
pub(crate) unsafe fn resolve<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    entry: *mut F::Entry,
    tag: u64,
    server: *const RealServer,
    now: u32,
    hop: &mut Hop,
) {
    // SAFETY: the caller vouches for the server.
    if !Tag(tag).reverse() && unsafe { (*server).flags } & real_server_flag::HERE != 0 {
        hop.code = HOP_SERVER_HERE;
        return;
    }
    let fresh = trusted(opaque_settings(env), now);
    // SAFETY: the caller vouches for both.
    let (fields, recipe) = unsafe { (F::fields(entry), F::recipe(entry)) };
    if fresh {
        // SAFETY: as above.
        let mut index = unsafe { *fields.next_hop };
        let mut found = known(env, index);
        if found.is_null() && !Tag(tag).reverse() {
            // SAFETY: as above.
            index = unsafe { (*server).next_hop };
            found = known(env, index);
        }
        if !found.is_null() {
            // SAFETY: next hops are valid map values; the index is written whole.
            unsafe {
                *fields.next_hop = index;
                hop.code = HOP_KNOWN;
                hop.ifindex = (*found).ifindex;
                hop.mac0 = (*found).mac0;
                hop.mac1 = (*found).mac1;
                hop.mtu = (*found).mtu;
            }
            return;
        }
    }
    // SAFETY: as above.
    unsafe { ask::<F, P, E>(packet, env, entry, &recipe, tag, server, hop) };
    if hop.code > HOP_NEIGHBOUR {
        return;
    }
    let key = HopKey {
        address: hop.neighbour,
        ifindex: hop.ifindex,
        family: u32::from(hop.family),
    };
    let mut index = env.next_hop_index(&key);
    if index == 0 && fresh {
        index = env.next_hop_learn(&key);
    }
    if index != 0 {
        let slot = env.next_hop(u32::from(index));
        if !slot.is_null() {
            let slot = opaque(slot.cast_mut());
            // SAFETY: next hops are valid map values; the MTU is written whole, and the daemon, which
            // knows no more of a client's way than the kernel said here, leaves it.
            unsafe {
                if (*slot).mtu == 0 {
                    (*slot).mtu = hop.mtu;
                } else {
                    hop.mtu = (*slot).mtu;
                }
                *fields.next_hop = index;
            }
        }
    }
}

/// Asks the kernel.
///
/// # Safety
/// `entry` and `server` must be valid.
#[inline(always)]
unsafe fn ask<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    entry: *const F::Entry,
    recipe: &Tuple,
    tag: u64,
    server: *const RealServer,
    hop: &mut Hop,
) {
    let mut query = Fib {
        destination: recipe.destination,
        source: [0; 4],
        family: if F::V6 { 6 } else { 4 },
        protocol: Tag(tag).protocol(),
    };
    let tag = Tag(tag);
    if tag.reverse() {
        // As what the host itself sends from the VIP (kernel `ip_vs_route_me_harder`), or what it forwards.
        query.source = if state::is_set(env, setting_flag::NO_SNAT_REROUTE) {
            // SAFETY: the caller vouches for the entry.
            unsafe { F::tuple(entry) }.source
        } else {
            recipe.source
        };
    }
    if !tag.reverse() && !Method::two_way(tag.method()) {
        // DR and TUN: the way to the real server, not to what the packet is addressed to.
        // SAFETY: the caller vouches for the server.
        unsafe {
            query.destination = (*server).address;
            query.family = (*server).family;
        }
    }
    look_up(packet, env, &mut query, tag.reverse(), hop);
}

/// Asks the kernel for the way to a client of `family`, 4 or 6.
#[inline(always)]
pub(crate) fn towards_client<P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    destination: &Address,
    family: u8,
    hop: &mut Hop,
) {
    let mut query = Fib {
        destination: *destination,
        source: [0; 4],
        family,
        protocol: 0,
    };
    look_up(packet, env, &mut query, true, hop);
}

/// Asks the kernel, which says the same of an address of this host and of one without a route. Clients
/// may be here; of a real server that is this host user space knows.
#[inline(always)]
fn look_up<P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    query: &mut Fib,
    to_client: bool,
    hop: &mut Hop,
) {
    env.count(Counter::AskedRoute);
    let answer = packet.fib(query);
    hop.ifindex = answer.ifindex;
    if answer.code == FibAnswer::KNOWN {
        hop.mac0 = answer.mac0;
        hop.mac1 = answer.mac1;
    }
    hop.mtu = answer.mtu;
    hop.neighbour = query.destination;
    hop.family = query.family;
    hop.code = match answer.code {
        FibAnswer::KNOWN => HOP_KNOWN,
        FibAnswer::NO_NEIGHBOUR => HOP_NEIGHBOUR,
        FibAnswer::LOCAL if to_client => HOP_CLIENT_HERE,
        _ => {
            env.count(Counter::DropNoRoute);
            HOP_NONE
        }
    };
}

/// Makes a resolved hop one to send to: [`Verdict::ONWARD`], or what becomes of the packet instead.
#[inline(always)]
pub(crate) fn settle<P: Packet, E: Env>(packet: &P, env: &E, hop: &mut Hop) -> Verdict {
    if hop.code == HOP_NEIGHBOUR && !P::RESOLVES {
        if admission::is_alone(packet, env) {
            // The daemon has the kernel resolve it; the client sends again.
            env.count(Counter::DropNoNeighbour);
            return Verdict::DROP;
        }
        // The companion at the other hook lets the kernel resolve it.
        return Verdict::PASS;
    }
    if hop.is_here() {
        if !P::RESOLVES && !admission::is_alone(packet, env) {
            // Changed here the companion at the other hook would not know it again.
            return Verdict::PASS;
        }
        if hop.code == HOP_CLIENT_HERE {
            // What the loopback link's frames are addressed to.
            (hop.mac0, hop.mac1) = (0, 0);
        } else {
            keep_addresses(packet, hop);
        }
    } else if hop.code != HOP_KNOWN && hop.code != HOP_NEIGHBOUR {
        return Verdict::DROP;
    }
    Verdict::ONWARD
}

/// Makes the hop's addresses those of the frame: the kernel takes only frames that are addressed to it.
#[inline(always)]
pub(crate) fn keep_addresses<P: Packet>(packet: &P, hop: &mut Hop) {
    let (start, end) = packet.bounds();
    if start + ethernet::HEADER <= end {
        // SAFETY: the Ethernet header was compared with the end.
        unsafe {
            hop.mac0 = load64(start);
            hop.mac1 = load32(start + 8);
        }
    }
}

/// Sends a rewritten packet to its settled hop.
#[inline(always)]
pub(crate) fn send<P: Packet, E: Env>(packet: &mut P, env: &E, hop: &Hop) -> Verdict {
    match hop.code {
        HOP_KNOWN => Verdict::redirect(hop.ifindex),
        HOP_NEIGHBOUR => {
            let verdict = packet.send_to_neighbour(hop.ifindex, hop.family == 6, &hop.neighbour);
            if verdict == Verdict::DROP {
                env.count(Counter::DropNoNeighbour);
            }
            verdict
        }
        // Its source address is one of this host: the kernel takes it by the loopback link alone.
        HOP_CLIENT_HERE => Verdict::INWARD,
        _ => Verdict::PASS,
    }
}

#[inline(always)]
fn opaque_settings<E: Env>(env: &E) -> *const Settings {
    let settings = env.settings();
    if settings.is_null() {
        return core::ptr::null();
    }
    opaque(settings).cast_const()
}
