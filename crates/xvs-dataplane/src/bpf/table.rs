//! A flow table in this process' memory: expiry, counting, ending connections.
//!
//! Ending a connection takes three steps, so that a packet on its way can still save it: both entries
//! are marked DYING; every CPU is waited for; what did not move meanwhile is freed. A packet that
//! finds a DYING entry revives it, and readers of the fast path never match one.

use std::{
    collections::{BTreeSet, HashMap as StdMap, HashSet},
    sync::atomic::Ordering,
};

use xvs_datapath::{
    abi::{
        Cold, Method, NONE, OverflowKey, RealServer, Settings, Slot, Tag, Tuple, WAYS, index, wide,
    },
    state::is_active,
    table::{Family, Fields},
};

use super::{
    memory::{Mapped, atomic32, atomic64, load32, wait_for_programs},
    pairs::Pairs,
    plain::Plain,
};

/// Packets and bytes of live entries of one real server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Live {
    pub(super) packets_in: u64,
    pub(super) packets_out: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// Connections of one real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) active: u32,
    pub(super) inactive: u32,
    pub(super) persistent: u32,
}

/// What a pass over a table found.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By real server.
    pub(super) live: StdMap<u32, Live>,
    /// Next hops that entries name.
    pub(super) hops: BTreeSet<u16>,
    /// Entries in use.
    pub(super) used: u64,
    /// Entries in the overflow hash.
    pub(super) overflow: u64,
    /// Templates with living children.
    parents: HashSet<u32>,
}

/// When entries expire: timeouts in jiffies, and jiffies now.
pub(super) struct Clock<'a> {
    pub(super) now: u32,
    pub(super) settings: &'a Settings,
    /// Lifetime of templates by virtual server.
    pub(super) templates: &'a dyn Fn(u16) -> u32,
}

impl Clock<'_> {
    /// The timeout of an entry; none for one that does not expire.
    pub(super) fn timeout(&self, tag: Tag, virtual_server: u16) -> u32 {
        if tag.template() {
            return (self.templates)(virtual_server);
        }
        let state = usize::from(tag.state());
        match tag.protocol() {
            6 => self.settings.tcp_timeouts.get(state).copied(),
            17 => self.settings.udp_timeouts.get(state & 3).copied(),
            _ => self.settings.sctp_timeouts.get(state).copied(),
        }
        .unwrap_or(0)
    }
}

/// A connection as a listing needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) tag: Tag,
    pub(super) tuple: Tuple,
    pub(super) recipe: Tuple,
    pub(super) real_server: u32,
    pub(super) virtual_server: u16,
    /// Jiffies since the last packet, either way.
    pub(super) age: u32,
    pub(super) packets_in: u64,
    pub(super) packets_out: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// An entry that was marked, with what must not have changed until it is freed.
struct Marked {
    index: u32,
    tag: u64,
    stamp: u32,
}

/// The table of a family.
pub(super) struct Table<F: Family> {
    sets: Mapped<[F::Entry; WAYS]>,
    cold: Mapped<[Cold; WAYS]>,
    overflow: Pairs<OverflowKey, F::Entry>,
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
        overflow: Pairs<OverflowKey, F::Entry>,
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

    /// Frees the slots that a daemon was freeing when it died: they are nobody's. A program that is
    /// filling a slot publishes it before it ends, and with another generation.
    pub(super) fn free_abandoned(&self) {
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
            // It fails for a slot that was published meanwhile, as it shall.
            let _ = word.compare_exchange(tag, free, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Adds to `counts` the connections of each real server as the entries have them.
    pub(super) fn count_connections(&self, counts: &mut StdMap<u32, Counts>) {
        let mut add = |entry: *mut F::Entry| {
            // SAFETY: the caller's entries are mapped, or copies.
            let (tag, server) = unsafe {
                (
                    Tag(tag_of::<F>(entry)),
                    load32(F::fields(entry).real_server),
                )
            };
            if tag.slot() < Slot::LIVE || tag.reverse() {
                return;
            }
            let counts = counts.entry(server).or_default();
            if tag.template() {
                counts.persistent = counts.persistent.wrapping_add(1);
            } else if is_active(tag) {
                counts.active = counts.active.wrapping_add(1);
            } else {
                counts.inactive = counts.inactive.wrapping_add(1);
            }
        };
        for index in 0..self.capacity() {
            add(self.entry(index));
        }
        for (_key, mut entry) in self.overflow.entries() {
            add(&raw mut entry);
        }
    }

    /// Goes over the next `budget` entries: ends those past their timeout, counts the others. Answers
    /// what it found when it has gone over all.
    pub(super) fn sweep(
        &mut self,
        clock: &Clock<'_>,
        real_servers: &Mapped<RealServer>,
        budget: u32,
    ) -> Option<Tally> {
        let mut tally = std::mem::take(&mut self.found);
        let mut marked = Vec::new();
        let end = self.cursor.saturating_add(budget).min(self.capacity());
        for index in self.cursor..end {
            self.look(index, clock, real_servers, &mut tally, &mut marked);
        }
        self.free(marked, real_servers);
        if end < self.capacity() {
            self.cursor = end;
            self.found = tally;
            return None;
        }
        self.cursor = 0;
        self.sweep_overflow(clock, real_servers, &mut tally);
        self.parents = std::mem::take(&mut tally.parents);
        Some(tally)
    }

    /// Counts packets and bytes of the entries as they are now.
    pub(super) fn count(&self, live: &mut StdMap<u32, Live>) {
        for index in 0..self.capacity() {
            let entry = self.entry(index);
            // SAFETY: the entry is mapped.
            let tag = Tag(unsafe { tag_of::<F>(entry) });
            if tag.slot() >= Slot::LIVE {
                // SAFETY: as above.
                unsafe { add_live::<F>(entry, tag, live) };
            }
        }
        for (_key, mut entry) in self.overflow.entries() {
            // SAFETY: the entry is a copy.
            unsafe {
                let tag = Tag(tag_of::<F>(&raw mut entry));
                add_live::<F>(&raw mut entry, tag, live);
            }
        }
    }

    /// Calls `visit` with each connection from `cursor` on and the cursor behind it, until it answers
    /// false. Answers whether it came to the end.
    pub(super) fn visit(
        &self,
        now: u32,
        cursor: u32,
        visit: &mut dyn FnMut(Record, u32) -> bool,
    ) -> bool {
        for index in cursor..self.capacity() {
            let entry = self.entry(index);
            // SAFETY: the entry is mapped.
            if let Some(record) = unsafe { self.record(entry, now) }
                && !visit(record, index + 1)
            {
                return false;
            }
        }
        let mut place = self.capacity();
        for (_key, mut entry) in self.overflow.entries() {
            place = place.saturating_add(1);
            if place <= cursor {
                continue;
            }
            // SAFETY: the entry is a copy.
            if let Some(record) = unsafe { self.record(&raw mut entry, now) }
                && !visit(record, place)
            {
                return false;
            }
        }
        true
    }

    /// Ends the connections that `doomed` names. Answers how many.
    pub(super) fn end(
        &mut self,
        now: u32,
        real_servers: &Mapped<RealServer>,
        doomed: &mut dyn FnMut(&Record) -> bool,
    ) -> u64 {
        let mut marked = Vec::new();
        for index in 0..self.capacity() {
            let entry = self.entry(index);
            // SAFETY: the entry is mapped.
            let record = unsafe { self.record(entry, now) };
            if record.is_some_and(|record| doomed(&record)) {
                self.mark(index, &mut marked);
            }
        }
        let mut ended = self.free_anyway(marked, real_servers);
        let keys: Vec<OverflowKey> = self
            .overflow
            .entries()
            .into_iter()
            .filter_map(|(key, mut entry)| {
                // SAFETY: the entry is a copy.
                let record = unsafe { self.record(&raw mut entry, now) };
                record.is_some_and(|record| doomed(&record)).then_some(key)
            })
            .collect();
        for key in keys {
            self.end_overflow(&key, real_servers);
            ended += 1;
        }
        ended
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
                if tag.slot() >= Slot::LIVE
                    && !tag.reverse()
                    && gone.contains(&load32(fields.real_server))
                {
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

    fn look(
        &self,
        index: u32,
        clock: &Clock<'_>,
        real_servers: &Mapped<RealServer>,
        tally: &mut Tally,
        marked: &mut Vec<Marked>,
    ) {
        let entry = self.entry(index);
        // SAFETY: the entry is mapped.
        let tag = Tag(unsafe { tag_of::<F>(entry) });
        if tag.slot() < Slot::LIVE {
            return;
        }
        tally.used += 1;
        // SAFETY: as above.
        let fields = unsafe { F::fields(entry) };
        // SAFETY: as above.
        let (mut stamp, virtual_server, real_server, hop) = unsafe {
            (
                load32(fields.stamp),
                fields.virtual_server.read_volatile(),
                load32(fields.real_server),
                fields.next_hop.read_volatile(),
            )
        };
        let partner = self.partner(index, &fields);
        if tag.reverse() && partner.is_some() {
            // The forward entry decides; only the packets are this one's.
            tally.hops.insert(hop);
            // SAFETY: as above.
            unsafe { add_live::<F>(entry, tag, &mut tally.live) };
            return;
        }
        if let Some((_, other)) = partner {
            // SAFETY: the entry is mapped.
            let theirs = unsafe { load32(F::fields(other).stamp) };
            if later(theirs, stamp) {
                stamp = theirs;
            }
        }
        let age = age(clock.now, stamp);
        let timeout = clock.timeout(tag, virtual_server);
        let control = self.control(index);
        if control != 0 && !tag.template() {
            tally.parents.insert(control - 1);
        }
        if age <= timeout {
            tally.hops.insert(hop);
            // SAFETY: as above.
            unsafe { add_live::<F>(entry, tag, &mut tally.live) };
            if !tag.reverse() && is_gone(real_servers, real_server) {
                // Its packets must come by the slow path, which drops them.
                // SAFETY: the entry is mapped.
                unsafe { fields.next_hop.write_volatile(0) };
            }
            return;
        }
        if tag.template() && self.parents.contains(&index) {
            // Its connections live: it stays, and is looked at again in a minute.
            let again = clock
                .now
                .wrapping_sub(timeout)
                .wrapping_add(clock.settings.hz.saturating_mul(60).min(timeout));
            // SAFETY: the entry is mapped.
            unsafe { fields.stamp.write_volatile(again) };
            return;
        }
        self.mark(index, marked);
    }

    /// Marks both entries of a connection, forward first.
    fn mark(&self, index: u32, marked: &mut Vec<Marked>) {
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
    fn free(&self, marked: Vec<Marked>, real_servers: &Mapped<RealServer>) {
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
    fn free_anyway(&self, marked: Vec<Marked>, real_servers: &Mapped<RealServer>) -> u64 {
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
        word.store(busy & Tag::GENERATION, Ordering::Release);
        true
    }

    fn sweep_overflow(
        &mut self,
        clock: &Clock<'_>,
        real_servers: &Mapped<RealServer>,
        tally: &mut Tally,
    ) {
        for (key, mut entry) in self.overflow.entries() {
            // SAFETY: the entry is a copy.
            let (tag, age, virtual_server) = unsafe {
                let fields = F::fields(&raw mut entry);
                (
                    Tag(tag_of::<F>(&raw mut entry)),
                    age(clock.now, *fields.stamp),
                    *fields.virtual_server,
                )
            };
            tally.overflow += 1;
            if age > clock.timeout(tag, virtual_server) {
                self.end_overflow(&key, real_servers);
            } else {
                // SAFETY: as above.
                unsafe {
                    tally.hops.insert(*F::fields(&raw mut entry).next_hop);
                    add_live::<F>(&raw mut entry, tag, &mut tally.live);
                }
            }
        }
    }

    fn end_overflow(&mut self, key: &OverflowKey, real_servers: &Mapped<RealServer>) {
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

    /// # Safety
    /// `entry` must be valid.
    unsafe fn record(&self, entry: *mut F::Entry, now: u32) -> Option<Record> {
        // SAFETY: the caller vouches for the entry; every field is plain data.
        unsafe {
            let tag = Tag(tag_of::<F>(entry));
            if tag.slot() < Slot::LIVE || tag.reverse() {
                return None;
            }
            let fields = F::fields(entry);
            let mut record = Record {
                tag,
                tuple: F::tuple(entry),
                recipe: F::recipe(entry),
                real_server: load32(fields.real_server),
                virtual_server: fields.virtual_server.read_volatile(),
                age: age(now, load32(fields.stamp)),
                packets_in: wide(load32(fields.packets)),
                packets_out: 0,
                bytes_in: fields.bytes.read_volatile(),
                bytes_out: 0,
            };
            let peer = load32(fields.peer);
            if Method::two_way(tag.method()) && !tag.template() {
                let mut copy;
                let other = if peer != NONE && peer < self.capacity() {
                    self.entry(peer)
                } else {
                    let back = record.recipe.swapped();
                    let key = OverflowKey {
                        source: back.source,
                        destination: back.destination,
                        ports: back.ports,
                        identity: u32::from(tag.protocol()) << 8,
                    };
                    match self.overflow.get(&key) {
                        Some(found) => {
                            copy = found;
                            &raw mut copy
                        }
                        None => std::ptr::null_mut(),
                    }
                };
                if !other.is_null() && F::answers(other, entry) {
                    let theirs = F::fields(other);
                    record.packets_out = wide(load32(theirs.packets));
                    record.bytes_out = theirs.bytes.read_volatile();
                    record.age = record.age.min(age(now, load32(theirs.stamp)));
                }
            }
            Some(record)
        }
    }
}

/// # Safety
/// `entry` must be valid.
unsafe fn tag_of<F: Family>(entry: *mut F::Entry) -> u64 {
    // SAFETY: the caller vouches for the entry.
    unsafe { atomic64(F::fields(entry).tag) }.load(Ordering::Acquire)
}

/// # Safety
/// `entry` must be valid.
unsafe fn add_live<F: Family>(entry: *mut F::Entry, tag: Tag, live: &mut StdMap<u32, Live>) {
    // SAFETY: the caller vouches for the entry.
    unsafe {
        let fields = F::fields(entry);
        let live = live.entry(load32(fields.real_server)).or_default();
        let (packets, bytes) = (wide(load32(fields.packets)), fields.bytes.read_volatile());
        if tag.reverse() {
            live.packets_out += packets;
            live.bytes_out += bytes;
        } else {
            live.packets_in += packets;
            live.bytes_in += bytes;
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
        let (packets, bytes) = if tag.reverse() {
            (&raw mut (*server).packets_out, &raw mut (*server).bytes_out)
        } else {
            (&raw mut (*server).packets_in, &raw mut (*server).bytes_in)
        };
        atomic64(packets).fetch_add(wide(load32(fields.packets)), Ordering::AcqRel);
        atomic64(bytes).fetch_add(fields.bytes.read_volatile(), Ordering::AcqRel);
        if tag.reverse() {
            return;
        }
        let count = if tag.template() {
            &raw mut (*server).persistent
        } else if is_active(tag) {
            &raw mut (*server).active
        } else {
            &raw mut (*server).inactive
        };
        atomic32(count).fetch_sub(1, Ordering::AcqRel);
        relieve(server);
    }
}

/// Lifts the overload of a real server that fell below its lower threshold, or below three quarters
/// of the upper.
///
/// # Safety
/// `server` must be mapped.
unsafe fn relieve(server: *mut RealServer) {
    // SAFETY: the caller vouches for the server.
    unsafe {
        let total =
            load32(&raw mut (*server).active).wrapping_add(load32(&raw mut (*server).inactive));
        let (upper, lower) = ((*server).upper, (*server).lower);
        let below = if lower != 0 {
            total < lower
        } else {
            u64::from(total) * 4 < u64::from(upper) * 3
        };
        if upper == 0 || below {
            (&raw mut (*server).overloaded).write_volatile(0);
        }
    }
}

fn is_gone(real_servers: &Mapped<RealServer>, index: u32) -> bool {
    let server = real_servers.at(index);
    // SAFETY: the server is mapped.
    !server.is_null()
        && unsafe { load32(&raw mut (*server).flags) }
            & xvs_datapath::abi::real_server_flag::AVAILABLE
            == 0
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
