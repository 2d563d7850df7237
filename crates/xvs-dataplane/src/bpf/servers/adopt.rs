//! What the maps of a daemon before hold: slots in use, and the rules that they show.

use xvs_datapath::abi::{real_server_flag, virtual_server_flag};
use xvs_types::{RealServer, Rule, VirtualServer, VirtualServerId};

use super::{
    super::address::{endpoint, service_id},
    Servers,
    words::{rule_of, scheduler_of},
};

impl Servers {
    /// Takes up what the slots say.
    pub(super) fn adopt(&mut self) {
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
            if found.flags & virtual_server_flag::AVAILABLE == 0 {
                self.left.virtual_servers.insert(slot);
            }
            self.bits.add_key(&found.key);
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
            self.index((found.virtual_server, endpoint), slot);
            if found.flags & real_server_flag::AVAILABLE == 0 {
                self.left.real_servers.insert(slot);
            }
            self.bits.add(&found.address, true);
        }
        self.bits.forget_unknown();
    }

    /// The rules as far as the maps have them, in the order of slots.
    pub(in crate::bpf) fn rules(&self) -> Vec<Rule> {
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
}
