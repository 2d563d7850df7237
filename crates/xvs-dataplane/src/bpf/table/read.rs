//! What the entries of a table say: connections, and sums over them.

use std::collections::HashMap as StdMap;

use xvs_datapath::{
    abi::{Method, NONE, OverflowKey, Slot, Tag, Tuple, wide},
    state::is_active,
    table::Family,
};

use super::{
    super::{memory::load32, plain::Plain},
    Table, age, tag_of,
};

/// Packets and bytes of live entries of one real server.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::bpf) struct Live {
    pub(in crate::bpf) packets_in: u64,
    pub(in crate::bpf) packets_out: u64,
    pub(in crate::bpf) bytes_in: u64,
    pub(in crate::bpf) bytes_out: u64,
}

/// Connections of one real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::bpf) struct Counts {
    pub(in crate::bpf) active: u32,
    pub(in crate::bpf) inactive: u32,
    pub(in crate::bpf) persistent: u32,
}

/// A connection as a listing needs it.
#[derive(Clone, Copy, Debug)]
pub(in crate::bpf) struct Record {
    pub(in crate::bpf) tag: Tag,
    pub(in crate::bpf) tuple: Tuple,
    pub(in crate::bpf) recipe: Tuple,
    pub(in crate::bpf) real_server: u32,
    pub(in crate::bpf) virtual_server: u16,
    /// Jiffies since the last packet, either way.
    pub(in crate::bpf) age: u32,
    pub(in crate::bpf) packets_in: u64,
    pub(in crate::bpf) packets_out: u64,
    pub(in crate::bpf) bytes_in: u64,
    pub(in crate::bpf) bytes_out: u64,
}

impl<F: Family> Table<F>
where
    Plain<F::Entry>: aya::Pod,
{
    /// Makes every entry older by so many jiffies.
    #[cfg(feature = "testing")]
    pub(in crate::bpf) fn age(&mut self, jiffies: u32) {
        for index in 0..self.capacity() {
            // SAFETY: the entry is mapped.
            unsafe {
                let stamp = F::fields(self.entry(index)).stamp;
                stamp.write_volatile(stamp.read_volatile().wrapping_sub(jiffies));
            }
        }
        for (key, mut entry) in self.overflow.entries() {
            // SAFETY: the entry is a copy.
            unsafe {
                let stamp = F::fields(&raw mut entry).stamp;
                stamp.write(stamp.read().wrapping_sub(jiffies));
            }
            if let Err(error) = self.overflow.insert(key, entry) {
                tracing::error!(%error, "an entry of the overflow hash is lost");
            }
        }
    }

    /// Adds to `counts` the connections of each real server as the entries have them.
    pub(in crate::bpf) fn count_connections(&self, counts: &mut StdMap<u32, Counts>) {
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

    /// Counts packets and bytes of the entries as they are now.
    pub(in crate::bpf) fn count(&self, live: &mut StdMap<u32, Live>) {
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
    pub(in crate::bpf) fn visit(
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

    /// The connection of a forward entry.
    ///
    /// # Safety
    /// `entry` must be valid.
    pub(super) unsafe fn record(&self, entry: *mut F::Entry, now: u32) -> Option<Record> {
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
                    match self.overflow.get(&reverse_key::<F>(entry, tag)) {
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

/// The key of the reverse entry of a forward one, where it is in the overflow hash.
///
/// # Safety
/// `entry` must be valid.
pub(super) unsafe fn reverse_key<F: Family>(entry: *mut F::Entry, tag: Tag) -> OverflowKey {
    // SAFETY: the caller vouches for the entry.
    let back = unsafe { F::recipe(entry) }.swapped();
    OverflowKey {
        source: back.source,
        destination: back.destination,
        ports: back.ports,
        identity: u32::from(tag.protocol()) << 8,
    }
}

/// Adds what an entry counted to its real server.
///
/// # Safety
/// `entry` must be valid.
pub(super) unsafe fn add_live<F: Family>(
    entry: *mut F::Entry,
    tag: Tag,
    live: &mut StdMap<u32, Live>,
) {
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
