//! Fragments: those behind the first have no ports, and get them of what the first one left.
//!
//! One that comes before its first is held at tcx: its bytes wait in a map. When the first comes, it and
//! those that wait come in once more, in that order, and are like any others. All is bounded in number,
//! by maps that forget what was used longest ago, and in time. Fragments that cannot be of a virtual
//! server pass; so do those of a packet whose first one was not for a virtual server.

use crate::{
    Env, Flow, Packet, Rounds, Verdict,
    abi::{Counter, Early, Fragment, FragmentKey, HELD, HeldKey, low32, wide},
    brought, fast,
    memory::opaque,
    table::{Family, Scratch},
    unusual,
};

/// Seconds for which a receiver waits for the fragments of a packet (kernel `IP_FRAG_TIME`,
/// `IPV6_FRAG_TIMEOUT`: 30 and 60).
const PATIENCE: u32 = 30;
/// Fragments of one packet that are held at the most: 64 KiB in those of Ethernet are 45.
const MOST: u32 = 64;

/// Bytes of the fragment header (RFC 8200 section 4.5).
const FRAGMENT_HEADER: u32 = 8;

/// Remembers the ports of a first fragment; `foreign` where it is not for a virtual server.
#[inline(always)]
pub(crate) fn note<E: Env>(env: &E, flow: &Flow, foreign: bool) {
    let scratch = env.scratch();
    if scratch.is_null() {
        return;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let scratch = unsafe { &mut *opaque(scratch) };
    name(scratch, flow);
    let fragment = Fragment {
        ports: flow.tuple.ports,
        stamp: env.now(),
        foreign: u32::from(foreign),
    };
    env.fragment_insert(&scratch.fragment, &fragment);
    if !foreign {
        env.count(Counter::FragmentFirst);
    }
}

/// Gives a later fragment the ports of its packet; `false` where there are none: where they are not
/// known yet, it becomes one that is [`unusual::EARLY`].
#[inline(always)]
pub(crate) fn complete<E: Env>(env: &E, flow: &mut Flow) -> bool {
    let scratch = env.scratch();
    if scratch.is_null() {
        return false;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let scratch = unsafe { &mut *opaque(scratch) };
    name(scratch, flow);
    let found = first(env, &scratch.fragment);
    if found.is_null() {
        flow.fragment = unusual::EARLY;
        return false;
    }
    // SAFETY: it is a valid map value.
    let found = unsafe { *opaque(found.cast_mut()) };
    flow.tuple.ports = found.ports;
    found.foreign == 0
}

/// What becomes of an early fragment: it is held where it may be of a virtual server.
#[inline(always)]
pub(crate) fn unknown<F: Family, P: Packet, E: Env>(packet: &P, env: &E, flow: &Flow) -> Verdict {
    // What was brought would be made younger twice. XDP leaves them to its companion.
    if P::RESOLVES && fast::may_be_ours::<F, E>(env, flow) && !brought::is_brought(packet, env) {
        return Verdict::HOLD;
    }
    if P::RESOLVES {
        env.count(Counter::FragmentUnknown);
    }
    Verdict::PASS
}

/// Whether other fragments wait for this first one.
#[inline(always)]
pub(crate) fn is_awaited<E: Env>(env: &E, flow: &Flow) -> bool {
    let scratch = env.scratch();
    if flow.fragment != unusual::FIRST || scratch.is_null() {
        return false;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let scratch = unsafe { &mut *opaque(scratch) };
    name(scratch, flow);
    !env.early(&scratch.fragment).is_null()
}

/// Holds the fragment of the flow in the room; passes it where it cannot be held.
#[inline(always)]
pub fn hold<P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    // SAFETY: nothing else took it.
    let Some(flow) = (unsafe { Flow::of(env) }) else {
        return Verdict::PASS;
    };
    let (scratch, held) = (env.scratch(), env.held_room());
    if scratch.is_null() || held.is_null() {
        return Verdict::PASS;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let scratch = unsafe { &mut *opaque(scratch) };
    let held = opaque(held);
    name(scratch, flow);
    let key = &scratch.fragment;
    let now = env.now();
    let mut early = Early {
        count: 0,
        stamp: now,
    };
    let found = env.early(key);
    if !found.is_null() {
        // SAFETY: it is a valid map value.
        let there = unsafe { *opaque(found) };
        if is_fresh(env, there.stamp) {
            early = there;
        }
    }
    let place = early.count;
    let length = packet.length();
    // SAFETY: the room is this CPU's alone while the program runs.
    if place >= MOST || wide(length) > HELD as u64 || !unsafe { packet.copy_to(held, length) } {
        env.count(Counter::FragmentUnknown);
        return Verdict::PASS;
    }
    early.count = place + 1;
    let held_key = HeldKey {
        packet: *key,
        place,
        zero: 0,
    };
    if !env.held_insert(&held_key, held) {
        env.count(Counter::FragmentUnknown);
        return Verdict::PASS;
    }
    env.early_insert(key, &early);
    env.count(Counter::FragmentHeld);
    // Asked as by `complete`: what goes on without an answer that it takes would come back for ever.
    if first(env, key).is_null() {
        Verdict::HELD
    } else {
        // The first one came on another CPU meanwhile.
        Verdict::RELEASE
    }
}

/// Lets the first fragment of a packet come in once more, and then those that waited for it.
#[inline(always)]
pub fn release<P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    // SAFETY: nothing else took it.
    let Some(flow) = (unsafe { Flow::of(env) }) else {
        return Verdict::PASS;
    };
    let scratch = env.scratch();
    if scratch.is_null() {
        return Verdict::PASS;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let scratch = unsafe { &mut *opaque(scratch) };
    name(scratch, flow);
    let key = scratch.fragment;
    let found = env.early(&key);
    if found.is_null() {
        return Verdict::PASS;
    }
    // SAFETY: it is a valid map value.
    let early = unsafe { *opaque(found) };
    env.early_remove(&key);
    if flow.fragment == unusual::FIRST && !packet.again() {
        return Verdict::PASS;
    }
    // What waited for too long is for nobody any more.
    if is_fresh(env, early.stamp) {
        let mut waiting = Waiting {
            packet,
            env,
            key: HeldKey {
                packet: key,
                place: 0,
                zero: 0,
            },
            count: early.count,
        };
        env.repeat(MOST, &mut waiting);
    }
    Verdict::HELD
}

/// Lets held fragments go on, one a round.
struct Waiting<'a, P, E> {
    packet: &'a mut P,
    env: &'a E,
    key: HeldKey,
    count: u32,
}

impl<P: Packet, E: Env> Rounds for Waiting<'_, P, E> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        if self.key.place >= self.count {
            return true;
        }
        let held = self.env.held(&self.key);
        if !held.is_null() {
            let held = opaque(held.cast_mut()).cast_const();
            // SAFETY: it is a valid map value.
            if unsafe { self.packet.become_held(held) } && self.packet.again() {
                self.env.count(Counter::FragmentReleased);
            }
            self.env.held_remove(&self.key);
        }
        self.key.place += 1;
        false
    }
}

/// Bytes that a fragment adds to its packet: the first one the headers as well, but for the fragment
/// header of IPv6.
#[inline(always)]
pub(crate) const fn share(flow: &Flow) -> u32 {
    if flow.fragment == unusual::FIRST {
        flow.length - if flow.ipv6 { FRAGMENT_HEADER } else { 0 }
    } else {
        flow.length.wrapping_sub(flow.l4)
    }
}

/// What the first fragment of a packet left; null where it has not come, or too long ago.
#[inline(always)]
fn first<E: Env>(env: &E, key: &FragmentKey) -> *const Fragment {
    let found = env.fragment(key);
    if !found.is_null() {
        // SAFETY: it is a valid map value.
        let stamp = unsafe { (*opaque(found.cast_mut())).stamp };
        if is_fresh(env, stamp) {
            return found;
        }
    }
    core::ptr::null()
}

/// Whether a receiver would still wait for what came then.
#[inline(always)]
fn is_fresh<E: Env>(env: &E, stamp: u32) -> bool {
    let settings = env.settings();
    if settings.is_null() {
        return false;
    }
    // SAFETY: the settings are a valid map value.
    let hz = unsafe { (*opaque(settings)).hz };
    env.now().wrapping_sub(stamp) <= low32(wide(PATIENCE) * wide(hz))
}

/// Writes the key of a fragment into the scratch.
#[inline(always)]
fn name(scratch: &mut Scratch, flow: &Flow) {
    scratch.fragment = FragmentKey {
        source: flow.tuple.source,
        destination: flow.tuple.destination,
        identification: flow.identification,
        protocol: u32::from(flow.protocol),
    };
}
