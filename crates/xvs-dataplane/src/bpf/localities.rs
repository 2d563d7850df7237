//! What lblc and lblcr remember of destinations, forgotten with whom it is about: slots are used again,
//! and another virtual or real server must not inherit it.

use std::collections::HashSet;

use xvs_datapath::{
    abi::{Locality, LocalityKey, NONE},
    scheduler::number,
};

use super::{Bpf, pairs::Pairs};

/// Slots whose virtual or real server is another one from now on, or none.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    virtual_servers: HashSet<u32>,
    real_servers: HashSet<u32>,
}

impl Strangers {
    /// Notes the slot of a virtual server that has, or had, this scheduler.
    pub(super) fn note_virtual(&mut self, slot: u32, scheduler: u32) {
        if remembers(scheduler) {
            self.virtual_servers.insert(slot);
        }
    }

    /// Notes the slot of a real server whose virtual server has this scheduler.
    pub(super) fn note_real(&mut self, slot: u32, scheduler: u32) {
        if remembers(scheduler) {
            self.real_servers.insert(slot);
        }
    }

    fn are_none(&self) -> bool {
        self.virtual_servers.is_empty() && self.real_servers.is_empty()
    }
}

/// Whether a scheduler remembers destinations.
fn remembers(scheduler: u32) -> bool {
    [number::LBLC, number::LBLCR].contains(&scheduler)
}

/// The map of destinations.
pub(super) struct Localities(pub(super) Pairs<LocalityKey, Locality>);

impl Localities {
    /// Forgets destinations of these virtual servers, and takes these real servers out of the sets of
    /// the others.
    fn forget(&mut self, strangers: &Strangers) {
        for (key, kept) in self.0.entries() {
            if strangers.virtual_servers.contains(&key.virtual_server) {
                // It may have gone meanwhile, as the one that was used longest ago.
                let _known = self.0.remove(&key);
            } else if let Some(servers) = without(&kept.servers, &strangers.real_servers) {
                let rest = Locality { servers, ..kept };
                if let Err(error) = self.0.insert(key, rest) {
                    tracing::warn!(%error, "a destination is forgotten: its set cannot be written");
                    let _known = self.0.remove(&key);
                }
            }
        }
    }
}

/// A set without some servers; none where it has none of them.
fn without<const PLACES: usize>(set: &[u32; PLACES], gone: &HashSet<u32>) -> Option<[u32; PLACES]> {
    if !set.iter().any(|server| gone.contains(server)) {
        return None;
    }
    let mut rest = [NONE; PLACES];
    let staying = set.iter().filter(|server| !gone.contains(server));
    for (place, server) in rest.iter_mut().zip(staying) {
        *place = *server;
    }
    Some(rest)
}

impl Bpf {
    /// Lets nobody inherit what was remembered of destinations of others.
    pub(super) fn forget_destinations(&mut self) {
        let strangers = self.servers.take_strangers();
        if !strangers.are_none() {
            self.localities.forget(&strangers);
        }
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
