//! Two packets, one flow: who inserts?

use crate::{
    Env,
    abi::{Slot, Tag, low32},
    memory::{opaque, read_shared},
    table::{Family, alternate},
};

/// Nobody else has the flow: publish.
pub const CONFLICT_NONE: u32 = 0;
/// It is there, complete: back off and use it.
pub(crate) const CONFLICT_LIVE: u32 = 1;
/// Somebody at a higher index is inserting it: look again.
pub(crate) const CONFLICT_UNDECIDED: u32 = 2;
/// Somebody at a lower index is inserting it: back off.
pub(crate) const CONFLICT_LOST: u32 = 3;

/// After the claim of slot `mine`: is the flow of the draft `which` in its first `set` or in the
/// alternate one besides?
#[inline(always)]
pub fn conflict<F: Family, E: Env>(env: &E, set: u32, mine: u32, which: u32) -> u32 {
    let scratch = env.scratch();
    if scratch.is_null() {
        return CONFLICT_LOST;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let draft = unsafe { (*opaque(scratch)).draft(which) };
    let key = F::Key::from(&draft.tuple);
    let identity = draft.tag & Tag::IDENTITY;
    let first = look::<F, E>(env, set, mine, identity, &key);
    if first == CONFLICT_LIVE || first == CONFLICT_LOST {
        return first;
    }
    let other = alternate(set, low32(draft.tag >> 32), F::shift(env));
    let second = look::<F, E>(env, other, mine, identity, &key);
    if second == CONFLICT_NONE {
        first
    } else {
        second
    }
}

#[inline(always)]
fn look<F: Family, E: Env>(env: &E, set: u32, mine: u32, identity: u64, key: &F::Key) -> u32 {
    let entries = F::set(env, set);
    if entries.is_null() {
        return CONFLICT_LOST;
    }
    let entries = opaque(entries);
    let mut answer = CONFLICT_NONE;
    macro_rules! check {
        ($way:literal) => {
            let place = set * 4 + $way;
            // SAFETY: the set is a valid map value of four entries.
            let entry = unsafe { entries.cast::<F::Entry>().add($way) };
            // SAFETY: as above.
            let tag = unsafe { read_shared(F::fields(entry).tag) };
            if place != mine && tag & Tag::IDENTITY == identity {
                if Tag(tag).slot() == Slot::BUSY {
                    if place < mine {
                        return CONFLICT_LOST;
                    }
                    answer = CONFLICT_UNDECIDED;
                // SAFETY: as above.
                } else if Tag(tag).slot() != Slot::FREE && unsafe { F::matches(entry, key) } {
                    return CONFLICT_LIVE;
                }
            }
        };
    }
    check!(0);
    check!(1);
    check!(2);
    check!(3);
    answer
}
