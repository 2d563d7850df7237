//! Ending connections: marked, waited for, freed.

use std::{collections::HashSet, sync::atomic::Ordering};

use xvs_datapath::{
    abi::{OverflowKey, RealServer, Slot, Tag, wide},
    table::{Family, account, relieve},
};

use super::{
    super::{
        memory::{Mapped, atomic32, atomic64, load32, wait_for_programs},
        plain::Plain,
    },
    Record, Table, tag_of,
};

/// An entry that was marked, with what must not have changed until it is freed.
pub(super) struct Marked {
    index: u32,
    tag: u64,
    stamp: u32,
}

impl<F: Family> Table<F>
where
    Plain<F::Entry>: aya::Pod,
{
    /// Frees the slots that a daemon was freeing when it died: they are nobody's. A program that is
    /// filling a slot publishes it before it ends, and with another generation.
    pub(in crate::bpf) fn free_abandoned(&self) {
        let mut busy = Vec::new();
        for index in 0..self.capacity() {
            // SAFETY: the entry is mapped.
            let tag = unsafe { tag_of::<F>(self.entry(index)) };
            if Tag(tag).slot() == Slot::BUSY {
                busy.push((index, tag));
            }
        }
        if busy.is_empty() {
            return;
        }
        wait_for_programs();
        for (index, tag) in busy {
            // SAFETY: the entry is mapped.
            let word = unsafe { atomic64(F::fields(self.entry(index)).tag) };
            let free = tag & Tag::GENERATION;
            if word.load(Ordering::Acquire) == tag {
                self.forget_cold(index);
            }
            // It fails for a slot that was published meanwhile, as it shall.
            let _ = word.compare_exchange(tag, free, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Ends the connections that `doomed` names. Answers how many.
    pub(in crate::bpf) fn end(
        &mut self,
        now: u32,
        real_servers: &Mapped<RealServer>,
        doomed: &mut dyn FnMut(&Record) -> bool,
    ) -> u64 {
        let mut marked = Vec::new();
        // The other directions of connections that end, where they are in the overflow hash.
        let mut halves = Vec::new();
        for index in 0..self.capacity() {
            let entry = self.entry(index);
            // SAFETY: the entry is mapped.
            let record = unsafe { self.record(entry, now) };
            if record.is_some_and(|record| doomed(&record)) {
                // SAFETY: as above.
                halves.extend(unsafe { self.half(entry, Tag(tag_of::<F>(entry))) });
                self.mark(index, &mut marked);
            }
        }
        let mut ended = self.free_anyway(marked, real_servers);
        for (key, mut entry) in self.overflow.entries() {
            // SAFETY: the entry is a copy.
            let record = unsafe { self.record(&raw mut entry, now) };
            if record.is_some_and(|record| doomed(&record)) {
                // SAFETY: as above.
                halves
                    .extend(unsafe { self.half(&raw mut entry, Tag(tag_of::<F>(&raw mut entry))) });
                self.end_overflow(&key, real_servers);
                ended += 1;
            }
        }
        for (key, _stamp) in halves {
            self.end_overflow(&key, real_servers);
        }
        ended
    }

    /// Marks both entries of a connection, forward first.
    pub(super) fn mark(&self, index: u32, marked: &mut Vec<Marked>) {
        let entry = self.entry(index);
        // SAFETY: the entry is mapped.
        let fields = unsafe { F::fields(entry) };
        let partner = self.partner(index, &fields);
        mark_one::<F>(entry, index, marked);
        if let Some((peer, other)) = partner {
            mark_one::<F>(other, peer, marked);
        }
    }

    /// Frees what did not move since it was marked; revives the rest.
    pub(super) fn free(&self, marked: Vec<Marked>, real_servers: &Mapped<RealServer>) {
        if marked.is_empty() {
            return;
        }
        wait_for_programs();
        // One packet keeps both entries of its connection.
        let moved: HashSet<u32> = marked
            .iter()
            .filter(|one| self.has_moved(one))
            .flat_map(|one| {
                let entry = self.entry(one.index);
                // SAFETY: the entry is mapped.
                [one.index, unsafe { load32(F::fields(entry).peer) }]
            })
            .collect();
        for one in marked {
            let entry = self.entry(one.index);
            // SAFETY: the entry is mapped.
            let word = unsafe { atomic64(F::fields(entry).tag) };
            if moved.contains(&one.index) {
                let live = Tag(one.tag).with_slot(Slot::LIVE).0;
                // A packet may have revived it already.
                let _ = word.compare_exchange(one.tag, live, Ordering::AcqRel, Ordering::Acquire);
                continue;
            }
            self.release(&one, real_servers);
        }
    }

    /// Frees what was marked, whatever came since.
    pub(super) fn free_anyway(
        &self,
        marked: Vec<Marked>,
        real_servers: &Mapped<RealServer>,
    ) -> u64 {
        if marked.is_empty() {
            return 0;
        }
        wait_for_programs();
        let mut ended = 0;
        for mut one in marked {
            let entry = self.entry(one.index);
            // SAFETY: the entry is mapped.
            one.tag = unsafe { tag_of::<F>(entry) };
            if Tag(one.tag).slot() >= Slot::LIVE
                && self.release(&one, real_servers)
                && !Tag(one.tag).reverse()
            {
                ended += 1;
            }
        }
        ended
    }

    fn has_moved(&self, one: &Marked) -> bool {
        let entry = self.entry(one.index);
        // SAFETY: the entry is mapped.
        unsafe { tag_of::<F>(entry) != one.tag || load32(F::fields(entry).stamp) != one.stamp }
    }

    /// Takes a slot from LIVE or DYING to FREE by way of BUSY, and settles its counts.
    fn release(&self, one: &Marked, real_servers: &Mapped<RealServer>) -> bool {
        let entry = self.entry(one.index);
        // SAFETY: the entry is mapped.
        let word = unsafe { atomic64(F::fields(entry).tag) };
        let busy = one.tag & Tag::IDENTITY | Tag(one.tag).next_generation() | Slot::BUSY;
        if word
            .compare_exchange(one.tag, busy, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return false;
        }
        // SAFETY: the entry is ours since the exchange.
        unsafe { settle::<F>(entry, Tag(one.tag), real_servers) };
        self.forget_cold(one.index);
        word.store(busy & Tag::GENERATION, Ordering::Release);
        true
    }

    /// Ends a connection of the overflow hash.
    pub(super) fn end_overflow(&mut self, key: &OverflowKey, real_servers: &Mapped<RealServer>) {
        let Some(mut entry) = self.overflow.get(key) else {
            return;
        };
        if self.overflow.remove(key) {
            // SAFETY: the entry is a copy.
            unsafe {
                let tag = Tag(tag_of::<F>(&raw mut entry));
                settle::<F>(&raw mut entry, tag, real_servers);
            }
        }
    }
}

fn mark_one<F: Family>(entry: *mut F::Entry, index: u32, marked: &mut Vec<Marked>) {
    // SAFETY: the entry is mapped.
    let (word, stamp) = unsafe {
        let fields = F::fields(entry);
        (atomic64(fields.tag), load32(fields.stamp))
    };
    let tag = word.load(Ordering::Acquire);
    if Tag(tag).slot() < Slot::LIVE {
        return;
    }
    let dying = Tag(tag).with_slot(Slot::DYING).0;
    if word
        .compare_exchange(tag, dying, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
    {
        marked.push(Marked {
            index,
            tag: dying,
            stamp,
        });
    }
}

/// Gives what an entry counted to its real server, and its place among the connections back.
///
/// # Safety
/// `entry` must be the caller's alone.
unsafe fn settle<F: Family>(entry: *mut F::Entry, tag: Tag, real_servers: &Mapped<RealServer>) {
    // SAFETY: the caller vouches for the entry; the server is mapped and its counters atomic.
    unsafe {
        let fields = F::fields(entry);
        let server = real_servers.at(load32(fields.real_server));
        if server.is_null() {
            return;
        }
        let account = account(server, tag);
        atomic64(account.packets).fetch_add(wide(load32(fields.packets)), Ordering::AcqRel);
        atomic64(account.bytes).fetch_add(fields.bytes.read_volatile(), Ordering::AcqRel);
        if !tag.reverse() {
            atomic32(account.place).fetch_sub(1, Ordering::AcqRel);
            relieve(server);
        }
    }
}
