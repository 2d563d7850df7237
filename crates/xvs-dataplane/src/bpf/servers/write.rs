//! Slots of virtual and real servers, written.

use std::collections::HashSet;

use xvs_datapath::{
    abi::{NONE, VirtualServer as VirtualSlot, real_server_flag, virtual_server_flag},
    scheduler::{rr, table, wrr},
};
use xvs_types::{OpError, PersistenceEngine, RealServer, VirtualServer, VirtualServerId};

use super::{
    super::{
        address::to_abi,
        memory::load32,
        ways::{Way, Ways},
    },
    MOST_MEMBERS, Servers,
    words::{full, mask_of, method_here, method_of, scheduler_number},
};

impl Servers {
    /// Writes a real server's slot.
    pub(super) fn write_real(&mut self, slot: u32, server: &RealServer, ways: &mut Ways) {
        let pointer = self.real_servers.at(slot);
        if pointer.is_null() {
            return;
        }
        let (method, kind, checksum, port) = method_of(&server.method);
        let way = ways.of(server.endpoint.address);
        // SAFETY: the slot is mapped; counts are the programs', all else is this side's.
        unsafe {
            let weight = server.weight.get();
            if (*pointer).weight != weight
                && let Some(found) = self.virtual_servers.read((*pointer).virtual_server)
            {
                self.reweighted.insert(found.key);
            }
            (&raw mut (*pointer).weight).write_volatile(weight);
            if weight != 0 {
                (*pointer).last_weight = weight;
            }
            (&raw mut (*pointer).upper).write_volatile(server.thresholds.upper);
            (&raw mut (*pointer).lower).write_volatile(server.thresholds.lower);
            let total = load32(&raw mut (*pointer).active)
                .wrapping_add(load32(&raw mut (*pointer).inactive));
            let overloaded = server.thresholds.upper != 0 && total >= server.thresholds.upper;
            (&raw mut (*pointer).overloaded).write_volatile(u32::from(overloaded));
            (*pointer).tunnel_kind = kind;
            (*pointer).tunnel_checksum = checksum;
            (*pointer).tunnel_port = port.to_be();
            // Until the way is told, as after a daemon has taken up these maps, what the daemon before
            // knew of it goes on.
            let here = way.map_or((*pointer).flags & real_server_flag::HERE != 0, |way| {
                way.local
            });
            let method = if here { method_here(method) } else { method };
            (&raw mut (*pointer).method).write_volatile(method);
            if let Some(way) = way {
                (*pointer).tunnel_source = way.source;
                (&raw mut (*pointer).next_hop).write_volatile(way.hop);
            }
            let here = if here { real_server_flag::HERE } else { 0 };
            (&raw mut (*pointer).flags)
                .write_volatile(real_server_flag::IN_USE | real_server_flag::AVAILABLE | here);
        }
        self.left.real_servers.remove(&slot);
    }

    /// Writes the way to the real servers in `slots`. Answers the virtual servers that have one of
    /// which the method changes with it.
    pub(in crate::bpf) fn lead(&self, slots: &HashSet<u32>, way: Way) -> HashSet<VirtualServerId> {
        let mut turned = HashSet::new();
        for slot in slots {
            let pointer = self.real_servers.at(*slot);
            if pointer.is_null() || !self.is_available(*slot) {
                continue;
            }
            // SAFETY: the slot is mapped; these fields are this side's.
            unsafe {
                (*pointer).tunnel_source = way.source;
                (&raw mut (*pointer).next_hop).write_volatile(way.hop);
                if ((*pointer).flags & real_server_flag::HERE != 0) != way.local {
                    turned.extend(self.id_of((*pointer).virtual_server));
                }
            }
        }
        turned
    }

    /// Writes a virtual server's slot, and its list of real servers.
    pub(super) fn write_virtual(
        &mut self,
        slot: u32,
        server: &VirtualServer,
        members: &[u32],
    ) -> Result<(), OpError> {
        let Some(old) = self.virtual_servers.read(slot) else {
            return Ok(());
        };
        let mut new = old;
        new.scheduler = scheduler_number(server.scheduler);
        new.scheduler_flags = u32::from(server.scheduler_flags.bits());
        // One that is added again while its slot lingers begins anew, as the kernel's does.
        let begins = self.left.virtual_servers.contains(&slot) || new.scheduler != old.scheduler;
        if let Err(error) = self.write_runs(&old, &mut new, (server, members), begins) {
            // What was replaced before there was no room is in force: its old place is given up.
            let kept = VirtualSlot {
                members: new.members,
                buckets: new.buckets,
                local_first: new.local_first,
                local_count: new.local_count,
                ..old
            };
            self.store_virtual(slot, &old, &kept);
            return Err(error);
        }
        match &server.persistence {
            Some(persistence) => {
                let seconds = u32::try_from(persistence.timeout.as_secs()).unwrap_or(u32::MAX);
                new.persistence = seconds.saturating_mul(self.hz);
                new.mask = mask_of(persistence.mask);
            }
            None => new.persistence = 0,
        }
        new.flags = virtual_server_flag::IN_USE | virtual_server_flag::AVAILABLE;
        for (on, flag) in [
            (
                server.anywhere
                    || self.is_local(&server.id, old.flags & virtual_server_flag::OPEN != 0),
                virtual_server_flag::OPEN,
            ),
            (
                server.persistence.is_some(),
                virtual_server_flag::PERSISTENT,
            ),
            (server.one_packet, virtual_server_flag::ONE_PACKET),
            (
                server.persistence.is_some() && server.engine == Some(PersistenceEngine::Sip),
                virtual_server_flag::SIP,
            ),
        ] {
            if on {
                new.flags |= flag;
            }
        }
        self.store_virtual(slot, &old, &new);
        if new.scheduler != old.scheduler {
            self.strangers.note_virtual(slot, old.scheduler);
        }
        self.left.virtual_servers.remove(&slot);
        Ok(())
    }

    /// Writes what this side decides; the programs' counters and rotors stay theirs.
    fn store_virtual(&self, slot: u32, old: &VirtualSlot, new: &VirtualSlot) {
        let pointer = self.virtual_servers.at(slot);
        if pointer.is_null() {
            return;
        }
        // SAFETY: the slot is mapped; each field is written whole, the flags last.
        unsafe {
            (&raw mut (*pointer).scheduler).write_volatile(new.scheduler);
            (&raw mut (*pointer).scheduler_flags).write_volatile(new.scheduler_flags);
            (&raw mut (*pointer).greatest).write_volatile(new.greatest);
            (&raw mut (*pointer).divisor).write_volatile(new.divisor);
            // Where nothing moved them, the programs' picks of this moment stand.
            if new.weighted != old.weighted {
                (&raw mut (*pointer).weighted).write_volatile(new.weighted);
            }
            if new.cursor != old.cursor {
                (&raw mut (*pointer).cursor).write_volatile(new.cursor);
            }
            (&raw mut (*pointer).members).write_volatile(new.members);
            (&raw mut (*pointer).buckets).write_volatile(new.buckets);
            (&raw mut (*pointer).mask).write_volatile(new.mask);
            (&raw mut (*pointer).persistence).write_volatile(new.persistence);
            (&raw mut (*pointer).local_first).write_volatile(new.local_first);
            (&raw mut (*pointer).local_count).write_volatile(new.local_count);
            (&raw mut (*pointer).flags).write_volatile(new.flags);
        }
    }

    /// Writes what lies outside the slot: lists and local addresses. Each is in `new` when it is
    /// written, also when the next one finds no room.
    fn write_runs(
        &mut self,
        old: &VirtualSlot,
        new: &mut VirtualSlot,
        (server, members): (&VirtualServer, &[u32]),
        begins: bool,
    ) -> Result<(), OpError> {
        self.write_list(old, new, members, begins)?;
        let run = (old.local_first, old.local_count);
        (new.local_first, new.local_count) = self.locals.write(run, &server.local_addresses)?;
        if (new.local_first, new.local_count) != run {
            for local in self.locals.addresses(run.0, run.1) {
                self.bits.remove(&local, false);
            }
            for local in &server.local_addresses {
                self.bits.add(&to_abi(*local), false);
            }
        }
        Ok(())
    }

    /// Writes the list of real servers and what the schedulers derive from it, which `begins` or goes on.
    fn write_list(
        &mut self,
        old: &VirtualSlot,
        new: &mut VirtualSlot,
        members: &[u32],
        begins: bool,
    ) -> Result<(), OpError> {
        if members.len() > usize::try_from(MOST_MEMBERS).unwrap_or(usize::MAX) {
            return Err(full("real server of one virtual server", MOST_MEMBERS));
        }
        let before = self.members(old.members);
        let mut servers: Vec<table::Member> = members
            .iter()
            .filter_map(|index| {
                let server = self.real_servers.read(*index)?;
                Some(table::Member::new(*index, &server))
            })
            .collect();
        (new.greatest, new.divisor) = wrr::parameters(servers.iter().map(|server| server.weight));
        // Taken out whether or not the list has changed: what is left behind would count for the next edit.
        let reweighted = self.reweighted.remove(&old.key);
        if begins {
            new.cursor = 0;
            new.weighted = wrr::after_change(0, new.greatest, new.divisor);
        } else if reweighted || before != members {
            // The kernel begins at the head again on every change of a real server.
            new.weighted = wrr::after_change(old.weighted, new.greatest, new.divisor);
            new.cursor = rr::after_change(&before, members, old.cursor);
        }
        let mut buckets = vec![NONE; table::size(new.scheduler)];
        if !buckets.is_empty() {
            table::fill(new.scheduler, &mut servers, &mut buckets);
        }
        new.buckets = self.lists.write(old.buckets, &buckets)?;
        new.members = self.lists.write(old.members, members)?;
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use xvs_datapath::abi::{high32, join};
    use xvs_types::{Endpoint, Op, Scheduler, Weight};

    use super::*;
    use crate::{Atomicity, Dataplane, bpf::Bpf};

    /// A virtual server of wrr whose real servers have the weights 3 and 1.
    fn rules() -> [Op; 3] {
        let id = VirtualServerId::tcp(Endpoint::new("192.0.2.1".parse().unwrap(), 80));
        let mut virtual_server = VirtualServer::new(id);
        virtual_server.scheduler = Scheduler::Wrr;
        let real_server = |last: u8, weight| {
            let mut real_server = RealServer::new(Endpoint::new([10, 0, 0, last].into(), 80));
            real_server.weight = Weight::new(weight).unwrap();
            Op::AddRealServer {
                virtual_server: id,
                real_server,
            }
        };
        [
            Op::AddVirtualServer { virtual_server },
            real_server(1, 3),
            real_server(2, 1),
        ]
    }

    #[test]
    fn a_virtual_server_that_comes_back_while_connections_last_begins_its_round_anew() {
        let (tables, mut bpf) = Bpf::small();
        let mut apply = |ops: &[Op]| {
            for result in bpf.apply(ops, Atomicity::OneByOne) {
                result.unwrap();
            }
        };
        apply(&rules());
        let level = || high32(tables.virtual_servers.get(0).weighted);
        assert_eq!(level(), 3);
        // In the middle of a round, with connections.
        tables
            .virtual_servers
            .edit(0, |server| server.weighted = join(1, 1));
        tables.real_servers.edit(0, |server| server.active = 1);
        apply(&[Op::Flush]);
        apply(&rules());
        assert_eq!(level(), 3);
    }
}
