//! The pass over a table that ends what is past its timeout and counts the rest.

use std::collections::{BTreeSet, HashMap as StdMap, HashSet};

use xvs_datapath::{
    abi::{RealServer, Settings, Slot, Tag, real_server_flag},
    table::{Family, Fields},
};

use super::{
    super::{
        memory::{Mapped, load32},
        plain::Plain,
    },
    Live, Table, age, later,
    read::add_live,
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
            slow_when_gone(&fields, real_servers, real_server);
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
            slow_when_gone(&fields, real_servers, real_server);
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
