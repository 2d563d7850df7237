//! The pass over a table that ends what is past its timeout and counts the rest.

use std::collections::{BTreeSet, HashMap as StdMap, HashSet};

use xvs_datapath::{
    abi::{Method, OverflowKey, RealServer, Settings, Slot, Tag, real_server_flag},
    table::{Family, Fields},
};

use super::{
    super::{
        memory::{Mapped, load32},
        plain::Plain,
    },
    Live, Table, age, later,
    read::{add_live, reverse_key},
    release::Marked,
    tag_of,
};

/// What a pass over a table found.
#[derive(Debug, Default)]
pub(in crate::bpf) struct Tally {
    /// By real server.
    pub(in crate::bpf) live: StdMap<u32, Live>,
    /// Next hops that entries name.
    pub(in crate::bpf) hops: BTreeSet<u16>,
    /// Entries in use.
    pub(in crate::bpf) used: u64,
    /// Entries in the overflow hash.
    pub(in crate::bpf) overflow: u64,
    /// Templates with living children.
    parents: HashSet<u32>,
    /// Reverse entries of the overflow hash whose connections live.
    kept: HashSet<OverflowKey>,
}

/// When entries expire: timeouts in jiffies, and jiffies now.
pub(in crate::bpf) struct Clock<'a> {
    pub(in crate::bpf) now: u32,
    pub(in crate::bpf) settings: &'a Settings,
    /// Lifetime of templates by virtual server.
    pub(in crate::bpf) templates: &'a dyn Fn(u16) -> u32,
}

impl Clock<'_> {
    /// The timeout of an entry; none for one that does not expire.
    pub(in crate::bpf) fn timeout(&self, tag: Tag, virtual_server: u16) -> u32 {
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

impl<F: Family> Table<F>
where
    Plain<F::Entry>: aya::Pod,
{
    /// Goes over the next `budget` entries: ends those past their timeout, counts the others. Answers
    /// what it found when it has gone over all.
    pub(in crate::bpf) fn sweep(
        &mut self,
        clock: &Clock<'_>,
        real_servers: &Mapped<RealServer>,
        budget: u32,
    ) -> Option<Tally> {
        let mut tally = std::mem::take(&mut self.found);
        let mut marked = Vec::new();
        let mut halves = Vec::new();
        let end = self.cursor.saturating_add(budget).min(self.capacity());
        for index in self.cursor..end {
            let half = self.look(index, clock, real_servers, &mut tally, &mut marked);
            halves.extend(half.map(|key| (index, key)));
        }
        self.free(marked, real_servers);
        for (index, key) in halves {
            // SAFETY: the entry is mapped.
            if Tag(unsafe { tag_of::<F>(self.entry(index)) }).slot() >= Slot::LIVE {
                tally.kept.insert(key);
            } else {
                self.end_overflow(&key, real_servers);
            }
        }
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

    /// Looks at an entry; marks it when it is past its timeout. Answers the key of its other half where
    /// that is in the overflow hash.
    fn look(
        &self,
        index: u32,
        clock: &Clock<'_>,
        real_servers: &Mapped<RealServer>,
        tally: &mut Tally,
        marked: &mut Vec<Marked>,
    ) -> Option<OverflowKey> {
        let entry = self.entry(index);
        // SAFETY: the entry is mapped.
        let tag = Tag(unsafe { tag_of::<F>(entry) });
        if tag.slot() < Slot::LIVE {
            return None;
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
            slow_when_gone(&fields, real_servers, real_server);
            return None;
        }
        if let Some((_, other)) = partner {
            // SAFETY: the entry is mapped.
            let theirs = unsafe { load32(F::fields(other).stamp) };
            if later(theirs, stamp) {
                stamp = theirs;
            }
        }
        let half = match partner {
            // SAFETY: the entry is mapped.
            None => unsafe { self.half(entry, tag) },
            Some(_) => None,
        };
        if let Some((_, theirs)) = half
            && later(theirs, stamp)
        {
            stamp = theirs;
        }
        let half = half.map(|(key, _)| key);
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
            slow_when_gone(&fields, real_servers, real_server);
            return half;
        }
        if (tag.template() || tag.crossing()) && self.parents.contains(&index) {
            // Its connections live: it stays, and is looked at again in a minute.
            let again = clock
                .now
                .wrapping_sub(timeout)
                .wrapping_add(clock.settings.hz.saturating_mul(60).min(timeout));
            // SAFETY: the entry is mapped.
            unsafe { fields.stamp.write_volatile(again) };
            return None;
        }
        self.mark(index, marked);
        half
    }

    /// The key and the stamp of a forward entry's other half in the overflow hash.
    ///
    /// # Safety
    /// `entry` must be valid.
    pub(super) unsafe fn half(&self, entry: *mut F::Entry, tag: Tag) -> Option<(OverflowKey, u32)> {
        if tag.reverse() || tag.template() || !Method::two_way(tag.method()) {
            return None;
        }
        // SAFETY: the caller vouches for the entry.
        let key = unsafe { reverse_key::<F>(entry, tag) };
        let mut other = self.overflow.get(&key)?;
        // SAFETY: the entry is a copy.
        Some((key, unsafe { *F::fields(&raw mut other).stamp }))
    }

    fn sweep_overflow(
        &mut self,
        clock: &Clock<'_>,
        real_servers: &Mapped<RealServer>,
        tally: &mut Tally,
    ) {
        let mut entries = self.overflow.entries();
        // Forward entries first: they decide about their other halves.
        entries.sort_by_key(|(_, entry)| {
            let mut entry = *entry;
            // SAFETY: the entry is a copy.
            Tag(unsafe { tag_of::<F>(&raw mut entry) }).reverse()
        });
        for (key, mut entry) in entries {
            // SAFETY: the entry is a copy.
            let (tag, half, mut idle, virtual_server) = unsafe {
                let fields = F::fields(&raw mut entry);
                let tag = Tag(tag_of::<F>(&raw mut entry));
                (
                    tag,
                    self.half(&raw mut entry, tag),
                    age(clock.now, *fields.stamp),
                    *fields.virtual_server,
                )
            };
            tally.overflow += 1;
            if let Some((_, theirs)) = half {
                idle = idle.min(age(clock.now, theirs));
            }
            let keeps = tag.reverse() && tally.kept.contains(&key);
            if !keeps && idle > clock.timeout(tag, virtual_server) {
                self.end_overflow(&key, real_servers);
            } else {
                tally.kept.extend(half.map(|(key, _)| key));
                // SAFETY: as above.
                unsafe {
                    tally.hops.insert(*F::fields(&raw mut entry).next_hop);
                    add_live::<F>(&raw mut entry, tag, &mut tally.live);
                }
            }
        }
    }
}

/// Makes an entry's packets come by the slow path when its real server is gone: it drops those of
/// clients, and does not count those of the server.
fn slow_when_gone(fields: &Fields, real_servers: &Mapped<RealServer>, real_server: u32) {
    if is_gone(real_servers, real_server) {
        // SAFETY: the fields are those of a mapped entry.
        unsafe { fields.next_hop.write_volatile(0) };
    }
}

fn is_gone(real_servers: &Mapped<RealServer>, index: u32) -> bool {
    let server = real_servers.at(index);
    // SAFETY: the server is mapped.
    !server.is_null()
        && unsafe { load32(&raw mut (*server).flags) } & real_server_flag::AVAILABLE == 0
}
