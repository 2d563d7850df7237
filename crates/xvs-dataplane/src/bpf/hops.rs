//! Next hops: a slot for each neighbour that packets leave by.
//!
//! The lower half of the slots is this side's, for real servers and their gateways. The upper half
//! is the programs': they take free indexes from a queue when they learn the neighbour of a client,
//! and this side takes back what no entry refers to any more.

use std::collections::{BTreeMap, BTreeSet, HashMap as StdMap};

use xvs_datapath::abi::{HopKey, HopKind, NextHop, low16};

use super::{
    address::{from_abi, to_abi},
    memory::{Mapped, wait_for_programs},
    pairs::{Indexes, Pairs},
};
use crate::{Mac, NeighbourKey};

/// First index that the programs hand out.
const LEARNED: u32 = 32_768;
/// How many free indexes the queue holds at most.
const QUEUED: u32 = 8_192;

/// The next hops.
pub(super) struct Hops {
    slots: Mapped<NextHop>,
    index: Pairs<HopKey, u32>,
    queue: Indexes,
    /// Slots of ours, by neighbour.
    ours: StdMap<HopKey, u32>,
    free: Vec<u32>,
    next: u32,
    /// Free indexes of the programs' half that are not queued.
    spare: Vec<u32>,
    queued: u32,
    /// Indexes whose neighbour was forgotten, waiting until no entry has them.
    retired: BTreeSet<u32>,
}

/// Slots that nobody names yet, or that are none of the programs' to hand out: 0 means no next hop.
const FIRST: u32 = 1;

impl Hops {
    /// The next hops of maps that may have been in use before. What a neighbour's address was when the
    /// last daemon died may be wrong by now: until it is told again, the programs ask the kernel.
    pub(super) fn new(slots: Mapped<NextHop>, index: Pairs<HopKey, u32>, queue: Indexes) -> Self {
        let mut hops = Self {
            slots,
            index,
            queue,
            ours: StdMap::new(),
            free: Vec::new(),
            next: FIRST,
            spare: Vec::new(),
            queued: 0,
            retired: BTreeSet::new(),
        };
        // What the queue still holds is free, and so is what never was in use. Whatever else nobody
        // has by name may still be in an entry: the first sweeps find out. A program that took an
        // index has named it when it ends.
        let mut queued = BTreeSet::new();
        while let Some(index) = hops.queue.pop() {
            queued.insert(index);
        }
        wait_for_programs();
        let mut used = BTreeSet::new();
        for (key, index) in hops.index.entries() {
            used.insert(index);
            if index < LEARNED {
                hops.ours.insert(key, index);
                hops.next = hops.next.max(index + 1);
            }
        }
        for index in &used {
            if let Some(hop) = hops.slots.read(*index) {
                let kind = HopKind::ASK;
                hops.replace(*index, NextHop { kind, ..hop });
            }
        }
        let untouched = |index: &u32| {
            let hop = hops.slots.read(*index);
            queued.contains(index) || hop.is_some_and(|hop| hop.ifindex == 0)
        };
        let (spare, unsure): (Vec<u32>, Vec<u32>) = (LEARNED..hops.slots.len())
            .rev()
            .filter(|index| !used.contains(index))
            .partition(untouched);
        hops.spare = spare;
        hops.retired.extend(unsure);
        hops.retired
            .extend((FIRST..hops.next).filter(|index| !used.contains(index)));
        hops.refill();
        hops
    }

    /// The index of a neighbour's slot, made where there is none; 0 when there is no room.
    pub(super) fn slot(&mut self, key: HopKey) -> u16 {
        if let Some(index) = self.ours.get(&key) {
            return low16(*index);
        }
        if let Some(learned) = self.index.get(&key) {
            return low16(learned);
        }
        let Some(index) = self.free.pop().or_else(|| {
            (self.next < LEARNED).then(|| {
                self.next += 1;
                self.next - 1
            })
        }) else {
            return 0;
        };
        self.slots.write(
            index,
            NextHop {
                ifindex: key.ifindex,
                ..NextHop::default()
            },
        );
        if let Err(error) = self.index.insert(key, index) {
            tracing::warn!(%error, "no room for another neighbour");
            self.free.push(index);
            return 0;
        }
        self.ours.insert(key, index);
        low16(index)
    }

    /// Notes the largest packet on the way by a neighbour.
    pub(super) fn set_mtu(&self, index: u16, mtu: u32) {
        if let Some(mut hop) = self.slots.read(index.into())
            && hop.mtu != mtu
        {
            hop.mtu = mtu;
            self.replace(index.into(), hop);
        }
    }

    /// All neighbours, ours and learned.
    pub(super) fn neighbours(&self) -> Vec<NeighbourKey> {
        self.index
            .entries()
            .into_iter()
            .map(|(key, _index)| NeighbourKey {
                ifindex: key.ifindex,
                address: from_abi(&key.address, key.family == 6),
            })
            .collect()
    }

    /// Notes what frames to a neighbour have: (source, destination); none while it is unresolved.
    pub(super) fn resolve(
        &self,
        neighbour: NeighbourKey,
        resolved: Option<(Mac, Mac)>,
        link_mtu: u32,
    ) {
        let key = key_of(neighbour);
        let Some(index) = self.index.get(&key) else {
            return;
        };
        let Some(old) = self.slots.read(index) else {
            return;
        };
        let mut new = old;
        new.ifindex = neighbour.ifindex;
        if new.mtu == 0 {
            new.mtu = link_mtu;
        }
        match resolved {
            Some((Mac([a, b, c, d, e, f]), Mac([u, v, w, x, y, z]))) => {
                new.mac0 = u64::from_ne_bytes([u, v, w, x, y, z, a, b]);
                new.mac1 = u32::from_ne_bytes([c, d, e, f]);
                new.kind = HopKind::KNOWN;
            }
            None => new.kind = HopKind::ASK,
        }
        if new != old {
            self.replace(index, new);
        }
    }

    /// Forgets the neighbours of clients: the programs learn them anew, on the way that the kernel
    /// now has.
    pub(super) fn forget_learned(&mut self) {
        let learned: Vec<(HopKey, u32)> = self
            .index
            .entries()
            .into_iter()
            .filter(|(_key, index)| *index >= LEARNED)
            .collect();
        for (key, index) in learned {
            self.forget(&key, index);
        }
    }

    /// Takes back what no entry refers to: `used` has the indexes that entries have, `wanted` those
    /// of the ways to real servers.
    pub(super) fn reclaim(&mut self, used: &BTreeSet<u16>, wanted: &BTreeSet<u16>) {
        let named: BTreeSet<u32> = self
            .index
            .entries()
            .into_iter()
            .map(|(_key, index)| index)
            .collect();
        let unused: Vec<u32> = self
            .retired
            .iter()
            .copied()
            .filter(|index| {
                let short = low16(*index);
                !used.contains(&short) && !wanted.contains(&short) && !named.contains(index)
            })
            .collect();
        for index in unused {
            self.retired.remove(&index);
            if index < LEARNED {
                self.free.push(index);
            } else {
                self.spare.push(index);
            }
        }
        self.retired.retain(|index| !named.contains(index));
        let idle: Vec<(HopKey, u32)> = self
            .ours
            .iter()
            .map(|(key, index)| (*key, *index))
            .filter(|(_key, index)| {
                !used.contains(&low16(*index)) && !wanted.contains(&low16(*index))
            })
            .collect();
        for (key, index) in idle {
            self.ours.remove(&key);
            self.forget(&key, index);
        }
        // The programs took from the queue what is in the index or lost a race; count what is left.
        let in_index: BTreeMap<u32, HopKey> = self
            .index
            .entries()
            .into_iter()
            .map(|(key, index)| (index, key))
            .collect();
        if self.spare.len() < usize::try_from(QUEUED).unwrap_or(usize::MAX) {
            let idle: Vec<(u32, HopKey)> = in_index
                .into_iter()
                .filter(|(index, _key)| {
                    let short = low16(*index);
                    *index >= LEARNED && !used.contains(&short) && !wanted.contains(&short)
                })
                .collect();
            for (index, key) in idle {
                self.forget(&key, index);
            }
        }
        self.refill();
    }

    fn forget(&mut self, key: &HopKey, index: u32) {
        if self.index.remove(key) {
            if let Some(hop) = self.slots.read(index) {
                self.replace(
                    index,
                    NextHop {
                        kind: HopKind::ASK,
                        ..hop
                    },
                );
            }
            self.retired.insert(index);
        }
    }

    /// Keeps the queue filled. How much the programs took is not known, so pushes go on until the
    /// queue has its measure or refuses.
    fn refill(&mut self) {
        let learned = self
            .index
            .entries()
            .into_iter()
            .filter(|(_key, index)| *index >= LEARNED)
            .count();
        let total = usize::try_from(self.slots.len() - LEARNED).unwrap_or(0);
        let out = total
            .saturating_sub(self.spare.len())
            .saturating_sub(self.retired.range(LEARNED..).count())
            .saturating_sub(learned);
        self.queued = u32::try_from(out).unwrap_or(u32::MAX);
        while self.queued < QUEUED
            && let Some(index) = self.spare.pop()
        {
            if !self.queue.push(index) {
                self.spare.push(index);
                return;
            }
            self.queued += 1;
        }
    }

    /// Replaces a slot that the programs may be reading: while it changes it is not known.
    fn replace(&self, index: u32, new: NextHop) {
        let slot = self.slots.at(index);
        if slot.is_null() {
            return;
        }
        // SAFETY: the slot is mapped; the fields are written whole, the kind last.
        unsafe {
            let kind = super::memory::atomic32(&raw mut (*slot).kind);
            kind.store(HopKind::ASK, std::sync::atomic::Ordering::Release);
            (&raw mut (*slot).mac0).write_volatile(new.mac0);
            (&raw mut (*slot).mac1).write_volatile(new.mac1);
            (&raw mut (*slot).ifindex).write_volatile(new.ifindex);
            (&raw mut (*slot).mtu).write_volatile(new.mtu);
            kind.store(new.kind, std::sync::atomic::Ordering::Release);
        }
    }
}

/// The ABI's key of a neighbour.
pub(super) fn key_of(neighbour: NeighbourKey) -> HopKey {
    HopKey {
        address: to_abi(neighbour.address),
        ifindex: neighbour.ifindex,
        family: if neighbour.address.is_ipv6() { 6 } else { 4 },
    }
}

/// What tests of adoption do to the maps.
#[cfg(test)]
impl Hops {
    pub(super) fn put(&self, index: u32, hop: NextHop) {
        self.slots.write(index, hop);
    }

    /// Whether an index is free, or in the queue that the programs take from.
    pub(super) fn may_hand_out(&self, index: u32) -> bool {
        !self.retired.contains(&index)
    }
}
