//! The overflow hash of a family, with the count by which the programs know that it is empty.

use std::sync::atomic::Ordering;

use xvs_datapath::abi::OverflowKey;

#[cfg(feature = "testing")]
use crate::bpf::pairs::Refused;
use crate::bpf::{
    memory::{Mapped, atomic64},
    pairs::Pairs,
    plain::Plain,
};

/// What found no place in the table.
pub(in crate::bpf) struct Overflow<E> {
    pairs: Pairs<OverflowKey, E>,
    /// Never less than what is in the hash: who adds counts first, who removes counts last.
    counts: Mapped<u64>,
    family: u32,
}

impl<E: Copy> Overflow<E>
where
    Plain<E>: aya::Pod,
{
    /// The hash whose count is the one of `family`: 0 for IPv4, 1 for IPv6.
    pub(in crate::bpf) fn new(
        pairs: Pairs<OverflowKey, E>,
        counts: Mapped<u64>,
        family: u32,
    ) -> Self {
        Self {
            pairs,
            counts,
            family,
        }
    }

    /// The entry of a key.
    pub(super) fn get(&self, key: &OverflowKey) -> Option<E> {
        self.pairs.get(key)
    }

    /// All entries. An empty hash is not walked: it has as many buckets as a full one.
    pub(super) fn entries(&self) -> Vec<(OverflowKey, E)> {
        if self.counted() == Some(0) {
            return Vec::new();
        }
        self.pairs.entries()
    }

    /// Replaces an entry that is there.
    #[cfg(feature = "testing")]
    pub(super) fn insert(&mut self, key: OverflowKey, entry: E) -> Result<(), Refused> {
        self.pairs.insert(key, entry)
    }

    /// Removes an entry; false when it was not there.
    pub(super) fn remove(&mut self, key: &OverflowKey) -> bool {
        let removed = self.pairs.remove(key);
        let count = self.counts.at(self.family);
        if removed && !count.is_null() {
            // SAFETY: the count is mapped and changed by atomics alone.
            unsafe { atomic64(count) }.fetch_sub(1, Ordering::AcqRel);
        }
        removed
    }

    fn counted(&self) -> Option<u64> {
        let count = self.counts.at(self.family);
        // SAFETY: as above.
        (!count.is_null()).then(|| unsafe { atomic64(count) }.load(Ordering::Acquire))
    }
}
