//! Taking up the maps of a daemon that is gone, and may have died between any two writes.
//!
//! The rules that the maps show are compared with those of the file by the director; what no rule
//! shows is seen to here: ways, claims, counts, and whatever was changed by half.

use std::{
    collections::{HashMap as StdMap, HashSet},
    net::IpAddr,
    sync::atomic::Ordering,
};

use xvs_datapath::abi::{RealServer, real_server_flag};
use xvs_types::VirtualServerId;

use super::{
    Bpf,
    address::endpoint,
    memory::{atomic32, wait_for_programs},
    servers::Servers,
    table::Counts,
    ways::Way,
};

impl Bpf {
    /// Takes up what is there, before anything is changed.
    pub(super) fn adopt(&mut self) {
        for (address, way) in self.servers.ways() {
            self.ways.adopt(address, way);
        }
        self.table4.free_abandoned();
        self.table6.free_abandoned();
        self.correct_counts();
        self.adopt_rates();
    }

    /// Makes the real servers count what the tables hold: a daemon that died may have freed an entry
    /// and not settled it, or the other way round. A server whose counts the programs change meanwhile
    /// is left alone: at a steady rate even their differences are the same each time. A difference that
    /// is there three times is ours.
    fn correct_counts(&self) {
        let look = || {
            wait_for_programs();
            let before = self.servers.counts();
            let mut counted = StdMap::new();
            self.table4.count_connections(&mut counted);
            self.table6.count_connections(&mut counted);
            self.servers.surplus(&before, &counted)
        };
        let (first, second) = (look(), look());
        if first.is_empty() || second.is_empty() {
            return;
        }
        let third = look();
        for (slot, surplus) in third {
            if first.get(&slot) == Some(&surplus) && second.get(&slot) == Some(&surplus) {
                tracing::info!(slot, ?surplus, "counts of a real server are put right");
                self.servers.correct(slot, surplus);
            }
        }
    }

    /// Brings everything to the rules, whatever the daemon before left half-done.
    pub(super) fn settle(&mut self) {
        self.unsettled = false;
        self.apply_timeouts();
        self.apply_settings();
        let mut ids: HashSet<VirtualServerId> = self.servers.ids().into_iter().collect();
        ids.extend(self.rules.rules().iter().map(|(server, _)| server.id));
        for id in ids {
            if let Err(error) = self.bring(&[id]) {
                tracing::error!(%id, %error, "a virtual server is not what the rules say");
            }
        }
    }
}

impl Servers {
    /// The ways that the real servers' slots have.
    fn ways(&self) -> Vec<(IpAddr, Way)> {
        self.real_slots()
            .filter_map(|slot| self.real_servers.read(slot))
            .filter(|found| found.flags & real_server_flag::AVAILABLE != 0)
            .map(|found| {
                let address = endpoint(&found.address, found.port, found.family == 6).address;
                let way = Way {
                    hop: found.next_hop,
                    source: found.tunnel_source,
                    local: found.flags & real_server_flag::HERE != 0,
                };
                (address, way)
            })
            .collect()
    }

    /// The counts of each real server, with its connections so far: what changes with every one.
    fn counts(&self) -> StdMap<u32, (Counts, u64)> {
        self.real_slots()
            .filter_map(|slot| Some((slot, counts_of(&self.real_servers.read(slot)?))))
            .collect()
    }

    /// By how much the counts of each real server are more than `counted`, where they are what they
    /// were `before` the count.
    fn surplus(
        &self,
        before: &StdMap<u32, (Counts, u64)>,
        counted: &StdMap<u32, Counts>,
    ) -> StdMap<u32, Counts> {
        let differences = self.real_slots().filter_map(|slot| {
            let found = self.real_servers.read(slot)?;
            if before.get(&slot) != Some(&counts_of(&found)) {
                return None;
            }
            let counted = counted.get(&slot).copied().unwrap_or_default();
            let surplus = Counts {
                active: found.active.wrapping_sub(counted.active),
                inactive: found.inactive.wrapping_sub(counted.inactive),
                persistent: found.persistent.wrapping_sub(counted.persistent),
            };
            (surplus != Counts::default()).then_some((slot, surplus))
        });
        differences.collect()
    }

    /// Takes a surplus from a real server's counts.
    fn correct(&self, slot: u32, surplus: Counts) {
        let server = self.real_servers.at(slot);
        if server.is_null() {
            return;
        }
        // SAFETY: the slot is mapped; the counts are changed by atomics alone.
        unsafe {
            for (count, surplus) in [
                (&raw mut (*server).active, surplus.active),
                (&raw mut (*server).inactive, surplus.inactive),
                (&raw mut (*server).persistent, surplus.persistent),
            ] {
                atomic32(count).fetch_sub(surplus, Ordering::AcqRel);
            }
        }
    }
}

/// The counts of a real server's slot, and its connections so far.
fn counts_of(found: &RealServer) -> (Counts, u64) {
    let counts = Counts {
        active: found.active,
        inactive: found.inactive,
        persistent: found.persistent,
    };
    (counts, found.connections)
}

#[cfg(test)]
#[path = "adoption/tests.rs"]
pub(super) mod tests;
