//! Virtual and real servers in the maps.
//!
//! Whatever an op was, its virtual server is brought to what the rule base says of it: that is the
//! same work for an op, for a restore and for a daemon that takes up maps it finds. A server that is
//! no longer in the rules keeps its slot, marked unavailable, until its last connection has ended; one
//! that is added again meanwhile finds its counters and connections there.

mod adopt;
mod lists;
mod locals;
mod own;
mod remembered;
mod totals;
mod waste;
mod words;
mod write;

use std::{
    collections::{BTreeSet, HashMap as StdMap, HashSet},
    net::IpAddr,
    sync::atomic::{Ordering, fence},
};

use xvs_datapath::abi::{
    Address, Block, LocalAddress, RealServer as RealSlot, ServiceKey, VirtualServer as VirtualSlot,
    join, low32, real_server_flag, virtual_server_flag,
};
use xvs_types::{Counters, Endpoint, OpError, RealServer, Rule, VirtualServerId};

use self::{
    lists::Lists,
    locals::Locals,
    remembered::Remembered,
    waste::Left,
    words::{abi_endpoint, full, system},
};
pub(super) use self::{waste::Recycled, words::tunnel_of};
use super::{
    address::{family_number, service_id, service_key, to_abi},
    bits::Bits,
    localities::Strangers,
    memory::Mapped,
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
    /// Slots of real servers by their address.
    by_address: StdMap<IpAddr, BTreeSet<u32>>,
    left: Left,
    /// Virtual servers of which a real server's weight has changed since their list was written.
    reweighted: HashSet<ServiceKey>,
    /// Virtual servers that lingered and were added again.
    restarted: Vec<u32>,
    /// What real servers counted that are gone.
    remembered: Remembered,
    /// Real servers that were added again and go on counting.
    returned: Vec<(u32, Counters)>,
    /// Slots of which nothing may be remembered since this was asked last.
    strangers: Strangers,
    /// What is local to this host; none until it is told.
    prefixes: Option<Vec<Prefix>>,
    /// The host's own addresses that stand in the map; none until they are known.
    own: Option<BTreeSet<Address>>,
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
            by_address: StdMap::new(),
            left: Left::default(),
            reweighted: HashSet::new(),
            restarted: Vec::new(),
            remembered: Remembered::default(),
            returned: Vec::new(),
            strangers: Strangers::default(),
            prefixes: None,
            own: None,
            hz,
        };
        servers.adopt();
        servers
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

    /// Makes the slot of a real server known by its virtual server and by its address.
    fn index(&mut self, key: (u32, Endpoint), slot: u32) {
        let (virtual_server, endpoint) = key;
        self.real_index.insert(key, slot);
        let slots = self.by_virtual.entry(virtual_server).or_default();
        slots.insert(slot);
        let slots = self.by_address.entry(endpoint.address).or_default();
        slots.insert(slot);
    }

    /// Virtual servers that lingered and were added again since this was asked last.
    pub(super) fn take_restarted(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.restarted)
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

    /// The slots of real servers at an address, those that linger included.
    pub(super) fn at_address(&self, address: IpAddr) -> HashSet<u32> {
        let slots = self.by_address.get(&address);
        slots.into_iter().flatten().copied().collect()
    }

    /// Whether any real server of the rules has this address.
    pub(super) fn uses(&self, address: IpAddr) -> bool {
        let slots = self.by_address.get(&address);
        slots
            .into_iter()
            .flatten()
            .any(|slot| self.is_available(*slot))
    }

    /// The virtual server in a slot.
    pub(super) fn id_of(&self, slot: u32) -> Option<VirtualServerId> {
        let found = self.virtual_servers.read(slot)?;
        (found.flags & virtual_server_flag::AVAILABLE != 0)
            .then(|| service_id(&found.key))
            .flatten()
    }

    /// No slot of a real server from here on was ever in use.
    pub(super) fn reached(&self) -> u32 {
        self.real_slots.reached()
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
        self.note_own(prefixes);
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
        self.estrange(slot);
        self.left.virtual_servers.insert(slot);
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
            self.left.real_servers.insert(*index);
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
            if self.left.virtual_servers.contains(&slot) {
                self.restarted.push(slot);
            }
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
        self.left.virtual_servers.insert(slot);
        self.virtual_index.insert(*id, slot);
        self.bits.add_key(&key);
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
        let mut fresh = RealSlot {
            address,
            port: endpoint.port.to_be(),
            family: family_number(endpoint.family()),
            virtual_server: virtual_slot,
            ..RealSlot::default()
        };
        self.go_on_counting(slot, &mut fresh, &(*id, endpoint));
        self.real_servers.write(slot, fresh);
        self.set_real_flags(slot, real_server_flag::IN_USE);
        self.left.real_servers.insert(slot);
        self.index(key, slot);
        self.bits.add(&address, true);
        Ok(slot)
    }

    /// The members of a list.
    pub(super) fn members(&self, list: u64) -> Vec<u32> {
        self.lists.read(list)
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
