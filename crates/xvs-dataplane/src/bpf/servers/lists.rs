//! Lists of real servers' indexes in blocks: the members of a virtual server, and the buckets of its
//! hashing scheduler.

use xvs_datapath::abi::{Block, NONE, high32, index, join, low32};
use xvs_types::OpError;

use super::{
    super::{memory::Mapped, slots::Slots},
    words::full,
};

/// The blocks and which are in use.
pub(super) struct Lists {
    blocks: Mapped<Block>,
    slots: Slots,
    /// Runs that programs may still be reading.
    old: Vec<(u32, u32)>,
}

impl Lists {
    pub(super) fn new(blocks: Mapped<Block>) -> Self {
        Self {
            slots: Slots::new(blocks.len()),
            blocks,
            old: Vec::new(),
        }
    }

    /// Notes that a list is in use, as found on adoption.
    pub(super) fn mark(&mut self, list: u64) {
        for block in 0..blocks_for(high32(list)) {
            self.slots.mark(low32(list) + block);
        }
    }

    /// The indexes of a list; what is no index is left out.
    pub(super) fn read(&self, list: u64) -> Vec<u32> {
        (0..high32(list))
            .filter_map(|place| {
                let block = self.blocks.read(low32(list) + (place >> 6))?;
                block.members.get(index(place & 63)).copied()
            })
            .filter(|member| *member != NONE)
            .collect()
    }

    /// Writes a list in the place of `old`, in its blocks where they are enough: a program that reads
    /// meanwhile meets indexes of either list, if perhaps one twice or not at all.
    pub(super) fn write(&mut self, old: u64, members: &[u32]) -> Result<u64, OpError> {
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let needed = blocks_for(count);
        let have = blocks_for(high32(old));
        if needed == 0 {
            self.release(old);
            return Ok(0);
        }
        let first = if needed <= have {
            if needed < have {
                self.old.push((low32(old) + needed, have - needed));
            }
            low32(old)
        } else {
            let first = self
                .slots
                .take_run(needed)
                .ok_or_else(|| full("list of real servers", self.slots.limit()))?;
            self.release(old);
            first
        };
        for (place, member) in (0..).zip(members) {
            let block = self.blocks.at(first + (place >> 6));
            if !block.is_null() {
                // SAFETY: the block is mapped; the index is masked to its length.
                unsafe {
                    (&raw mut (*block).members)
                        .cast::<u32>()
                        .add(index(place & 63))
                        .write_volatile(*member);
                }
            }
        }
        Ok(join(first, count))
    }

    /// Lets a list go; its blocks come back with [`Lists::recycle`].
    pub(super) fn release(&mut self, list: u64) {
        let blocks = blocks_for(high32(list));
        if blocks > 0 {
            self.old.push((low32(list), blocks));
        }
    }

    /// Whether [`Lists::recycle`] has anything to do.
    pub(super) fn has_waste(&self) -> bool {
        !self.old.is_empty()
    }

    /// Gives back what programs no longer read.
    pub(super) fn recycle(&mut self) {
        for (first, count) in std::mem::take(&mut self.old) {
            self.slots.give(first, count);
        }
    }
}

#[cfg(test)]
impl Lists {
    /// Writes one place of a list, as by a daemon that then dies.
    pub(in crate::bpf) fn overwrite(&self, first: u32, place: u32, member: u32) {
        let mut block = self.blocks.read(first + (place >> 6)).unwrap();
        block.members[index(place & 63)] = member;
        self.blocks.write(first + (place >> 6), block);
    }
}

/// How many blocks a list of `count` indexes takes.
fn blocks_for(count: u32) -> u32 {
    count.div_ceil(64)
}
