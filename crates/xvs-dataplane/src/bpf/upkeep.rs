//! What time brings: expiry, and counts of what lives.

use std::collections::HashMap as StdMap;

use super::{
    Bpf,
    table::{Clock, Live},
};

/// Tables up to this many entries are gone over as a whole each second, and anew for each listing.
pub(super) const SMALL: u32 = 1 << 20;

/// Seconds in which larger tables are gone over.
const PASS: u32 = 8;

impl Bpf {
    /// Ends what is past its timeout, and counts the rest.
    pub(super) fn sweep(&mut self) {
        let now = self.now();
        let Some(settings) = self.settings.read(0) else {
            return;
        };
        let virtual_servers = &self.servers.virtual_servers;
        let templates = |index: u16| {
            virtual_servers
                .read(index.into())
                .map_or(0, |server| server.persistence)
        };
        let clock = Clock {
            now,
            settings: &settings,
            templates: &templates,
        };
        let reals = &self.servers.real_servers;
        let budget = |capacity: u32| SMALL.max(capacity.div_ceil(PASS));
        let budget4 = budget(self.table4.capacity());
        let budget6 = budget(self.table6.capacity());
        let ended4 = self.table4.sweep(&clock, reals, budget4);
        let ended6 = self.table6.sweep(&clock, reals, budget6);
        let passed = ended4.is_some();
        if let Some(tally) = ended4 {
            self.tally4 = tally;
        }
        if let Some(tally) = ended6 {
            self.tally6 = tally;
        }
        // The IPv6 table is the smaller one: when a pass over the other ends, both have been seen.
        if passed && self.ways.have_waste() {
            let hops = self.tally4.hops.union(&self.tally6.hops).copied().collect();
            let servers = &self.servers;
            self.ways.reclaim(&hops, |address| servers.uses(*address));
        }
    }

    /// Packets and bytes of live entries, as fresh as the size of the tables allows.
    pub(super) fn live(&self) -> StdMap<u32, Live> {
        let mut live = StdMap::new();
        if self.table4.capacity() <= SMALL {
            self.table4.count(&mut live);
            self.table6.count(&mut live);
            return live;
        }
        self.tallied()
    }

    /// Packets and bytes of live entries, as the last pass over the tables found them.
    pub(super) fn tallied(&self) -> StdMap<u32, Live> {
        let mut live = StdMap::new();
        for tally in [&self.tally4, &self.tally6] {
            for (server, counted) in &tally.live {
                let sum: &mut Live = live.entry(*server).or_default();
                sum.packets_in += counted.packets_in;
                sum.packets_out += counted.packets_out;
                sum.bytes_in += counted.bytes_in;
                sum.bytes_out += counted.bytes_out;
            }
        }
        live
    }
}
