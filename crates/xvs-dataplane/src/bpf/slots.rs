//! Which slots of an array are in use.

use std::collections::BTreeSet;

/// Slots `0..limit`, given out lowest first.
#[derive(Debug)]
pub(super) struct Slots {
    limit: u32,
    next: u32,
    free: BTreeSet<u32>,
}

impl Slots {
    /// All slots free.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            next: 0,
            free: BTreeSet::new(),
        }
    }

    /// A free slot; none when all are in use.
    pub(super) fn take(&mut self) -> Option<u32> {
        self.take_run(1)
    }

    /// The first of `count` free slots in a row; none when there is no such run.
    pub(super) fn take_run(&mut self, count: u32) -> Option<u32> {
        let mut start = None;
        let mut length = 0;
        for slot in &self.free {
            match start {
                Some(first) if first + length == *slot => length += 1,
                _ => {
                    start = Some(*slot);
                    length = 1;
                }
            }
            if length == count {
                break;
            }
        }
        if let Some(first) = start.filter(|_first| length == count) {
            for slot in first..first + count {
                self.free.remove(&slot);
            }
            return Some(first);
        }
        let first = self.next;
        let end = first.checked_add(count).filter(|end| *end <= self.limit)?;
        self.next = end;
        Some(first)
    }

    /// Marks a slot as in use, as found on adoption.
    pub(super) fn mark(&mut self, slot: u32) {
        if slot >= self.next {
            self.free.extend(self.next..slot);
            self.next = slot + 1;
        } else {
            self.free.remove(&slot);
        }
    }

    /// Gives slots back.
    pub(super) fn give(&mut self, first: u32, count: u32) {
        self.free.extend(first..first + count);
    }

    /// How many there may be.
    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// No slot from here on was ever given out.
    pub(super) fn reached(&self) -> u32 {
        self.next
    }

    /// How many are in use.
    #[cfg(test)]
    fn used(&self) -> u32 {
        self.next - u32::try_from(self.free.len()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_reused_lowest_first_and_runs_are_contiguous() {
        let mut slots = Slots::new(8);
        assert_eq!(slots.take(), Some(0));
        assert_eq!(slots.take_run(3), Some(1));
        assert_eq!(slots.take(), Some(4));
        slots.give(1, 3);
        assert_eq!(slots.take_run(2), Some(1));
        assert_eq!(slots.take_run(2), Some(5));
        assert_eq!(slots.take_run(2), None);
        assert_eq!(slots.take(), Some(3));
        assert_eq!(slots.used(), 7);
    }

    #[test]
    fn marked_slots_are_not_given_out() {
        let mut slots = Slots::new(4);
        slots.mark(2);
        assert_eq!(slots.take(), Some(0));
        assert_eq!(slots.take(), Some(1));
        assert_eq!(slots.take(), Some(3));
        assert_eq!(slots.take(), None);
    }
}
