//! A flow table in this process' memory: expiry, counting, ending connections.
//!
//! Ending a connection takes three steps, so that a packet on its way can still save it: both entries
//! are marked DYING; every CPU is waited for; what did not move meanwhile is freed. A packet that
//! finds a DYING entry revives it, and readers of the fast path never match one.

mod overflow;
mod read;
mod release;
mod sweep;
mod thin;

use std::{collections::HashSet, sync::atomic::Ordering};

use xvs_datapath::{
    abi::{Cold, NONE, Slot, Tag, WAYS, index},
    table::{Family, Fields},
};

pub(super) use self::{
    overflow::Overflow,
    read::{Counts, Live, Record},
    sweep::{Clock, Tally},
    thin::Thinning,
};
use super::{
    memory::{Mapped, atomic64, load32},
    plain::Plain,
};

/// The table of a family.
pub(super) struct Table<F: Family> {
    sets: Mapped<[F::Entry; WAYS]>,
    cold: Mapped<[Cold; WAYS]>,
    overflow: Overflow<F::Entry>,
    parents: HashSet<u32>,
    /// Where the pass that is under way goes on, and what it has found.
    cursor: u32,
    found: Tally,
}

impl<F: Family> Table<F>
where
    Plain<F::Entry>: aya::Pod,
{
    pub(super) fn new(
        sets: Mapped<[F::Entry; WAYS]>,
        cold: Mapped<[Cold; WAYS]>,
        overflow: Overflow<F::Entry>,
    ) -> Self {
        Self {
            sets,
            cold,
            overflow,
            parents: HashSet::new(),
            cursor: 0,
            found: Tally::default(),
        }
    }

    /// How many entries the table holds.
    pub(super) fn capacity(&self) -> u32 {
        self.sets.len().saturating_mul(4)
    }

    /// Makes the packets of a real server's connections ask for their way: it changed, or the server
    /// is gone.
    pub(super) fn forget_way(&self, gone: &HashSet<u32>) {
        for index in 0..self.capacity() {
            let entry = self.entry(index);
            // SAFETY: the entry is mapped.
            unsafe {
                let fields = F::fields(entry);
                let tag = Tag(tag_of::<F>(entry));
                if tag.slot() >= Slot::LIVE && gone.contains(&load32(fields.real_server)) {
                    fields.next_hop.write_volatile(0);
                }
            }
        }
    }

    fn entry(&self, place: u32) -> *mut F::Entry {
        let set = self.sets.at(place >> 2);
        if set.is_null() {
            return set.cast();
        }
        // SAFETY: the set is mapped and has four entries.
        unsafe { set.cast::<F::Entry>().add(index(place & 3)) }
    }

    fn control(&self, place: u32) -> u32 {
        self.cold
            .read(place >> 2)
            .and_then(|set| set.get(index(place & 3)).copied())
            .map_or(0, |cold| cold.control)
    }

    /// Clears the cold side of an entry that is the caller's, as it must be once the slot is free.
    fn forget_cold(&self, place: u32) {
        if self.control(place) != 0 {
            let set = self.cold.at(place >> 2);
            // SAFETY: `control` found the set, which is mapped and has four.
            unsafe {
                let cold = set.cast::<Cold>().add(index(place & 3));
                cold.write_volatile(Cold::default());
            }
        }
    }

    /// The other entry of a connection, if both name each other.
    fn partner(&self, index: u32, fields: &Fields) -> Option<(u32, *mut F::Entry)> {
        // SAFETY: the fields are those of a mapped entry.
        let peer = unsafe { load32(fields.peer) };
        if peer == NONE || peer >= self.capacity() {
            return None;
        }
        let other = self.entry(peer);
        // SAFETY: the entry is mapped.
        unsafe {
            let tag = Tag(tag_of::<F>(other));
            let back = load32(F::fields(other).peer);
            (tag.slot() >= Slot::LIVE && back == index).then_some((peer, other))
        }
    }
}

/// # Safety
/// `entry` must be valid.
unsafe fn tag_of<F: Family>(entry: *mut F::Entry) -> u64 {
    // SAFETY: the caller vouches for the entry.
    unsafe { atomic64(F::fields(entry).tag) }.load(Ordering::Acquire)
}

/// Whether stamp `a` is later than `b`; jiffies wrap.
fn later(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) < 1 << 31
}

/// Jiffies since `stamp`; a stamp that is ahead of the clock is of this moment.
fn age(now: u32, stamp: u32) -> u32 {
    if later(now, stamp) {
        now.wrapping_sub(stamp)
    } else {
        0
    }
}

/// What tests of adoption do to the maps.
#[cfg(test)]
impl<F: Family> Table<F> {
    pub(super) fn put(&self, place: u32, entry: F::Entry) {
        let slot = self.sets.at(place >> 2).cast::<F::Entry>();
        // SAFETY: the set is mapped and has four entries.
        unsafe { slot.add(index(place & 3)).write_volatile(entry) };
    }

    pub(super) fn get(&self, place: u32) -> F::Entry
    where
        F::Entry: Copy,
    {
        self.sets.read(place >> 2).unwrap()[index(place & 3)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_survive_the_wrap_of_jiffies_and_a_clock_that_is_behind() {
        assert_eq!(age(5, u32::MAX - 4), 10);
        assert_eq!(age(5, 7), 0);
        assert!(later(2, u32::MAX));
    }
}
