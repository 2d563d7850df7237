//! Next hops: a slot for each neighbour that packets leave by.
//!
//! The lower half of the slots is this side's, for real servers and their gateways. The upper half
//! is the programs': they take free indexes from a queue when they learn the neighbour of a client,
//! and this side takes back what no entry refers to any more.
//!
//! The map of neighbours is read again only when a program took an index: that is seen in the mapped
//! slots, of which the oldest one in the queue is the next to be taken.

use std::collections::{BTreeSet, HashMap as StdMap, VecDeque};

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
    /// Every neighbour with its slot, ours and learned, as `index` had them when it was read last.
    known: StdMap<HopKey, u32>,
    /// Whether neighbours came or went since they were asked for.
    changed: bool,
    /// A program had taken an index and not named it yet.
    unnamed: bool,
    free: Vec<u32>,
    next: u32,
    /// Free indexes of the programs' half that are not queued.
    spare: Vec<u32>,
    /// Free indexes that the programs may take, in their order.
    queued: VecDeque<u32>,
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
            known: StdMap::new(),
            changed: true,
            unnamed: false,
            free: Vec::new(),
            next: FIRST,
            spare: Vec::new(),
            queued: VecDeque::new(),
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
            hops.known.insert(key, index);
            if index < LEARNED {
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
        if let Some(index) = self.known.get(&key) {
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
        self.known.insert(key, index);
        self.changed = true;
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

    /// Whether neighbours came or went since [`Hops::neighbours`] was asked.
    pub(super) fn have_changed(&mut self) -> bool {
        self.see_learned();
        self.changed
    }

    /// All neighbours, ours and learned.
    pub(super) fn neighbours(&mut self) -> Vec<NeighbourKey> {
        self.see_learned();
        self.changed = false;
        self.known
            .keys()
            .map(|key| NeighbourKey {
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
        let Some(index) = self.known.get(&key).copied() else {
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
        self.see_learned();
        self.forget_where(|index| index >= LEARNED);
    }

    /// Whether [`Hops::reclaim`] may find anything, although the ways are as they were.
    pub(super) fn has_waste(&self) -> bool {
        !self.retired.is_empty() || self.is_short()
    }

    /// Takes back what no entry refers to: `used` has the indexes that entries have, `wanted` those
    /// of the ways to real servers. Answers whether something of ours is left that only entries need.
    pub(super) fn reclaim(&mut self, used: &BTreeSet<u16>, wanted: &BTreeSet<u16>) -> bool {
        self.see_learned();
        if !self.retired.is_empty() {
            self.free_retired(used, wanted);
        }
        let idle = |index: u32| !used.contains(&low16(index)) && !wanted.contains(&low16(index));
        let short = self.is_short();
        self.forget_where(|index| (short || index < LEARNED) && idle(index));
        self.refill();
        self.known
            .values()
            .any(|index| *index < LEARNED && !wanted.contains(&low16(*index)))
    }

    /// Frees the indexes that wait for it and that nothing has any more.
    fn free_retired(&mut self, used: &BTreeSet<u16>, wanted: &BTreeSet<u16>) {
        let named: BTreeSet<u32> = self.known.values().copied().collect();
        self.retired.retain(|index| !named.contains(index));
        let (freed, kept) = std::mem::take(&mut self.retired)
            .into_iter()
            .partition(|index| !used.contains(&low16(*index)) && !wanted.contains(&low16(*index)));
        self.retired = kept;
        let freed: BTreeSet<u32> = freed;
        for index in freed {
            if index < LEARNED {
                self.free.push(index);
            } else {
                self.spare.push(index);
            }
        }
    }

    /// Whether few indexes are left for the programs.
    fn is_short(&self) -> bool {
        self.spare.len() < usize::try_from(QUEUED).unwrap_or(usize::MAX)
    }

    /// Takes up what the programs learned since it was looked at last.
    fn see_learned(&mut self) {
        let mut taken = Vec::new();
        while let Some(index) = self.queued.front().copied() {
            if self.slots.read(index).is_none_or(|hop| hop.ifindex == 0) {
                break;
            }
            self.queued.pop_front();
            taken.push(index);
        }
        if taken.is_empty() && !self.unnamed {
            return;
        }
        self.known = self.index.entries().into_iter().collect();
        self.changed = true;
        let named: BTreeSet<u32> = self.known.values().copied().collect();
        // What has no name was taken in a race and is nobody's, or its program is about to name it: a
        // second look tells.
        let before = self.retired.len();
        let nameless = taken.into_iter().filter(|index| !named.contains(index));
        self.retired.extend(nameless);
        self.unnamed = self.retired.len() > before;
    }

    fn forget_where(&mut self, doomed: impl Fn(u32) -> bool) {
        let doomed: Vec<(HopKey, u32)> = self
            .known
            .iter()
            .map(|(key, index)| (*key, *index))
            .filter(|(_key, index)| doomed(*index))
            .collect();
        for (key, index) in doomed {
            self.forget(&key, index);
        }
    }

    /// Has whoever holds the index of a neighbour ask for the way; with `stays` the neighbour has another
    /// index from now on, which is answered.
    pub(super) fn turn_away(&mut self, index: u16, stays: bool) -> Option<u16> {
        let index = u32::from(index);
        let hop = self.slots.read(index)?;
        let named = self.known.iter().find(|(_key, known)| **known == index);
        let key = *named?.0;
        self.forget(&key, index);
        if !stays {
            return None;
        }
        let anew = self.slot(key);
        if anew != 0 {
            self.replace(anew.into(), hop);
        }
        Some(anew)
    }

    fn forget(&mut self, key: &HopKey, index: u32) {
        self.known.remove(key);
        self.changed = true;
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

    /// Keeps the queue filled, with slots that look as if they had never been taken.
    fn refill(&mut self) {
        let most = usize::try_from(QUEUED).unwrap_or(usize::MAX);
        while self.queued.len() < most
            && let Some(index) = self.spare.pop()
        {
            self.slots.write(index, NextHop::default());
            if !self.queue.push(index) {
                self.spare.push(index);
                return;
            }
            self.queued.push_back(index);
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

    pub(super) fn get(&self, index: u16) -> NextHop {
        self.slots.read(index.into()).unwrap()
    }

    /// Whether an index is free, or in the queue that the programs take from.
    pub(super) fn may_hand_out(&self, index: u32) -> bool {
        !self.retired.contains(&index)
    }
}
