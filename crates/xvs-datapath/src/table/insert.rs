//! Inserting a connection: one entry, or two that name each other.

use crate::{
    Env,
    abi::{Counter, FragmentKey, NONE, OverflowKey, Tag, Tuple, low32, wide},
    cut::Cut,
    memory::opaque,
    next_hop::Hop,
    table::{
        CONFLICT_NONE, FORWARD, Family, REVERSE, alternate, at,
        claim::{claim_free, publish, release},
        conflict::{CONFLICT_UNDECIDED, conflict},
        overflow, place,
        probe::{FOUND_OVERFLOW, overflow_entry, tag_identity},
    },
};

/// Neither table nor overflow hash had room.
pub const INSERT_FULL: i64 = -1;
/// What [`insert`] answers for a connection in the overflow hash.
pub(crate) const OVERFLOWED: i64 = -2;
/// Somebody else inserted the same flow: look again.
pub const INSERT_DUPLICATE: i64 = -3;
/// The reply tuple belongs to another connection.
pub const INSERT_COLLISION: i64 = -4;

/// One direction of a connection, before it is an entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Draft {
    /// Method, state, direction, template, crossing; identity once hashed.
    pub tag: u64,
    /// Key.
    pub tuple: Tuple,
    /// Recipe: new addresses and ports.
    pub recipe: Tuple,
    /// Protocol and template bit.
    pub identity: u32,
    /// Index of the real server.
    pub real_server: u32,
    /// Delta of the IP header's checksum.
    pub ip_delta: u16,
    /// Delta of the L4 checksum.
    pub l4_delta: u16,
    /// Index of the next hop.
    pub next_hop: u16,
    /// Index of the virtual server.
    pub virtual_server: u16,
}

const _: () = assert!(size_of::<Draft>() == 96);

/// What the slow functions hand each other: the BPF stack has 512 bytes, and a global function takes
/// five numbers.
#[repr(C, align(128))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Scratch {
    /// Room for an entry on its way to the overflow hash.
    pub entry: [u64; 16],
    /// From the client.
    pub forward: Draft,
    /// To the client.
    pub reverse: Draft,
    /// The client's address for schedulers that hash it, and what else they read of the packet.
    pub tuple: Tuple,
    /// Port as in a packet of the real server that a data connection of FTP goes to.
    pub real_port: u32,
    /// Key of a look-up in the overflow hash.
    pub key: OverflowKey,
    /// Key of a look-up among fragmented packets.
    pub fragment: FragmentKey,
    /// What is to be cut.
    pub cut: Cut,
    /// Key of a look-up among the deltas of sequence numbers.
    pub sequence: OverflowKey,
    /// A next hop, between two looks at it.
    pub(crate) hop: Hop,
    /// Zero.
    pub padding: [u64; 13],
}

const _: () = assert!(size_of::<Scratch>() == 640);

impl Scratch {
    /// The draft that `which` names.
    #[inline(always)]
    #[must_use]
    pub fn draft(&self, which: u32) -> &Draft {
        if which == REVERSE {
            &self.reverse
        } else {
            &self.forward
        }
    }

    /// Writes the key under which a draft is, or would be, in the overflow hash.
    #[inline(always)]
    pub(crate) fn note_overflow_key(&mut self, which: u32) {
        let draft = if which == REVERSE {
            &self.reverse
        } else {
            &self.forward
        };
        self.key.source = draft.tuple.source;
        self.key.destination = draft.tuple.destination;
        self.key.ports = draft.tuple.ports;
        self.key.identity = draft.identity;
    }

    /// The draft that `which` names, to be changed.
    #[inline(always)]
    pub fn draft_mut(&mut self, which: u32) -> &mut Draft {
        if which == REVERSE {
            &mut self.reverse
        } else {
            &mut self.forward
        }
    }
}

/// Inserts the drafts of the scratch. Answers the index of the forward entry, `OVERFLOWED`, or
/// another negative number; then nothing was inserted.
///
/// The reverse entry is published first: a reply must not come before it is known, and whoever sees
/// the forward entry may use both.
#[inline(always)]
pub fn insert<F: Family, E: Env>(env: &E, two_way: bool) -> i64 {
    let scratch = env.scratch();
    if scratch.is_null() {
        return INSERT_FULL;
    }
    let scratch = opaque(scratch);
    let now = env.now();
    // SAFETY: the scratch is the environment's, here and in the calls below.
    let forward = unsafe { slot::<F, E>(env, scratch, FORWARD, 8) };
    if forward == INSERT_DUPLICATE {
        return INSERT_DUPLICATE;
    }
    if forward < 0 {
        // SAFETY: as above.
        return unsafe { spill::<F, E>(env, scratch, two_way, now) };
    }
    let forward = low32(forward.unsigned_abs());
    // SAFETY: as above.
    if unsafe { is_overflown::<F, E>(env, scratch, FORWARD) } {
        release::<F, E>(env, forward);
        return INSERT_DUPLICATE;
    }
    let mut peer = NONE;
    if two_way {
        // SAFETY: as above.
        let reverse = unsafe { slot::<F, E>(env, scratch, REVERSE, 1) };
        if reverse == INSERT_DUPLICATE {
            release::<F, E>(env, forward);
            return INSERT_COLLISION;
        }
        if reverse < 0 {
            // SAFETY: as above.
            let answer = unsafe { spill_reverse::<F, E>(env, scratch, now) };
            if answer < 0 {
                release::<F, E>(env, forward);
                return answer;
            }
        } else {
            peer = low32(reverse.unsigned_abs());
            // SAFETY: as above.
            if unsafe { is_overflown::<F, E>(env, scratch, REVERSE) } {
                release::<F, E>(env, peer);
                release::<F, E>(env, forward);
                return INSERT_COLLISION;
            }
            let entry = at::<F, E>(env, peer);
            if entry.is_null() {
                release::<F, E>(env, forward);
                return INSERT_FULL;
            }
            // SAFETY: the slot was claimed above.
            let tag = unsafe {
                F::fill(entry, &(*scratch).reverse, forward, now);
                (*scratch).reverse.tag
            };
            publish::<F, E>(env, entry, tag);
        }
    }
    let entry = at::<F, E>(env, forward);
    if entry.is_null() {
        return INSERT_FULL;
    }
    // SAFETY: the slot was claimed above.
    let tag = unsafe {
        F::fill(entry, &(*scratch).forward, peer, now);
        (*scratch).forward.tag
    };
    publish::<F, E>(env, entry, tag);
    i64::from(forward)
}

/// Claims a slot for the draft `which` and completes its tag.
///
/// # Safety
/// `scratch` must be the environment's, and no reference into it may live.
#[inline(always)]
unsafe fn slot<F: Family, E: Env>(
    env: &E,
    scratch: *mut Scratch,
    which: u32,
    patience: u32,
) -> i64 {
    // SAFETY: the caller vouches for the scratch; the draft is not used once others are called.
    let draft = unsafe { (*scratch).draft_mut(which) };
    let key = F::Key::from(&draft.tuple);
    let (hash, fragment) = F::hash(&key, draft.identity, env.seed());
    let shift = F::shift(env);
    let (set, way) = place(hash, shift);
    let identity = wide(fragment) << 32 | tag_identity(draft.identity);
    draft.tag = draft.tag & !Tag::IDENTITY | identity;
    let entries = F::set(env, set);
    if entries.is_null() {
        return INSERT_FULL;
    }
    // What is nearly always so stands here: a call costs as much as the claim.
    let mut mine = claim_free::<F, E>(env, opaque(entries), set, way, identity);
    if mine < 0 {
        mine = env.claim_call(F::V6, set, way, identity, false);
    }
    if mine < 0 {
        mine = env.claim_call(F::V6, alternate(set, fragment, shift), way, identity, true);
    }
    if mine < 0 {
        return INSERT_FULL;
    }
    let place = low32(mine.unsigned_abs());
    let mut looks = 1;
    let mut answer = conflict::<F, E>(env, set, place, which);
    while looks < 8 && answer == CONFLICT_UNDECIDED {
        if looks >= patience {
            break;
        }
        answer = env.conflict_call(F::V6, set, place, which);
        looks += 1;
    }
    if answer != CONFLICT_NONE {
        release::<F, E>(env, place);
        return INSERT_DUPLICATE;
    }
    mine
}

/// Whether the flow of the draft `which` is in the overflow hash.
///
/// # Safety
/// `scratch` must be the environment's, and no reference into it may live.
#[inline(always)]
unsafe fn is_overflown<F: Family, E: Env>(env: &E, scratch: *mut Scratch, which: u32) -> bool {
    // SAFETY: the caller vouches for the scratch.
    !unsafe { overflow_entry::<F, E>(env, &mut *scratch, which) }.is_null()
}

/// Puts the way back of a connection into the overflow hash, where it is not in the table.
///
/// # Safety
/// `scratch` must be the environment's, and no reference into it may live.
#[inline(always)]
unsafe fn spill_reverse<F: Family, E: Env>(env: &E, scratch: *mut Scratch, now: u32) -> i64 {
    let found = env.find_call(F::V6, REVERSE);
    if found >= 0 || found == FOUND_OVERFLOW {
        return INSERT_COLLISION;
    }
    // SAFETY: the caller vouches for the scratch, and nothing called here asks for it.
    unsafe { spill_one::<F, E>(env, &mut *scratch, REVERSE, now) }
}

/// Puts a connection into the overflow hash.
///
/// # Safety
/// `scratch` must be the environment's, and no reference into it may live.
#[inline(always)]
unsafe fn spill<F: Family, E: Env>(env: &E, scratch: *mut Scratch, two_way: bool, now: u32) -> i64 {
    if two_way {
        // SAFETY: the caller vouches for the scratch.
        let answer = unsafe { spill_reverse::<F, E>(env, scratch, now) };
        if answer < 0 {
            return answer;
        }
    }
    // SAFETY: the caller vouches for the scratch, and nothing called below asks for it.
    let scratch = unsafe { &mut *scratch };
    let answer = spill_one::<F, E>(env, scratch, FORWARD, now);
    if answer < 0 {
        if two_way {
            scratch.note_overflow_key(REVERSE);
            overflow::remove::<F, E>(env, &scratch.key);
        }
        return answer;
    }
    env.count(Counter::Overflowed);
    OVERFLOWED
}

#[inline(always)]
fn spill_one<F: Family, E: Env>(env: &E, scratch: &mut Scratch, which: u32, now: u32) -> i64 {
    let entry = (&raw mut scratch.entry).cast::<F::Entry>();
    scratch.note_overflow_key(which);
    let draft = scratch.draft(which);
    // SAFETY: the room is large enough for either entry, aligned, and this CPU's alone.
    unsafe {
        F::fill(entry, draft, NONE, now);
        // The draft was never hashed where its other direction had found no place.
        *F::fields(entry).tag =
            draft.tag & !Tag::IDENTITY | tag_identity(draft.identity) | crate::abi::Slot::LIVE;
    }
    if overflow::insert::<F, E>(env, &scratch.key, entry) {
        0
    } else if overflow::find::<F, E>(env, &scratch.key).is_null() {
        INSERT_FULL
    } else {
        INSERT_COLLISION
    }
}
