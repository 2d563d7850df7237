//! The overflow hash: where a flow goes that finds no place in its sets.
//!
//! It is empty nearly always, and a look-up in vain costs as much as the rest of a miss. So whoever adds
//! counts first and whoever removes counts last: where the count is 0 there is nothing to find.

use crate::{Env, abi::OverflowKey, memory::opaque, table::Family};

/// The entry of a key; null when there is none.
#[inline(always)]
pub(super) fn find<F: Family, E: Env>(env: &E, key: &OverflowKey) -> *mut F::Entry {
    if is_used::<F, E>(env) {
        F::overflow(env, key)
    } else {
        core::ptr::null_mut()
    }
}

/// Whether there is anything to find.
#[inline(always)]
pub(crate) fn is_used<F: Family, E: Env>(env: &E) -> bool {
    let count = env.overflown(F::V6);
    // SAFETY: the count is a valid map value, shared by atomics.
    !count.is_null() && unsafe { opaque(count).read_volatile() } != 0
}

/// Adds what is not there yet; false when it is there, or the hash is full.
#[inline(always)]
pub(super) fn insert<F: Family, E: Env>(
    env: &E,
    key: &OverflowKey,
    entry: *const F::Entry,
) -> bool {
    count::<F, E>(env, 1);
    let added = F::overflow_insert(env, key, entry);
    if !added {
        count::<F, E>(env, u64::MAX);
    }
    added
}

/// Removes the entry of a key, if there is one.
#[inline(always)]
pub(super) fn remove<F: Family, E: Env>(env: &E, key: &OverflowKey) {
    if F::overflow_remove(env, key) {
        count::<F, E>(env, u64::MAX);
    }
}

#[inline(always)]
fn count<F: Family, E: Env>(env: &E, amount: u64) {
    let count = env.overflown(F::V6);
    if !count.is_null() {
        // SAFETY: the count is a valid map value, shared by atomics.
        unsafe { env.add64(opaque(count), amount) };
    }
}
