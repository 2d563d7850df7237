//! Ending a connection before its time.

use crate::{
    Env,
    abi::{Cold, Method, NONE, Slot, Tag, Tuple, index},
    memory::{opaque, read_shared},
    table::{Family, at, overflow, retire},
};

/// Ends the connection whose forward entry is at `place`, as if it were past its timeout. Answers
/// whether this call did it.
#[inline(always)]
pub fn end<F: Family, E: Env>(env: &E, place: u32) -> bool {
    let entry = at::<F, E>(env, place);
    if entry.is_null() {
        return false;
    }
    // SAFETY: entries in the table are valid for ever.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above.
    let (tag, peer) = unsafe { (read_shared(fields.tag), *fields.peer) };
    if Tag(tag).slot() < Slot::LIVE || Tag(tag).reverse() {
        return false;
    }
    let held = held(tag);
    // SAFETY: tags are shared by atomics alone.
    if unsafe { env.compare_exchange(fields.tag, tag, held) } != tag {
        return false;
    }
    // SAFETY: the entry is ours since the exchange.
    unsafe { retire::<F, E>(env, entry, tag) };
    forget_cold::<F, E>(env, place);
    if peer == NONE && Method::two_way(Tag(tag).method()) {
        // SAFETY: as above.
        unsafe { forget_overflown::<F, E>(env, entry, tag) };
    }
    free_reverse::<F, E>(env, peer, place);
    // SAFETY: as above.
    unsafe { env.exchange(fields.tag, held & Tag::GENERATION) };
    true
}

/// The tag of an entry that is held for the moment it takes to settle its counts.
#[inline(always)]
pub(super) fn held(tag: u64) -> u64 {
    tag & Tag::IDENTITY | Tag(tag).next_generation() | Slot::BUSY
}

/// Clears the cold side of the forward entry at `place`, which ends: that of a slot which is free, or of a
/// reverse entry, is always clear, so that an insert need not touch it.
#[inline(always)]
pub(super) fn forget_cold<F: Family, E: Env>(env: &E, place: u32) {
    let set = F::cold(env, place >> 2);
    if set.is_null() {
        return;
    }
    // SAFETY: the set is a valid map value of four; the slot is the caller's.
    unsafe { *opaque(set).cast::<Cold>().add(index(place & 3)) = Cold::default() };
}

/// Frees the reverse entry at `peer` if it is one of `mine`.
#[inline(always)]
pub(super) fn free_reverse<F: Family, E: Env>(env: &E, peer: u32, mine: u32) {
    if peer == NONE {
        return;
    }
    let entry = at::<F, E>(env, peer);
    if entry.is_null() {
        return;
    }
    // SAFETY: entries in the table are valid for ever.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above.
    let tag = unsafe { read_shared(fields.tag) };
    // SAFETY: as above.
    if Tag(tag).slot() < Slot::LIVE || !Tag(tag).reverse() || unsafe { *fields.peer } != mine {
        return;
    }
    let held = held(tag);
    // SAFETY: tags are shared by atomics alone.
    if unsafe { env.compare_exchange(fields.tag, tag, held) } == tag {
        // SAFETY: the entry is ours since the exchange.
        unsafe {
            retire::<F, E>(env, entry, tag);
            env.exchange(fields.tag, held & Tag::GENERATION);
        }
    }
}

/// Removes the reverse entry of a forward one from the overflow hash, and settles its counts.
///
/// # Safety
/// `entry` must be claimed by the caller, and `tag` its tag before.
#[inline(always)]
pub(super) unsafe fn forget_overflown<F: Family, E: Env>(env: &E, entry: *mut F::Entry, tag: u64) {
    let scratch = env.scratch();
    if scratch.is_null() {
        return;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs; no claim needs its key.
    let key = unsafe { &mut (*opaque(scratch)).key };
    let mut tuple = Tuple::default();
    // SAFETY: the caller vouches for the entry.
    unsafe { F::answer_tuple(entry, &mut tuple) };
    key.source = tuple.source;
    key.destination = tuple.destination;
    key.ports = tuple.ports;
    key.identity = u32::from(Tag(tag).protocol()) << 8;
    let other = overflow::find::<F, E>(env, key);
    if other.is_null() {
        return;
    }
    let other = opaque(other);
    // SAFETY: the entry is valid while this runs.
    unsafe { retire::<F, E>(env, other, read_shared(F::fields(other).tag)) };
    overflow::remove::<F, E>(env, key);
}
