//! Slots of servers that no rule has, given back when nothing needs them any more.

use std::collections::BTreeSet;

use xvs_datapath::abi::{RealServer as RealSlot, VirtualServer as VirtualSlot};

use super::{
    super::{
        address::{endpoint, service_id},
        localities::Strangers,
        memory::load32,
    },
    Servers,
};

/// Slots in use that no rule has: those of real servers until their last connection has ended, those
/// of virtual servers until their last real server has.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) real_servers: BTreeSet<u32>,
    pub(super) virtual_servers: BTreeSet<u32>,
}

/// What [`Servers::recycle`] gave back.
pub(in crate::bpf) struct Recycled {
    /// Slots of real servers, with what they held.
    pub(in crate::bpf) real_servers: Vec<(u32, RealSlot)>,
    /// Slots of virtual servers.
    pub(in crate::bpf) virtual_servers: Vec<u32>,
}

impl Servers {
    /// Whether there is anything for [`Servers::recycle`].
    pub(in crate::bpf) fn has_waste(&self) -> bool {
        self.lists.has_waste()
            || self.locals.has_waste()
            || self.ended().next().is_some()
            || self.empty().next().is_some()
    }

    /// Gives back what programs no longer read: to be called after they were waited for.
    pub(in crate::bpf) fn recycle(&mut self, now: u32) -> Recycled {
        self.lists.recycle();
        self.locals.recycle();
        let ended: Vec<u32> = self.ended().collect();
        let real_servers = ended
            .into_iter()
            .filter_map(|slot| Some((slot, self.give_real_back(slot, now)?)))
            .collect();
        let virtual_servers: Vec<u32> = self.empty().collect();
        for slot in &virtual_servers {
            self.give_virtual_back(*slot);
        }
        Recycled {
            real_servers,
            virtual_servers,
        }
    }

    /// Real servers that are not in the rules and whose last connection has ended.
    fn ended(&self) -> impl Iterator<Item = u32> + '_ {
        let left = self.left.real_servers.iter().copied();
        left.filter(|slot| self.has_ended(*slot))
    }

    /// Virtual servers that are not in the rules and have no real server left.
    fn empty(&self) -> impl Iterator<Item = u32> + '_ {
        let left = self.left.virtual_servers.iter().copied();
        left.filter(|slot| !self.by_virtual.contains_key(slot))
    }

    fn has_ended(&self, slot: u32) -> bool {
        !self.is_available(slot) && !self.has_connections(slot)
    }

    /// Whether a real server has connections or templates.
    pub(in crate::bpf) fn has_connections(&self, slot: u32) -> bool {
        let server = self.real_servers.at(slot);
        // SAFETY: the slot is mapped.
        !server.is_null()
            && unsafe {
                load32(&raw mut (*server).active) != 0
                    || load32(&raw mut (*server).inactive) != 0
                    || load32(&raw mut (*server).persistent) != 0
            }
    }

    fn give_real_back(&mut self, slot: u32, now: u32) -> Option<RealSlot> {
        let found = self.real_servers.read(slot)?;
        self.remember(&found, now);
        if let Some(owner) = self.virtual_servers.read(found.virtual_server) {
            self.strangers.note_real(slot, owner.scheduler);
        }
        self.bits.remove(&found.address, true);
        self.set_real_flags(slot, 0);
        self.real_servers.write(slot, RealSlot::default());
        self.real_slots.give(slot, 1);
        self.left.real_servers.remove(&slot);
        let endpoint = endpoint(&found.address, found.port, found.family == 6);
        self.real_index.remove(&(found.virtual_server, endpoint));
        if let Some(slots) = self.by_virtual.get_mut(&found.virtual_server) {
            slots.remove(&slot);
            if slots.is_empty() {
                self.by_virtual.remove(&found.virtual_server);
            }
        }
        if let Some(slots) = self.by_address.get_mut(&endpoint.address) {
            slots.remove(&slot);
            if slots.is_empty() {
                self.by_address.remove(&endpoint.address);
            }
        }
        Some(found)
    }

    fn give_virtual_back(&mut self, slot: u32) {
        // What packets noted after the virtual server was let go.
        self.estrange(slot);
        if let Some(found) = self.virtual_servers.read(slot) {
            self.bits.remove_key(&found.key);
            self.drop_locals(&found);
            self.lists.release(found.members);
            self.lists.release(found.buckets);
            if let Some(id) = service_id(&found.key) {
                self.virtual_index.remove(&id);
            }
        }
        self.set_virtual_flags(slot, 0);
        self.virtual_servers.write(slot, VirtualSlot::default());
        self.virtual_slots.give(slot, 1);
        self.left.virtual_servers.remove(&slot);
    }

    /// Notes that nothing may be remembered of a virtual server's destinations.
    pub(super) fn estrange(&mut self, slot: u32) {
        if let Some(found) = self.virtual_servers.read(slot) {
            self.strangers.note_virtual(slot, found.scheduler);
        }
    }

    /// Slots of which nothing may be remembered, since this was asked last.
    pub(in crate::bpf) fn take_strangers(&mut self) -> Strangers {
        std::mem::take(&mut self.strangers)
    }

    fn drop_locals(&mut self, old: &VirtualSlot) {
        for local in self.locals.addresses(old.local_first, old.local_count) {
            self.bits.remove(&local, false);
        }
        self.locals.release((old.local_first, old.local_count));
    }
}
