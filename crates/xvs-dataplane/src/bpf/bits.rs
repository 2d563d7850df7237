//! The address filter: which bits are set, and for how many addresses.

use std::collections::HashMap;

use xvs_datapath::{
    abi::{Address, AddressFilter, ServiceKey},
    address_bit, own_bit,
};

use super::{
    address::folded,
    memory::{Mapped, atomic64},
};

/// The filter with a count for each bit, since addresses share bits.
pub(super) struct Bits {
    filter: Mapped<AddressFilter>,
    counts: HashMap<(usize, u64), u32>,
    /// Virtual servers of firewall marks: while there is one, all bits are set.
    marks: u32,
}

impl Bits {
    /// A filter of which nothing is known: bits that are set stay until [`Bits::forget_unknown`].
    pub(super) fn new(filter: Mapped<AddressFilter>) -> Self {
        Self {
            filter,
            counts: HashMap::new(),
            marks: 0,
        }
    }

    /// Lets packets to a virtual server be looked at: those with a firewall mark may have any address.
    pub(super) fn add_key(&mut self, key: &ServiceKey) {
        if key.mark == 0 {
            self.add(&key.address, false);
        } else {
            self.marks += 1;
            self.forget_unknown();
        }
    }

    /// Takes one [`Bits::add_key`] back.
    pub(super) fn remove_key(&mut self, key: &ServiceKey) {
        if key.mark == 0 {
            self.remove(&key.address, false);
        } else {
            self.marks = self.marks.saturating_sub(1);
            self.forget_unknown();
        }
    }

    /// Notes an IPv4 address as this host's own.
    pub(super) fn add_own(&mut self, address: &Address) {
        self.add_bit(own_bit(folded(address)));
    }

    /// Takes one [`Bits::add_own`] back.
    pub(super) fn remove_own(&mut self, address: &Address) {
        self.remove_bit(own_bit(folded(address)));
    }

    /// Lets packets with this address, as source or as destination, be looked at.
    pub(super) fn add(&mut self, address: &Address, source: bool) {
        self.add_bit(address_bit(folded(address), source));
    }

    /// Takes one [`Bits::add`] back.
    pub(super) fn remove(&mut self, address: &Address, source: bool) {
        self.remove_bit(address_bit(folded(address), source));
    }

    fn add_bit(&mut self, bit: (usize, u64)) {
        *self.counts.entry(bit).or_insert(0) += 1;
        self.set(bit, true);
    }

    fn remove_bit(&mut self, bit: (usize, u64)) {
        if let Some(count) = self.counts.get_mut(&bit) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&bit);
                if self.marks == 0 {
                    self.set(bit, false);
                }
            }
        }
    }

    /// Clears the bits that nobody has added.
    pub(super) fn forget_unknown(&self) {
        for word in 0..xvs_datapath::abi::FILTER_WORDS {
            let wanted = (0..64)
                .map(|bit| 1_u64 << bit)
                .filter(|mask| self.marks > 0 || self.counts.contains_key(&(word, *mask)))
                .fold(0, |all, mask| all | mask);
            self.with(word, |value| {
                value.store(wanted, std::sync::atomic::Ordering::Release);
            });
        }
    }

    fn set(&self, (word, mask): (usize, u64), on: bool) {
        self.with(word, |value| {
            if on {
                value.fetch_or(mask, std::sync::atomic::Ordering::AcqRel);
            } else {
                value.fetch_and(!mask, std::sync::atomic::Ordering::AcqRel);
            }
        });
    }

    fn with(&self, word: usize, change: impl FnOnce(&std::sync::atomic::AtomicU64)) {
        let filter = self.filter.at(0);
        if !filter.is_null() && word < xvs_datapath::abi::FILTER_WORDS {
            // SAFETY: the filter is mapped, and the word is one of it.
            change(unsafe { atomic64((&raw mut (*filter).words).cast::<u64>().add(word)) });
        }
    }
}
