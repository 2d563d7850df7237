//! Looking up.

use crate::{
    Env,
    abi::{NONE, Slot, Tag, WAYS, index, low32, wide},
    memory::{opaque, read_shared},
    table::{Family, Fields, Scratch, overflow},
};

/// What [`find`] answers for an entry of the overflow hash.
pub const FOUND_OVERFLOW: i64 = -2;
const FOUND_NOT: i64 = -1;

/// The set that takes what its first set has no room for.
#[inline(always)]
pub(crate) fn alternate(set: u32, fragment: u32, shift: u32) -> u32 {
    let mask = if shift >= 64 {
        0
    } else {
        low32(u64::MAX >> shift)
    };
    (set ^ (fragment | 1)) & mask
}

/// The set and the preferred way of a hash.
#[inline(always)]
pub(crate) fn place(hash: u64, shift: u32) -> (u32, u32) {
    if shift >= 64 {
        return (0, low32(hash >> 62));
    }
    // The way takes the two bits below the set's; with 2^62 sets there would be none left.
    (low32(hash >> shift), low32(hash >> (shift - 2)) & 3)
}

/// The entry with `wanted` tag bits and `key` in a set: (entry, tag, way).
#[inline(always)]
fn probe<F: Family>(
    set: *mut [F::Entry; WAYS],
    way: u32,
    mask: u64,
    wanted: u64,
    key: &F::Key,
) -> (*mut F::Entry, u64, u32) {
    macro_rules! look {
        ($step:literal) => {
            let at = (way ^ $step) & 3;
            // SAFETY: the set is a valid map value of four entries.
            let entry = unsafe { set.cast::<F::Entry>().add(index(at)) };
            // SAFETY: as above; the tag is the first word of every entry.
            let tag = unsafe { read_shared(F::fields(entry).tag) };
            // SAFETY: as above.
            if tag & mask == wanted && unsafe { F::matches(entry, key) } {
                return (entry, tag, at);
            }
        };
    }
    look!(0);
    look!(1);
    look!(2);
    look!(3);
    (core::ptr::null_mut(), 0, 0)
}

/// The LIVE or DYING entry of `key` in the table: (entry, tag, index); null when there is none.
#[inline(always)]
pub(crate) fn locate<F: Family, E: Env>(
    env: &E,
    key: &F::Key,
    identity: u32,
) -> (*mut F::Entry, u64, u32) {
    // The two differ in the lowest bit.
    let mask = Tag::COMPARE & !(Slot::LIVE ^ Slot::DYING);
    let (hash, fragment) = F::hash(key, identity, env.seed());
    let shift = F::shift(env);
    let (first, way) = place(hash, shift);
    let wanted = wide(fragment) << 32 | tag_identity(identity) | Slot::LIVE;
    let set = F::set(env, first);
    if !set.is_null() {
        let (entry, tag, at) = probe::<F>(opaque(set), way, mask, wanted, key);
        if !entry.is_null() {
            return (entry, tag, first * 4 + at);
        }
        let second = alternate(first, fragment, shift);
        let set = F::set(env, second);
        if !set.is_null() {
            let (entry, tag, at) = probe::<F>(opaque(set), way, mask, wanted, key);
            if !entry.is_null() {
                return (entry, tag, second * 4 + at);
            }
        }
    }
    (core::ptr::null_mut(), 0, NONE)
}

/// Protocol and template bit as one word: the identity that goes into hash and overflow key.
#[inline(always)]
pub(crate) const fn tag_identity(identity: u32) -> u64 {
    wide(identity) & (Tag::IDENTITY & 0xffff_ffff)
}

/// The entry at `index`; null beyond the table.
#[inline(always)]
#[must_use]
pub fn at<F: Family, E: Env>(env: &E, index_: u32) -> *mut F::Entry {
    let set = F::set(env, index_ >> 2);
    if set.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: the set is a valid map value of four entries.
    unsafe { opaque(set).cast::<F::Entry>().add(index(index_ & 3)) }
}

/// Finds the flow of a draft of the scratch, in the table or the overflow hash; a DYING entry is
/// revived. Answers its index, [`FOUND_OVERFLOW`], or another negative number.
#[inline(always)]
pub fn find<F: Family, E: Env>(env: &E, which: u32) -> i64 {
    let scratch = env.scratch();
    if scratch.is_null() {
        return FOUND_NOT;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let scratch = unsafe { &mut *opaque(scratch) };
    let draft = scratch.draft(which);
    let key = F::Key::from(&draft.tuple);
    let (entry, tag, place) = locate::<F, E>(env, &key, draft.identity);
    if entry.is_null() {
        return if overflow_entry::<F, E>(env, scratch, which).is_null() {
            FOUND_NOT
        } else {
            FOUND_OVERFLOW
        };
    }
    if Tag(tag).slot() == Slot::DYING {
        // SAFETY: entries in the table are valid for ever.
        let Fields { tag: word, .. } = unsafe { F::fields(entry) };
        // SAFETY: tags are shared through the environment's atomics alone.
        let seen = unsafe { env.compare_exchange(word, tag, Tag(tag).with_slot(Slot::LIVE).0) };
        if seen != tag && Tag(seen).slot() != Slot::LIVE {
            return FOUND_NOT;
        }
        env.count(crate::abi::Counter::Revived);
    }
    i64::from(place)
}

/// The entry of the overflow hash for a draft of the scratch.
#[inline(always)]
pub(crate) fn overflow_entry<F: Family, E: Env>(
    env: &E,
    scratch: &mut Scratch,
    which: u32,
) -> *mut F::Entry {
    scratch.note_overflow_key(which);
    overflow::find::<F, E>(env, &scratch.key)
}

/// [`find`] for a packet's flow, whose tuple goes to the scratch on the way.
#[inline(always)]
pub(crate) fn find_flow<F: Family, E: Env>(env: &E, flow: &crate::Flow) -> i64 {
    let scratch = env.scratch();
    if scratch.is_null() {
        return FOUND_NOT;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    unsafe {
        let draft = (*opaque(scratch)).draft_mut(super::FORWARD);
        draft.tuple = flow.tuple;
        draft.identity = u32::from(flow.protocol) << 8;
    }
    env.find_call(F::V6, super::FORWARD)
}

/// The entry that [`find_flow`] just found at `place`; null when it found none.
#[inline(always)]
pub(crate) fn entry_at<F: Family, E: Env>(env: &E, place: i64) -> *mut F::Entry {
    if place >= 0 {
        at::<F, E>(env, low32(place.unsigned_abs()))
    } else if place == FOUND_OVERFLOW {
        overflow_of_scratch::<F, E>(env)
    } else {
        core::ptr::null_mut()
    }
}

/// The entry of the overflow hash that [`find_flow`] found.
#[inline(always)]
fn overflow_of_scratch<F: Family, E: Env>(env: &E) -> *mut F::Entry {
    let scratch = env.scratch();
    if scratch.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    overflow_entry::<F, E>(env, unsafe { &mut *opaque(scratch) }, super::FORWARD)
}
