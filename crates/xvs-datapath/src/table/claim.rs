//! Claiming a slot.

use crate::{
    Env,
    abi::{Counter, Method, NONE, Slot, Tag, WAYS, index, low32, wide},
    memory::{opaque, read_shared},
    table::{
        Family, at,
        end::{forget_cold, forget_overflown, free_reverse, held},
        evictable, expired, retire,
    },
};

const CLAIMED_NOT: i64 = -1;

/// Claims a slot of `set`: a free one, or one past its timeout, or with `evict` the oldest embryonic
/// one. Answers its index, or a negative number.
///
/// A claimed slot is BUSY with the identity and a new generation in its tag; nobody else touches it
/// until it is published or released. An established connection is never evicted. A reverse entry
/// goes only together with its forward entry, forward first, so that no connection is left half.
#[inline(always)]
pub fn claim<F: Family, E: Env>(env: &E, set: u32, way: u32, identity: u64, evict: bool) -> i64 {
    let entries = F::set(env, set);
    if entries.is_null() {
        return CLAIMED_NOT;
    }
    let entries = opaque(entries);
    let free = claim_free::<F, E>(env, entries, set, way, identity);
    if free >= 0 {
        return free;
    }
    let now = env.now();
    let mut oldest = 0_u32;
    let mut victim = NONE;
    let mut victim_tag = 0_u64;
    macro_rules! weigh {
        ($way:literal) => {
            let tag_word = tag_of::<F>(entries, $way);
            // SAFETY: as above.
            let tag = unsafe { read_shared(tag_word) };
            // SAFETY: the entry is a valid map value.
            let entry = unsafe { entries.cast::<F::Entry>().add($way) };
            // SAFETY: as above.
            let age = now.wrapping_sub(unsafe { *F::fields(entry).stamp }) & 0x3fff_ffff;
            let gone = Tag(tag).slot() == Slot::LIVE && expired(env, tag, age);
            // What is past its timeout goes before anything that is merely embryonic.
            let rank = if gone { age | 0x4000_0000 } else { age };
            if (gone || (evict && evictable(tag))) && rank >= oldest {
                oldest = rank;
                victim = $way;
                victim_tag = tag;
            }
        };
    }
    weigh!(0);
    weigh!(1);
    weigh!(2);
    weigh!(3);
    if victim == NONE {
        return CLAIMED_NOT;
    }
    take::<F, E>(env, entries, set, victim, victim_tag, identity, oldest)
}

/// As [`claim`], of a free slot alone.
#[inline(always)]
pub(super) fn claim_free<F: Family, E: Env>(
    env: &E,
    entries: *mut [F::Entry; WAYS],
    set: u32,
    way: u32,
    identity: u64,
) -> i64 {
    macro_rules! try_free {
        ($step:literal) => {
            let at = (way ^ $step) & 3;
            let word = tag_of::<F>(entries, at);
            // SAFETY: tags are readable and shared by atomics alone.
            let tag = unsafe { read_shared(word) };
            if Tag(tag).slot() == Slot::FREE {
                let busy = identity | Tag(tag).next_generation() | Slot::BUSY;
                // SAFETY: as above.
                if unsafe { env.compare_exchange(word, tag, busy) } == tag {
                    return i64::from(set * 4 + at);
                }
            }
        };
    }
    try_free!(0);
    try_free!(1);
    try_free!(2);
    try_free!(3);
    CLAIMED_NOT
}

/// Takes the slot of a connection that ends, and settles its counts.
#[inline(always)]
fn take<F: Family, E: Env>(
    env: &E,
    entries: *mut [F::Entry; WAYS],
    set: u32,
    way: u32,
    tag: u64,
    identity: u64,
    rank: u32,
) -> i64 {
    let mine = set * 4 + way;
    let word = tag_of::<F>(entries, way);
    // SAFETY: the entry is a valid map value.
    let entry = unsafe { entries.cast::<F::Entry>().add(index(way & 3)) };
    // SAFETY: as above.
    let peer = unsafe { *F::fields(entry).peer };
    let busy = identity | Tag(tag).next_generation() | Slot::BUSY;
    if Tag(tag).reverse() {
        // The forward entry decides: free it first; only then is the reverse one ours to take.
        if !free_forward::<F, E>(env, peer, mine) {
            return CLAIMED_NOT;
        }
    }
    // SAFETY: tags are shared by atomics alone.
    if unsafe { env.compare_exchange(word, tag, busy) } != tag {
        return CLAIMED_NOT;
    }
    // SAFETY: the entry is ours since the exchange.
    unsafe { retire::<F, E>(env, entry, tag) };
    if !Tag(tag).reverse() {
        forget_cold::<F, E>(env, mine);
        if peer == NONE && Method::two_way(Tag(tag).method()) {
            // SAFETY: as above.
            unsafe { forget_overflown::<F, E>(env, entry, tag) };
        }
        free_reverse::<F, E>(env, peer, mine);
    }
    env.count(if rank & 0x4000_0000 != 0 {
        Counter::Reclaimed
    } else {
        Counter::Evicted
    });
    i64::from(mine)
}

/// Frees the forward entry at `peer` if it is one of `mine` and may go; true when nothing holds the
/// reverse entry any more.
#[inline(always)]
fn free_forward<F: Family, E: Env>(env: &E, peer: u32, mine: u32) -> bool {
    if peer == NONE {
        return true;
    }
    let entry = at::<F, E>(env, peer);
    if entry.is_null() {
        return true;
    }
    // SAFETY: entries in the table are valid for ever.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above.
    let tag = unsafe { read_shared(fields.tag) };
    // SAFETY: as above.
    let points_back = unsafe { *fields.peer } == mine;
    if Tag(tag).slot() < Slot::LIVE || Tag(tag).reverse() || !points_back {
        return Tag(tag).slot() != Slot::BUSY;
    }
    // SAFETY: as above.
    let age = env.now().wrapping_sub(unsafe { *fields.stamp }) & 0x3fff_ffff;
    if !(evictable(tag) || expired(env, tag, age)) {
        return false;
    }
    // Claimed as BUSY for the moment it takes to settle its counts, then free.
    let held = held(tag);
    // SAFETY: tags are shared by atomics alone.
    if unsafe { env.compare_exchange(fields.tag, tag, held) } != tag {
        return false;
    }
    // SAFETY: the entry is ours since the exchange.
    unsafe {
        retire::<F, E>(env, entry, tag);
        forget_cold::<F, E>(env, peer);
        env.exchange(fields.tag, held & Tag::GENERATION);
    }
    true
}

#[inline(always)]
fn tag_of<F: Family>(entries: *mut [F::Entry; WAYS], way: u32) -> *mut u64 {
    // SAFETY: the set is a valid map value of four entries.
    unsafe { F::fields(entries.cast::<F::Entry>().add(index(way & 3))).tag }
}

/// Gives a claimed slot back.
#[inline(always)]
pub(crate) fn release<F: Family, E: Env>(env: &E, index: u32) {
    let entry = at::<F, E>(env, index);
    if entry.is_null() {
        return;
    }
    // SAFETY: the slot is the caller's since it claimed it.
    unsafe {
        let word = F::fields(entry).tag;
        env.exchange(word, read_shared(word) & Tag::GENERATION);
    }
}

/// Makes a filled slot visible.
#[inline(always)]
pub(crate) fn publish<F: Family, E: Env>(env: &E, entry: *mut F::Entry, tag: u64) {
    // SAFETY: the slot is the caller's since it claimed it.
    unsafe {
        let word = F::fields(entry).tag;
        env.exchange(word, tag | read_shared(word) & Tag::GENERATION | Slot::LIVE);
    }
}

/// Generations wrap inside their bits, as their users expect.
const _: () = assert!(wide(low32(Tag::GENERATION)) == Tag::GENERATION);
