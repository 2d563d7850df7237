//! Virtual and real servers in the maps.
//!
//! Whatever an op was, its virtual server is brought to what the rule base says of it: that is the
//! same work for an op, for a restore and for a daemon that takes up maps it finds. A server that is
//! no longer in the rules keeps its slot, marked unavailable, until its last connection has ended; one
//! that is added again meanwhile finds its counters and connections there.

mod lists;
mod locals;
mod words;

use std::{
    collections::{BTreeSet, HashMap as StdMap, HashSet},
    net::IpAddr,
    sync::atomic::{Ordering, fence},
};

use xvs_datapath::{
    abi::{
        Block, LocalAddress, Method, NONE, RealServer as RealSlot, ServiceKey,
        VirtualServer as VirtualSlot, join, low32, real_server_flag, virtual_server_flag,
    },
    scheduler::{rr, table, wrr},
};
use xvs_types::{Endpoint, OpError, RealServer, Rule, VirtualServer, VirtualServerId};

pub(super) use self::words::tunnel_of;
use self::{
    lists::Lists,
    locals::Locals,
    words::{
        abi_endpoint, full, mask_of, method_of, rule_of, scheduler_number, scheduler_of, system,
    },
};
use super::{
    address::{endpoint, family_number, service_id, service_key, to_abi},
    bits::Bits,
    memory::{Mapped, load32},
    pairs::Pairs,
    slots::Slots,
    ways::Ways,
};
use crate::Prefix;

/// The most real servers that one virtual server may have.
const MOST_MEMBERS: u32 = 4096;

/// The arrays of virtual and real servers.
pub(super) struct Servers {
    pub(super) virtual_servers: Mapped<VirtualSlot>,
    pub(super) real_servers: Mapped<RealSlot>,
    lists: Lists,
    locals: Locals,
    services: Pairs<ServiceKey, u32>,
    bits: Bits,
    virtual_slots: Slots,
    real_slots: Slots,
    /// Slot of each virtual server, those that linger included.
    virtual_index: StdMap<VirtualServerId, u32>,
    /// Slot of each real server by its virtual server's, those that linger included.
    real_index: StdMap<(u32, Endpoint), u32>,
    /// Slots of real servers by their virtual server's.
    by_virtual: StdMap<u32, BTreeSet<u32>>,
    /// Virtual servers of which a real server's weight has changed since their list was written.
    reweighted: HashSet<ServiceKey>,
    /// What is local to this host; none until it is told.
    prefixes: Option<Vec<Prefix>>,
    hz: u32,
}

/// The arrays and maps that [`Servers`] is made of.
pub(super) struct Parts {
    pub(super) virtual_servers: Mapped<VirtualSlot>,
    pub(super) real_servers: Mapped<RealSlot>,
    pub(super) blocks: Mapped<Block>,
    pub(super) locals: Mapped<LocalAddress>,
    pub(super) services: Pairs<ServiceKey, u32>,
    pub(super) bits: Bits,
    pub(super) hz: u32,
}

impl Servers {
    /// Takes up what the maps hold.
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            virtual_servers,
            real_servers,
            blocks,
            locals,
            services,
            bits,
            hz,
        } = parts;
        let mut servers = Self {
            // The entry of a flow has 16 bits for its virtual server.
            virtual_slots: Slots::new(virtual_servers.len().min(65_535)),
            real_slots: Slots::new(real_servers.len()),
            virtual_servers,
            real_servers,
            lists: Lists::new(blocks),
            locals: Locals::new(locals),
            services,
            bits,
            virtual_index: StdMap::new(),
            real_index: StdMap::new(),
            by_virtual: StdMap::new(),
            reweighted: HashSet::new(),
            prefixes: None,
            hz,
        };
        servers.adopt();
        servers
    }

    fn adopt(&mut self) {
        for slot in 0..self.virtual_slots.limit() {
            let Some(found) = self.virtual_servers.read(slot) else {
                break;
            };
            let Some(id) =
                service_id(&found.key).filter(|_id| found.flags & virtual_server_flag::IN_USE != 0)
            else {
                continue;
            };
            self.virtual_slots.mark(slot);
            self.virtual_index.insert(id, slot);
            self.bits.add(&found.key.address, false);
            self.lists.mark(found.members);
            self.lists.mark(found.buckets);
            self.locals.mark(found.local_first, found.local_count);
            for local in self.locals.addresses(found.local_first, found.local_count) {
                self.bits.add(&local, false);
            }
        }
        for slot in 0..self.real_slots.limit() {
            let Some(found) = self.real_servers.read(slot) else {
                break;
            };
            if found.flags & real_server_flag::IN_USE == 0 {
                continue;
            }
            self.real_slots.mark(slot);
            let endpoint = endpoint(&found.address, found.port, found.family == 6);
            self.real_index
                .insert((found.virtual_server, endpoint), slot);
            self.by_virtual
                .entry(found.virtual_server)
                .or_default()
                .insert(slot);
            self.bits.add(&found.address, true);
        }
        self.bits.forget_unknown();
    }

    /// The rules as far as the maps have them, in the order of slots.
    pub(super) fn rules(&self) -> Vec<Rule> {
        let mut slots: Vec<(u32, VirtualServerId)> = self
            .virtual_index
            .iter()
            .map(|(id, slot)| (*slot, *id))
            .collect();
        slots.sort_unstable();
        slots
            .into_iter()
            .filter_map(|(slot, id)| {
                let found = self.virtual_servers.read(slot)?;
                if found.flags & virtual_server_flag::AVAILABLE == 0 {
                    return None;
                }
                let mut virtual_server = VirtualServer::new(id);
                virtual_server.scheduler = scheduler_of(found.scheduler)?;
                let mut real_servers: Vec<RealServer> = self
                    .members(found.members)
                    .into_iter()
                    .filter_map(|index| self.real_servers.read(index))
                    .map(|real| rule_of(&id, &real))
                    .collect();
                real_servers.reverse();
                Some((virtual_server, real_servers))
            })
            .collect()
    }

    /// Brings a virtual server to what `rule` says, or lets it go when there is no rule. Answers the
    /// real servers that are no longer in the rules.
    pub(super) fn bring(
        &mut self,
        id: &VirtualServerId,
        rule: Option<&Rule>,
        ways: &mut Ways,
    ) -> Result<Vec<u32>, OpError> {
        let Some((virtual_server, real_servers)) = rule else {
            return Ok(self.let_go(id));
        };
        let slot = self.virtual_slot(id)?;
        let mut members = Vec::with_capacity(real_servers.len());
        for real_server in real_servers {
            members.push(self.real_slot(slot, id, real_server)?);
        }
        for (index, real_server) in members.iter().zip(real_servers) {
            self.write_real(*index, real_server, ways);
        }
        // The kernel's order: the one added last comes first.
        members.reverse();
        let gone = self.retire_missing(slot, &members);
        self.write_virtual(slot, virtual_server, &members)?;
        if self.services.get(&service_key(id)) != Some(slot) {
            self.services
                .insert(service_key(id), slot)
                .map_err(|error| system(&format!("note virtual server `{id}`"), &error))?;
        }
        Ok(gone)
    }

    /// The slot of a virtual server.
    pub(super) fn slot_of(&self, id: &VirtualServerId) -> Option<u32> {
        self.virtual_index.get(id).copied()
    }

    /// The slot of a real server of a rule.
    pub(super) fn real_of_rule(
        &self,
        virtual_slot: u32,
        id: &VirtualServerId,
        server: &RealServer,
    ) -> Option<u32> {
        self.real_index
            .get(&(virtual_slot, abi_endpoint(id, server)))
            .copied()
    }

    /// The slots of a virtual server's real servers, those that linger included.
    pub(super) fn reals_of(&self, virtual_slot: u32) -> Vec<u32> {
        self.by_virtual
            .get(&virtual_slot)
            .map(|slots| slots.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Real servers that are not in the rules and whose last connection has ended.
    pub(super) fn ended(&self) -> Vec<u32> {
        self.real_index
            .values()
            .copied()
            .filter(|slot| self.has_ended(*slot))
            .collect()
    }

    /// Whether the real server in a slot has this address.
    pub(super) fn is_at(&self, slot: u32, address: IpAddr) -> bool {
        self.real_servers
            .read(slot)
            .is_some_and(|found| found.address == to_abi(address))
    }

    /// Makes a real server's totals nought, given what its living entries count.
    pub(super) fn zero_real(&self, slot: u32, live: &super::table::Live) {
        let server = self.real_servers.at(slot);
        if server.is_null() {
            return;
        }
        // SAFETY: the slot is mapped.
        unsafe {
            use std::sync::atomic::Ordering::Release;

            use super::memory::atomic64;
            atomic64(&raw mut (*server).connections).store(0, Release);
            for (word, counted) in [
                (&raw mut (*server).packets_in, live.packets_in),
                (&raw mut (*server).packets_out, live.packets_out),
                (&raw mut (*server).bytes_in, live.bytes_in),
                (&raw mut (*server).bytes_out, live.bytes_out),
            ] {
                atomic64(word).store(counted.wrapping_neg(), Release);
            }
        }
    }

    /// Makes a virtual server's count of connections nought.
    pub(super) fn zero_virtual(&self, slot: u32) {
        let server = self.virtual_servers.at(slot);
        if !server.is_null() {
            // SAFETY: the slot is mapped.
            unsafe { super::memory::atomic64(&raw mut (*server).connections) }
                .store(0, Ordering::Release);
        }
    }

    /// The virtual server in a slot.
    pub(super) fn id_of(&self, slot: u32) -> Option<VirtualServerId> {
        let found = self.virtual_servers.read(slot)?;
        (found.flags & virtual_server_flag::AVAILABLE != 0)
            .then(|| service_id(&found.key))
            .flatten()
    }

    /// All real servers' slots in use.
    pub(super) fn real_slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.real_index.values().copied()
    }

    /// All virtual servers of the maps, those that linger included.
    pub(super) fn ids(&self) -> Vec<VirtualServerId> {
        self.virtual_index.keys().copied().collect()
    }

    /// Says which addresses are local to the host.
    pub(super) fn set_prefixes(
        &mut self,
        prefixes: &[Prefix],
        anywhere: &HashSet<VirtualServerId>,
    ) {
        self.prefixes = Some(prefixes.to_vec());
        let slots: Vec<(VirtualServerId, u32)> = self
            .virtual_index
            .iter()
            .map(|(id, slot)| (*id, *slot))
            .collect();
        for (id, slot) in slots {
            let open = anywhere.contains(&id) || self.is_local(&id, false);
            let server = self.virtual_servers.at(slot);
            if server.is_null() {
                continue;
            }
            // SAFETY: the slot is mapped; only this side writes the flags.
            unsafe {
                let flags = (*server).flags;
                if flags & virtual_server_flag::AVAILABLE != 0 {
                    (&raw mut (*server).flags).write_volatile(if open {
                        flags | virtual_server_flag::OPEN
                    } else {
                        flags & !virtual_server_flag::OPEN
                    });
                }
            }
        }
    }

    /// Says which ports of a local address the host keeps for itself.
    pub(super) fn set_kept_ports(&mut self, address: IpAddr, kept: Option<(u16, u16)>) {
        self.locals.keep(address, kept);
    }

    /// Whether there is anything for [`Servers::recycle`].
    pub(super) fn has_waste(&self) -> bool {
        self.lists.has_waste()
            || self.locals.has_waste()
            || self.real_index.values().any(|slot| self.has_ended(*slot))
            || !self.empty().is_empty()
    }

    /// Gives back what programs no longer read: to be called after they were waited for.
    pub(super) fn recycle(&mut self) {
        self.lists.recycle();
        self.locals.recycle();
        let ended: Vec<((u32, Endpoint), u32)> = self
            .real_index
            .iter()
            .filter(|(_key, slot)| self.has_ended(**slot))
            .map(|(key, slot)| (*key, *slot))
            .collect();
        for (key, slot) in ended {
            if let Some(found) = self.real_servers.read(slot) {
                self.bits.remove(&found.address, true);
            }
            self.set_real_flags(slot, 0);
            self.real_servers.write(slot, RealSlot::default());
            self.real_slots.give(slot, 1);
            self.real_index.remove(&key);
            if let Some(slots) = self.by_virtual.get_mut(&key.0) {
                slots.remove(&slot);
                if slots.is_empty() {
                    self.by_virtual.remove(&key.0);
                }
            }
        }
        let empty = self.empty();
        for (id, slot) in empty {
            if let Some(found) = self.virtual_servers.read(slot) {
                self.bits.remove(&found.key.address, false);
                self.drop_locals(&found);
                self.lists.release(found.members);
                self.lists.release(found.buckets);
            }
            self.set_virtual_flags(slot, 0);
            self.virtual_servers.write(slot, VirtualSlot::default());
            self.virtual_slots.give(slot, 1);
            self.virtual_index.remove(&id);
        }
    }

    /// Virtual servers that are not in the rules and have no real server left.
    fn empty(&self) -> Vec<(VirtualServerId, u32)> {
        self.virtual_index
            .iter()
            .filter(|(_id, slot)| {
                !self.by_virtual.contains_key(slot)
                    && self
                        .virtual_servers
                        .read(**slot)
                        .is_some_and(|found| found.flags & virtual_server_flag::AVAILABLE == 0)
            })
            .map(|(id, slot)| (*id, *slot))
            .collect()
    }

    fn has_ended(&self, slot: u32) -> bool {
        let server = self.real_servers.at(slot);
        if server.is_null() {
            return false;
        }
        // SAFETY: the slot is mapped.
        unsafe {
            load32(&raw mut (*server).flags) & real_server_flag::AVAILABLE == 0
                && load32(&raw mut (*server).active) == 0
                && load32(&raw mut (*server).inactive) == 0
                && load32(&raw mut (*server).persistent) == 0
        }
    }

    /// Writes the flags of a real server's slot: the last word when it comes into use and the first
    /// when it ends, so that a daemon that dies in between leaves a slot that is not in use.
    pub(super) fn set_real_flags(&self, slot: u32, flags: u32) {
        let server = self.real_servers.at(slot);
        if !server.is_null() {
            fence(Ordering::Release);
            // SAFETY: the slot is mapped; only this side writes the flags.
            unsafe { (&raw mut (*server).flags).write_volatile(flags) };
            fence(Ordering::Release);
        }
    }

    /// Writes the flags of a virtual server's slot, as [`Servers::set_real_flags`].
    fn set_virtual_flags(&self, slot: u32, flags: u32) {
        let server = self.virtual_servers.at(slot);
        if !server.is_null() {
            fence(Ordering::Release);
            // SAFETY: the slot is mapped; only this side writes the flags.
            unsafe { (&raw mut (*server).flags).write_volatile(flags) };
            fence(Ordering::Release);
        }
    }

    fn is_available(&self, slot: u32) -> bool {
        self.real_servers
            .read(slot)
            .is_some_and(|found| found.flags & real_server_flag::AVAILABLE != 0)
    }

    fn let_go(&mut self, id: &VirtualServerId) -> Vec<u32> {
        let Some(slot) = self.slot_of(id) else {
            return Vec::new();
        };
        if !self.services.remove(&service_key(id)) {
            tracing::debug!(%id, "the programs did not know it");
        }
        let gone = self.retire_missing(slot, &[]);
        self.set_virtual_flags(slot, virtual_server_flag::IN_USE);
        gone
    }

    /// Marks the real servers of a virtual server that are not in `members` as gone.
    fn retire_missing(&mut self, slot: u32, members: &[u32]) -> Vec<u32> {
        // Not from the list: a daemon that died may have made a server ready and not listed it.
        let members_set: HashSet<u32> = members.iter().copied().collect();
        let gone: Vec<u32> = self
            .by_virtual
            .get(&slot)
            .into_iter()
            .flatten()
            .copied()
            .filter(|index| !members_set.contains(index) && self.is_available(*index))
            .collect();
        for index in &gone {
            self.set_real_flags(*index, real_server_flag::IN_USE);
        }
        if members.is_empty() {
            let server = self.virtual_servers.at(slot);
            if !server.is_null() {
                // SAFETY: the slot is mapped; the word is written whole.
                unsafe {
                    // The programs go by the number; the blocks stay for a server that comes back.
                    let old = (*server).members;
                    (&raw mut (*server).members).write_volatile(join(low32(old), 0));
                    self.lists.release(old);
                }
            }
        }
        gone
    }

    fn virtual_slot(&mut self, id: &VirtualServerId) -> Result<u32, OpError> {
        if let Some(slot) = self.slot_of(id) {
            return Ok(slot);
        }
        let slot = self
            .virtual_slots
            .take()
            .ok_or_else(|| full("virtual server", self.virtual_slots.limit()))?;
        let key = service_key(id);
        self.virtual_servers.write(
            slot,
            VirtualSlot {
                key,
                ..VirtualSlot::default()
            },
        );
        self.set_virtual_flags(slot, virtual_server_flag::IN_USE);
        self.virtual_index.insert(*id, slot);
        self.bits.add(&key.address, false);
        Ok(slot)
    }

    fn real_slot(
        &mut self,
        virtual_slot: u32,
        id: &VirtualServerId,
        server: &RealServer,
    ) -> Result<u32, OpError> {
        let key = (virtual_slot, abi_endpoint(id, server));
        if let Some(slot) = self.real_index.get(&key) {
            return Ok(*slot);
        }
        let slot = self
            .real_slots
            .take()
            .ok_or_else(|| full("real server", self.real_slots.limit()))?;
        let (_, endpoint) = key;
        let address = to_abi(endpoint.address);
        self.real_servers.write(
            slot,
            RealSlot {
                address,
                port: endpoint.port.to_be(),
                family: family_number(endpoint.family()),
                virtual_server: virtual_slot,
                ..RealSlot::default()
            },
        );
        self.set_real_flags(slot, real_server_flag::IN_USE);
        self.real_index.insert(key, slot);
        self.by_virtual
            .entry(virtual_slot)
            .or_default()
            .insert(slot);
        self.bits.add(&address, true);
        Ok(slot)
    }

    fn write_real(&mut self, slot: u32, server: &RealServer, ways: &mut Ways) {
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
            let local = way.map_or((*pointer).method == Method::LOCAL, |way| way.local);
            (&raw mut (*pointer).method).write_volatile(if local { Method::LOCAL } else { method });
            if let Some(way) = way {
                (*pointer).tunnel_source = way.source;
                (&raw mut (*pointer).next_hop).write_volatile(way.hop);
            }
            (&raw mut (*pointer).flags)
                .write_volatile(real_server_flag::IN_USE | real_server_flag::AVAILABLE);
        }
    }

    fn write_virtual(
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
        if let Err(error) = self.write_runs(&old, &mut new, server, members) {
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
        ] {
            if on {
                new.flags |= flag;
            }
        }
        self.store_virtual(slot, &old, &new);
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
        server: &VirtualServer,
        members: &[u32],
    ) -> Result<(), OpError> {
        self.write_list(old, new, members)?;
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

    /// Writes the list of real servers and what the schedulers derive from it.
    fn write_list(
        &mut self,
        old: &VirtualSlot,
        new: &mut VirtualSlot,
        members: &[u32],
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
        let same_weights = before == members && !self.reweighted.remove(&old.key);
        if new.scheduler != old.scheduler {
            new.cursor = 0;
            new.weighted = wrr::after_change(0, new.greatest, new.divisor);
        } else if !same_weights {
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

    /// The members of a list.
    pub(super) fn members(&self, list: u64) -> Vec<u32> {
        self.lists.read(list)
    }

    fn drop_locals(&mut self, old: &VirtualSlot) {
        for local in self.locals.addresses(old.local_first, old.local_count) {
            self.bits.remove(&local, false);
        }
        self.locals.release((old.local_first, old.local_count));
    }

    /// Whether packets to a virtual server are for this host; `before` is what was true of it, while
    /// a new daemon has not been told.
    fn is_local(&self, id: &VirtualServerId, before: bool) -> bool {
        match (id.vip(), &self.prefixes) {
            // What a firewall mark brings comes by a local route.
            (None, _) => true,
            (Some(_), None) => before,
            (Some(vip), Some(prefixes)) => prefixes.iter().any(|prefix| prefix.contains(vip)),
        }
    }
}

/// What tests of adoption do to the maps.
#[cfg(test)]
impl Servers {
    pub(super) fn service(&self, key: &ServiceKey) -> Option<u32> {
        self.services.get(key)
    }

    pub(super) fn forget_service(&mut self, id: &VirtualServerId) {
        assert!(self.services.remove(&service_key(id)));
    }

    pub(super) fn write_member(&self, first: u32, place: u32, member: u32) {
        self.lists.overwrite(first, place, member);
    }

    pub(super) fn set_members(&self, slot: u32, members: u64) {
        let mut found = self.virtual_servers.read(slot).unwrap();
        found.members = members;
        self.virtual_servers.write(slot, found);
    }
}
