//! Virtual and real servers in the maps.
//!
//! Whatever an op was, its virtual server is brought to what the rule base says of it: that is the
//! same work for an op, for a restore and for a daemon that takes up maps it finds. A server that is
//! no longer in the rules keeps its slot, marked unavailable, until its last connection has ended; one
//! that is added again meanwhile finds its counters and connections there.

use std::{
    collections::{BTreeSet, HashMap as StdMap, HashSet},
    net::IpAddr,
    sync::atomic::{Ordering, fence},
};

use aya::maps::{HashMap, MapData};
use xvs_datapath::{
    abi::{
        Block, LocalAddress, Method, NONE, RealServer as RealSlot, ServiceKey,
        VirtualServer as VirtualSlot, high32, index, join, low32, real_server_flag,
        virtual_server_flag, wide,
    },
    scheduler::{number, wrr},
};
use xvs_types::{
    Endpoint, ForwardingMethod, OpError, PersistenceMask, RealServer, Rule, Scheduler, Tunnel,
    TunnelChecksum, TunnelKind, VirtualServer, VirtualServerId,
};

use super::{
    address::{endpoint, family_number, service_id, service_key, to_abi},
    bits::Bits,
    memory::{Mapped, load32},
    plain::Plain,
    slots::Slots,
    ways::Ways,
};
use crate::Prefix;

/// First port of FULLNAT connections.
const FIRST_PORT: u16 = 5000;

/// The arrays of virtual and real servers.
pub(super) struct Servers {
    pub(super) virtual_servers: Mapped<VirtualSlot>,
    pub(super) real_servers: Mapped<RealSlot>,
    blocks: Mapped<Block>,
    locals: Mapped<LocalAddress>,
    services: HashMap<MapData, Plain<ServiceKey>, u32>,
    bits: Bits,
    virtual_slots: Slots,
    real_slots: Slots,
    block_slots: Slots,
    local_slots: Slots,
    /// Slot of each virtual server, those that linger included.
    virtual_index: StdMap<VirtualServerId, u32>,
    /// Slot of each real server by its virtual server's, those that linger included.
    real_index: StdMap<(u32, Endpoint), u32>,
    /// Slots of real servers by their virtual server's.
    by_virtual: StdMap<u32, BTreeSet<u32>>,
    /// Runs that programs may still be reading: given back by [`Servers::recycle`].
    old_blocks: Vec<(u32, u32)>,
    old_locals: Vec<(u32, u32)>,
    /// What is local to this host; none until it is told.
    prefixes: Option<Vec<Prefix>>,
    /// Ports that the host keeps for itself, by local address.
    kept_ports: StdMap<IpAddr, (u16, u16)>,
    hz: u32,
}

/// The arrays and maps that [`Servers`] is made of.
pub(super) struct Parts {
    pub(super) virtual_servers: Mapped<VirtualSlot>,
    pub(super) real_servers: Mapped<RealSlot>,
    pub(super) blocks: Mapped<Block>,
    pub(super) locals: Mapped<LocalAddress>,
    pub(super) services: HashMap<MapData, Plain<ServiceKey>, u32>,
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
            block_slots: Slots::new(blocks.len()),
            local_slots: Slots::new(locals.len()),
            virtual_servers,
            real_servers,
            blocks,
            locals,
            services,
            bits,
            virtual_index: StdMap::new(),
            real_index: StdMap::new(),
            by_virtual: StdMap::new(),
            old_blocks: Vec::new(),
            old_locals: Vec::new(),
            prefixes: None,
            kept_ports: StdMap::new(),
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
            for block in 0..blocks_for(high32(found.members)) {
                self.block_slots.mark(low32(found.members) + block);
            }
            for local in 0..found.local_count {
                self.local_slots.mark(found.local_first + local);
                if let Some(local) = self.locals.read(found.local_first + local) {
                    self.bits.add(&local.address, false);
                }
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
                    .map(|real| self.decode(&id, &real))
                    .collect();
                real_servers.reverse();
                Some((virtual_server, real_servers))
            })
            .collect()
    }

    fn decode(&self, id: &VirtualServerId, real: &RealSlot) -> RealServer {
        let mut server = RealServer::new(endpoint(&real.address, real.port, real.family == 6));
        if server.endpoint.port == 0 {
            server.endpoint.port = id.port();
        }
        server.weight = xvs_types::Weight::new(real.weight).unwrap_or_default();
        server.thresholds.upper = real.upper;
        server.thresholds.lower = real.lower;
        server.method = match real.method {
            Method::NAT => ForwardingMethod::Nat,
            Method::FULLNAT => ForwardingMethod::FullNat,
            Method::TUNNEL => ForwardingMethod::Tunnel(tunnel_of(real)),
            _ => ForwardingMethod::Direct,
        };
        server
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
        if self.services.get(&Plain(service_key(id)), 0).ok() != Some(slot) {
            self.services
                .insert(Plain(service_key(id)), slot, 0)
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
        match kept {
            Some(range) => self.kept_ports.insert(address, range),
            None => self.kept_ports.remove(&address),
        };
        let wanted = to_abi(address);
        for slot in 0..self.local_slots.limit().min(self.local_slots.used() + 64) {
            if let Some(mut local) = self.locals.read(slot)
                && local.family != 0
                && local.address == wanted
            {
                (local.kept_first, local.kept_last) = kept_within(kept);
                self.locals.write(slot, local);
            }
        }
    }

    /// Whether there is anything for [`Servers::recycle`].
    pub(super) fn has_waste(&self) -> bool {
        !self.old_blocks.is_empty()
            || !self.old_locals.is_empty()
            || self.real_index.values().any(|slot| self.has_ended(*slot))
            || !self.empty().is_empty()
    }

    /// Gives back what programs no longer read: to be called after they were waited for.
    pub(super) fn recycle(&mut self) {
        for (first, count) in std::mem::take(&mut self.old_blocks) {
            self.block_slots.give(first, count);
        }
        for (first, count) in std::mem::take(&mut self.old_locals) {
            self.local_slots.give(first, count);
        }
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
                let blocks = blocks_for(high32(found.members));
                if blocks > 0 {
                    self.old_blocks.push((low32(found.members), blocks));
                }
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
        if let Err(error) = self.services.remove(&Plain(service_key(id))) {
            tracing::debug!(%id, %error, "the programs did not know it");
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
                    let old = (*server).members;
                    (&raw mut (*server).members).write_volatile(join(low32(old), 0));
                    let blocks = blocks_for(high32(old));
                    if blocks > 0 {
                        self.old_blocks.push((low32(old), blocks));
                    }
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
            (&raw mut (*pointer).method).write_volatile(if way.local {
                Method::LOCAL
            } else {
                method
            });
            (*pointer).tunnel_source = way.source;
            (&raw mut (*pointer).next_hop).write_volatile(way.hop);
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
        let before = self.members(old.members);
        let weights: Vec<u32> = members
            .iter()
            .filter_map(|index| self.real_servers.read(*index))
            .map(|real| real.weight)
            .collect();
        (new.greatest, new.divisor) = wrr::parameters(weights.into_iter());
        if before != members
            || (new.greatest, new.divisor) != (old.greatest, old.divisor)
            || new.scheduler != old.scheduler
        {
            new.weighted = wrr::after_change(old.weighted, new.greatest, new.divisor);
            new.cursor = if new.scheduler == old.scheduler {
                moved(&before, members, old.cursor)
            } else {
                0
            };
        }
        // All that may find no room comes before anything is given up.
        (new.local_first, new.local_count) = self.write_locals(&old, server)?;
        new.members = match self.write_members(old.members, members) {
            Ok(members) => members,
            Err(error) => {
                // The new local addresses are in force, so that the old ones can go.
                self.store_virtual(
                    slot,
                    &VirtualSlot {
                        local_first: new.local_first,
                        local_count: new.local_count,
                        ..old
                    },
                );
                return Err(error);
            }
        };
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
        self.store_virtual(slot, &new);
        Ok(())
    }

    /// Writes what this side decides; the programs' counters and rotors stay theirs.
    fn store_virtual(&self, slot: u32, new: &VirtualSlot) {
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
            (&raw mut (*pointer).weighted).write_volatile(new.weighted);
            (&raw mut (*pointer).cursor).write_volatile(new.cursor);
            (&raw mut (*pointer).members).write_volatile(new.members);
            (&raw mut (*pointer).mask).write_volatile(new.mask);
            (&raw mut (*pointer).persistence).write_volatile(new.persistence);
            (&raw mut (*pointer).local_first).write_volatile(new.local_first);
            (&raw mut (*pointer).local_count).write_volatile(new.local_count);
            (&raw mut (*pointer).flags).write_volatile(new.flags);
        }
    }

    /// Writes a list of real servers, in place where the run of blocks is long enough: a program
    /// that reads meanwhile meets members only, if perhaps one twice or not at all.
    fn write_members(&mut self, old: u64, members: &[u32]) -> Result<u64, OpError> {
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        if count > 4096 {
            return Err(full("real server of one virtual server", 4096));
        }
        let needed = blocks_for(count);
        let have = blocks_for(high32(old));
        let first = if needed <= have && needed > 0 {
            if needed < have {
                self.old_blocks.push((low32(old) + needed, have - needed));
            }
            low32(old)
        } else {
            // What is there is given up only when there is something in its place.
            let first = match needed {
                0 => 0,
                _ => self
                    .block_slots
                    .take_run(needed)
                    .ok_or_else(|| full("list of real servers", self.block_slots.limit()))?,
            };
            if have > 0 {
                self.old_blocks.push((low32(old), have));
            }
            if needed == 0 {
                return Ok(0);
            }
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

    /// The members of a list.
    pub(super) fn members(&self, list: u64) -> Vec<u32> {
        (0..high32(list))
            .filter_map(|place| {
                let block = self.blocks.read(low32(list) + (place >> 6))?;
                block.members.get(index(place & 63)).copied()
            })
            .filter(|member| *member != NONE)
            .collect()
    }

    fn write_locals(
        &mut self,
        old: &VirtualSlot,
        server: &VirtualServer,
    ) -> Result<(u32, u32), OpError> {
        let wanted: Vec<LocalAddress> = server
            .local_addresses
            .iter()
            .map(|address| {
                let (kept_first, kept_last) = kept_within(self.kept_ports.get(address).copied());
                LocalAddress {
                    address: to_abi(*address),
                    first: FIRST_PORT,
                    last: u16::MAX,
                    kept_first,
                    kept_last,
                    cursor: 0,
                    family: if address.is_ipv6() { 6 } else { 4 },
                }
            })
            .collect();
        let have: Vec<LocalAddress> = (0..old.local_count)
            .filter_map(|place| self.locals.read(old.local_first + place))
            .collect();
        let same = have.len() == wanted.len()
            && have
                .iter()
                .zip(&wanted)
                .all(|(a, b)| a.address == b.address && a.family == b.family);
        if same {
            return Ok((old.local_first, old.local_count));
        }
        let count = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        if count == 0 {
            self.drop_locals(old);
            return Ok((0, 0));
        }
        let first = self
            .local_slots
            .take_run(count)
            .ok_or_else(|| full("local address", self.local_slots.limit()))?;
        self.drop_locals(old);
        for (place, local) in (0..).zip(wanted) {
            self.bits.add(&local.address, false);
            self.locals.write(first + place, local);
        }
        Ok((first, count))
    }

    fn drop_locals(&mut self, old: &VirtualSlot) {
        for place in 0..old.local_count {
            if let Some(local) = self.locals.read(old.local_first + place) {
                self.bits.remove(&local.address, false);
            }
        }
        if old.local_count > 0 {
            self.old_locals.push((old.local_first, old.local_count));
        }
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

/// How many blocks a list of `count` members takes.
fn blocks_for(count: u32) -> u32 {
    count.div_ceil(64)
}

/// The endpoint under which a real server stands in the maps: port 0 where packets keep theirs.
fn abi_endpoint(id: &VirtualServerId, server: &RealServer) -> Endpoint {
    let keeps_port = id.port() == 0
        && (server.endpoint.port == 0
            || !matches!(
                server.method,
                ForwardingMethod::Nat | ForwardingMethod::FullNat
            ));
    Endpoint::new(
        server.endpoint.address,
        if keeps_port { 0 } else { server.endpoint.port },
    )
}

/// A cursor (position after the last choice) in a list that has changed: it stays behind the server
/// that was chosen last; when that one is gone, behind the one before it.
fn moved(before: &[u32], after: &[u32], cursor: u32) -> u32 {
    let mut place = index(cursor);
    while let Some(last) = place.checked_sub(1) {
        if let Some(found) = before
            .get(last)
            .and_then(|server| after.iter().position(|other| other == server))
        {
            return u32::try_from(found + 1).unwrap_or(0);
        }
        place = last;
    }
    0
}

fn kept_within(kept: Option<(u16, u16)>) -> (u16, u16) {
    match kept {
        Some((first, last)) if last >= FIRST_PORT && first <= last => (first.max(FIRST_PORT), last),
        _ => (0, 0),
    }
}

/// The tunnel of a real server's slot.
pub(super) fn tunnel_of(server: &RealSlot) -> Tunnel {
    Tunnel {
        kind: match server.tunnel_kind {
            1 => TunnelKind::Gue {
                port: u16::from_be(server.tunnel_port),
            },
            2 => TunnelKind::Gre,
            _ => TunnelKind::Ipip,
        },
        checksum: match server.tunnel_checksum {
            1 => TunnelChecksum::Outer,
            2 => TunnelChecksum::Remote,
            _ => TunnelChecksum::None,
        },
    }
}

fn method_of(method: &ForwardingMethod) -> (u8, u8, u8, u16) {
    match method {
        ForwardingMethod::Nat => (Method::NAT, 0, 0, 0),
        ForwardingMethod::FullNat => (Method::FULLNAT, 0, 0, 0),
        ForwardingMethod::Tunnel(tunnel) => {
            let (kind, port) = match tunnel.kind {
                TunnelKind::Ipip => (0, 0),
                TunnelKind::Gue { port } => (1, port),
                TunnelKind::Gre => (2, 0),
            };
            let checksum = match tunnel.checksum {
                TunnelChecksum::None => 0,
                TunnelChecksum::Outer => 1,
                TunnelChecksum::Remote => 2,
            };
            (Method::TUNNEL, kind, checksum, port)
        }
        ForwardingMethod::Direct => (Method::DIRECT, 0, 0, 0),
    }
}

fn mask_of(mask: PersistenceMask) -> [u32; 4] {
    match mask {
        PersistenceMask::V4(mask) => [u32::from_ne_bytes(mask.octets()), 0, 0, 0],
        PersistenceMask::V6(_) => {
            let all = IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::MAX));
            to_abi(mask.apply(all))
        }
    }
}

fn scheduler_number(scheduler: Scheduler) -> u32 {
    match scheduler {
        Scheduler::Rr => number::RR,
        Scheduler::Wrr => number::WRR,
        Scheduler::Lc => number::LC,
        Scheduler::Wlc => number::WLC,
        _ => u32::MAX,
    }
}

fn scheduler_of(number: u32) -> Option<Scheduler> {
    Scheduler::ALL
        .into_iter()
        .find(|scheduler| scheduler_number(*scheduler) == number)
}

/// Whether the datapath has this scheduler.
pub(super) fn has_scheduler(scheduler: Scheduler) -> bool {
    scheduler_number(scheduler) != u32::MAX
}

fn full(what: &str, limit: u32) -> OpError {
    OpError::Full {
        what: what.to_owned(),
        limit: wide(limit),
    }
}

fn system(what: &str, error: &dyn std::error::Error) -> OpError {
    OpError::System {
        reason: format!("cannot {what}: {error}"),
    }
}

/// What tests of adoption do to the maps.
#[cfg(test)]
impl Servers {
    pub(super) fn service(&self, key: &ServiceKey) -> Option<u32> {
        self.services.get(&Plain(*key), 0).ok()
    }

    pub(super) fn forget_service(&mut self, id: &VirtualServerId) {
        self.services.remove(&Plain(service_key(id))).unwrap();
    }

    pub(super) fn write_member(&self, first: u32, place: u32, member: u32) {
        let mut block = self.blocks.read(first + (place >> 6)).unwrap();
        block.members[index(place & 63)] = member;
        self.blocks.write(first + (place >> 6), block);
    }

    pub(super) fn set_members(&self, slot: u32, members: u64) {
        let mut found = self.virtual_servers.read(slot).unwrap();
        found.members = members;
        self.virtual_servers.write(slot, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stays_behind_the_server_that_was_chosen_last() {
        assert_eq!(moved(&[3, 2, 1], &[4, 3, 2, 1], 1), 2);
        assert_eq!(moved(&[3, 2, 1], &[3, 1], 2), 1);
        assert_eq!(moved(&[3, 2, 1], &[2, 1], 1), 0);
        assert_eq!(moved(&[], &[1], 0), 0);
    }

    #[test]
    fn kept_ports_below_the_range_do_not_matter() {
        assert_eq!(kept_within(Some((32_768, 60_999))), (32_768, 60_999));
        assert_eq!(kept_within(Some((1024, 4999))), (0, 0));
        assert_eq!(kept_within(Some((1024, 6000))), (5000, 6000));
    }
}
