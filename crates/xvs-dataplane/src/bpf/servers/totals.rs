//! Totals of what servers counted, beside what their living connections hold.

use std::sync::atomic::Ordering;

use xvs_types::Counters;

use super::{
    super::{memory::atomic64, table::Live},
    Servers,
};

impl Servers {
    /// Makes a real server's totals nought, where `live` is what its entries hold.
    pub(in crate::bpf) fn zero_real(&self, slot: u32, live: &Live) {
        let server = self.real_servers.at(slot);
        if server.is_null() {
            return;
        }
        // SAFETY: the slot is mapped.
        unsafe {
            atomic64(&raw mut (*server).connections).store(0, Ordering::Release);
            for (word, counted) in [
                (&raw mut (*server).packets_in, live.packets_in),
                (&raw mut (*server).packets_out, live.packets_out),
                (&raw mut (*server).bytes_in, live.bytes_in),
                (&raw mut (*server).bytes_out, live.bytes_out),
            ] {
                atomic64(word).store(counted.wrapping_neg(), Ordering::Release);
            }
        }
    }

    /// Makes a virtual server's count of connections nought.
    pub(in crate::bpf) fn zero_virtual(&self, slot: u32) {
        let server = self.virtual_servers.at(slot);
        if !server.is_null() {
            // SAFETY: the slot is mapped.
            unsafe { atomic64(&raw mut (*server).connections) }.store(0, Ordering::Release);
        }
    }

    /// What a virtual server's real servers counted that are gone; without connections, which the
    /// virtual server counts itself.
    pub(in crate::bpf) fn bygone(&self, slot: u32) -> Counters {
        let found = self.virtual_servers.read(slot).unwrap_or_default();
        Counters {
            connections: 0,
            packets_in: found.bygone_packets_in,
            packets_out: found.bygone_packets_out,
            bytes_in: found.bygone_bytes_in,
            bytes_out: found.bygone_bytes_out,
        }
    }

    /// Changes what [`Servers::bygone`] answers. It stands in the map, where the next daemon finds it;
    /// the programs do not look at it.
    pub(in crate::bpf) fn set_bygone(&self, slot: u32, counters: &Counters) {
        let server = self.virtual_servers.at(slot);
        if server.is_null() {
            return;
        }
        // SAFETY: the slot is mapped; nobody else writes these fields.
        unsafe {
            (&raw mut (*server).bygone_packets_in).write_volatile(counters.packets_in);
            (&raw mut (*server).bygone_packets_out).write_volatile(counters.packets_out);
            (&raw mut (*server).bygone_bytes_in).write_volatile(counters.bytes_in);
            (&raw mut (*server).bygone_bytes_out).write_volatile(counters.bytes_out);
        }
    }
}
