//! What real servers counted whose slots were given back, for those that are added again soon.
//!
//! The kernel keeps a deleted real server for two minutes after its last connection
//! (`IP_VS_DEST_TRASH_PERIOD`, `net/netfilter/ipvs/ip_vs_ctl.c`), and one that is added again meanwhile
//! goes on counting. It is this daemon's memory: the next one begins without it.

use std::collections::{HashMap as StdMap, VecDeque};

use xvs_datapath::abi::{RealServer as RealSlot, VirtualServer as VirtualSlot};
use xvs_types::{Counters, Endpoint, VirtualServerId};

use super::{
    super::address::{endpoint, service_id},
    Servers,
};

/// Seconds for which it is remembered.
const PERIOD: u32 = 120;

/// A real server of a virtual server.
type Key = (VirtualServerId, Endpoint);

/// Totals by real server.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    totals: StdMap<Key, (Counters, u32)>,
    /// Keys with the jiffies of their noting, the oldest first.
    order: VecDeque<(Key, u32)>,
}

impl Remembered {
    /// Notes totals; nought needs no note.
    fn note(&mut self, key: Key, totals: Counters, now: u32) {
        if totals != Counters::default() {
            self.totals.insert(key, (totals, now));
            self.order.push_back((key, now));
        }
    }

    /// Takes out what is noted of a real server.
    fn take(&mut self, key: &Key) -> Option<Counters> {
        self.totals.remove(key).map(|(totals, _)| totals)
    }

    /// Forgets what is too old.
    fn forget(&mut self, now: u32, hz: u32) {
        while let Some((key, since)) = self.order.front()
            && now.wrapping_sub(*since) >= PERIOD.saturating_mul(hz)
        {
            // What was noted anew since has a later place in the order.
            if self
                .totals
                .get(key)
                .is_some_and(|(_, noted)| noted == since)
            {
                self.totals.remove(key);
            }
            self.order.pop_front();
        }
    }
}

impl Servers {
    /// Forgets what deleted real servers counted too long ago.
    pub(in crate::bpf) fn forget_bygone(&mut self, now: u32) {
        self.remembered.forget(now, self.hz);
    }

    /// Forgets what all deleted real servers counted.
    #[cfg(feature = "testing")]
    pub(in crate::bpf) fn forget_all_bygone(&mut self) {
        self.remembered = Remembered::default();
    }

    /// Remembers what a real server counted whose slot is given back.
    pub(super) fn remember(&mut self, found: &RealSlot, now: u32) {
        let owner = self.virtual_servers.read(found.virtual_server);
        let Some(id) = owner.and_then(|owner: VirtualSlot| service_id(&owner.key)) else {
            return;
        };
        let endpoint = endpoint(&found.address, found.port, found.family == 6);
        let totals = Counters {
            connections: found.connections,
            packets_in: found.packets_in,
            packets_out: found.packets_out,
            bytes_in: found.bytes_in,
            bytes_out: found.bytes_out,
        };
        self.remembered.note((id, endpoint), totals, now);
    }

    /// Lets the real server in a new slot go on counting where it stopped. The virtual server counts
    /// that among what is gone, or counts from nought: either way it is not counted once more.
    pub(super) fn go_on_counting(&mut self, slot: u32, found: &mut RealSlot, key: &Key) {
        let Some(totals) = self.remembered.take(key) else {
            return;
        };
        found.connections = totals.connections;
        found.packets_in = totals.packets_in;
        found.packets_out = totals.packets_out;
        found.bytes_in = totals.bytes_in;
        found.bytes_out = totals.bytes_out;
        let bygone = self.bygone(found.virtual_server);
        let less = Counters {
            connections: 0,
            packets_in: bygone.packets_in.wrapping_sub(totals.packets_in),
            packets_out: bygone.packets_out.wrapping_sub(totals.packets_out),
            bytes_in: bygone.bytes_in.wrapping_sub(totals.bytes_in),
            bytes_out: bygone.bytes_out.wrapping_sub(totals.bytes_out),
        };
        self.set_bygone(found.virtual_server, &less);
        self.returned.push((slot, totals));
    }

    /// The slots of real servers that go on counting since this was asked last, with what they counted.
    pub(in crate::bpf) fn take_returned(&mut self) -> Vec<(u32, Counters)> {
        std::mem::take(&mut self.returned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_remembered_for_two_minutes_after_the_last_note() {
        let endpoint = |address: &str| Endpoint::new(address.parse().unwrap(), 80);
        let key = (
            VirtualServerId::tcp(endpoint("192.0.2.1")),
            endpoint("192.0.2.9"),
        );
        let totals = |connections| Counters {
            connections,
            ..Counters::default()
        };
        let mut remembered = Remembered::default();
        remembered.note(key, totals(1), u32::MAX - 10);
        remembered.note(key, totals(2), 500);
        remembered.forget(11_989, 100);
        remembered.forget(12_499, 100);
        assert_eq!(remembered.take(&key), Some(totals(2)));
        assert_eq!(remembered.take(&key), None);
        remembered.note(key, totals(3), 600);
        remembered.forget(12_600, 100);
        assert_eq!(remembered.take(&key), None);
        assert!(remembered.order.is_empty());
    }
}
