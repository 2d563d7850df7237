//! Slots of servers that ended, given back.

use xvs_datapath::abi::{
    RealServer as RealSlot, VirtualServer as VirtualSlot, real_server_flag, virtual_server_flag,
};
use xvs_types::{Endpoint, VirtualServerId};

use super::{super::memory::load32, Servers};

impl Servers {
    /// Real servers that are not in the rules and whose last connection has ended.
    pub(in crate::bpf) fn ended(&self) -> Vec<u32> {
        self.real_index
            .values()
            .copied()
            .filter(|slot| self.has_ended(*slot))
            .collect()
    }

    /// Whether there is anything for [`Servers::recycle`].
    pub(in crate::bpf) fn has_waste(&self) -> bool {
        self.lists.has_waste()
            || self.locals.has_waste()
            || self.real_index.values().any(|slot| self.has_ended(*slot))
            || !self.empty().is_empty()
    }

    /// Gives back what programs no longer read: to be called after they were waited for.
    pub(in crate::bpf) fn recycle(&mut self) {
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

    fn drop_locals(&mut self, old: &VirtualSlot) {
        for local in self.locals.addresses(old.local_first, old.local_count) {
            self.bits.remove(&local, false);
        }
        self.locals.release((old.local_first, old.local_count));
    }
}
