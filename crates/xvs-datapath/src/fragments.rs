//! Fragments: those behind the first have no ports, and get them of what the first one left.
//!
//! What is remembered is bounded in number, by a map that forgets what was used longest ago, and in
//! time. A fragment that comes before its first one passes.

use crate::{
    Env, Flow,
    abi::{Counter, Fragment, FragmentKey},
    memory::opaque,
    table::Scratch,
};

/// Seconds for which a receiver waits for the fragments of a packet (kernel `IP_FRAG_TIME`,
/// `IPV6_FRAG_TIMEOUT`: 30 and 60).
const PATIENCE: u32 = 30;

/// Remembers the ports of a first fragment.
#[inline(always)]
pub(crate) fn note<E: Env>(env: &E, flow: &Flow) {
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
    };
    env.fragment_insert(&scratch.fragment, &fragment);
    env.count(Counter::FragmentFirst);
}

/// Gives a later fragment the ports of its packet; `false` where they are not known.
#[inline(always)]
pub(crate) fn complete<E: Env>(env: &E, flow: &mut Flow) -> bool {
    let scratch = env.scratch();
    let settings = env.settings();
    if scratch.is_null() || settings.is_null() {
        return false;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let scratch = unsafe { &mut *opaque(scratch) };
    name(scratch, flow);
    let found = env.fragment(&scratch.fragment);
    if !found.is_null() {
        // SAFETY: both are valid map values.
        let (found, hz) = unsafe { (*opaque(found.cast_mut()), (*opaque(settings)).hz) };
        if env.now().wrapping_sub(found.stamp) <= PATIENCE.wrapping_mul(hz) {
            flow.tuple.ports = found.ports;
            return true;
        }
    }
    env.count(Counter::FragmentUnknown);
    false
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
