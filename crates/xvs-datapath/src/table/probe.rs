//! Looking up.

use crate::{
    Env,
    abi::{NONE, OverflowKey, Slot, Tag, Tuple, WAYS, index, low32, wide},
    memory::{opaque, read_shared},
    table::{Family, Fields},
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
            if tag & Tag::COMPARE == wanted && unsafe { F::matches(entry, key) } {
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

/// The LIVE entry of `key` in the table: (entry, tag, index); null when there is none.
#[inline(always)]
pub(crate) fn locate<F: Family, E: Env>(
    env: &E,
    key: &F::Key,
    identity: u32,
) -> (*mut F::Entry, u64, u32) {
    locate_exact::<F, E>(env, key, identity, Slot::LIVE)
}

/// As [`locate`], for any slot state.
#[inline(always)]
fn locate_exact<F: Family, E: Env>(
    env: &E,
    key: &F::Key,
    identity: u32,
    slot: u64,
) -> (*mut F::Entry, u64, u32) {
    let (hash, fragment) = F::hash(key, identity, &env.seed());
    let shift = F::shift(env);
    let (first, way) = place(hash, shift);
    let wanted = wide(fragment) << 32 | tag_identity(identity) | slot;
    let set = F::set(env, first);
    if !set.is_null() {
        let (entry, tag, at) = probe::<F>(opaque(set), way, wanted, key);
        if !entry.is_null() {
            return (entry, tag, first * 4 + at);
        }
        let second = alternate(first, fragment, shift);
        let set = F::set(env, second);
        if !set.is_null() {
            let (entry, tag, at) = probe::<F>(opaque(set), way, wanted, key);
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

/// The key of a tuple in the overflow hash.
#[inline(always)]
#[must_use]
pub fn overflow_key(tuple: &Tuple, identity: u32) -> OverflowKey {
    OverflowKey {
        source: tuple.source,
        destination: tuple.destination,
        ports: tuple.ports,
        identity,
    }
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
    let draft = unsafe { (*opaque(scratch)).draft(which) };
    let key = F::Key::from(&draft.tuple);
    let (entry, _, place) = locate::<F, E>(env, &key, draft.identity);
    if !entry.is_null() {
        return i64::from(place);
    }
    let (entry, tag, place) = locate_exact::<F, E>(env, &key, draft.identity, Slot::DYING);
    if !entry.is_null() {
        // SAFETY: entries in the table are valid for ever.
        let Fields { tag: word, .. } = unsafe { F::fields(entry) };
        // SAFETY: tags are shared through the environment's atomics alone.
        let seen = unsafe { env.compare_exchange(word, tag, Tag(tag).with_slot(Slot::LIVE).0) };
        if seen == tag || Tag(seen).slot() == Slot::LIVE {
            env.count(crate::abi::Counter::Revived);
            return i64::from(place);
        }
    }
    if F::overflow(env, &overflow_key(&draft.tuple, draft.identity)).is_null() {
        FOUND_NOT
    } else {
        FOUND_OVERFLOW
    }
}
