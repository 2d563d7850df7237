//! The link-layer addresses whose frames may open connections: all of them in a hash, and the first one of
//! each link in an array too, where programs look first.

use xvs_datapath::abi::{LINKS, LinkMac};

use super::{memory::Mapped, pairs::Pairs};

/// Both maps.
pub(super) struct Macs {
    all: Pairs<LinkMac, u32>,
    first: Mapped<u64>,
}

impl Macs {
    /// Of these maps, as a daemon before left them.
    pub(super) fn new(all: Pairs<LinkMac, u32>, first: Mapped<u64>) -> Self {
        Self { all, first }
    }

    /// Notes the addresses of a link in place of those before; answers what could not be noted.
    pub(super) fn set(&mut self, ifindex: u32, keys: &[LinkMac], flags: u32) -> Vec<String> {
        self.note(ifindex, keys.first().map_or(0, |key| key.noted(flags)));
        let inserted = keys.iter().map(|key| self.all.insert(*key, flags));
        let failures = inserted
            .filter_map(Result::err)
            .map(|error| error.to_string())
            .collect();
        self.remove(ifindex, keys);
        failures
    }

    /// Forgets the addresses of a link.
    pub(super) fn forget(&mut self, ifindex: u32) {
        self.note(ifindex, 0);
        self.remove(ifindex, &[]);
    }

    fn note(&self, ifindex: u32, word: u64) {
        let place = self.first.at(ifindex);
        if ifindex < LINKS && !place.is_null() {
            // SAFETY: the word is mapped, and written whole.
            unsafe { place.write_volatile(word) };
        }
    }

    fn remove(&mut self, ifindex: u32, except: &[LinkMac]) {
        let stale: Vec<LinkMac> = self
            .all
            .entries()
            .into_iter()
            .map(|(key, _flags)| key)
            .filter(|key| key.ifindex == ifindex && !except.contains(key))
            .collect();
        for key in stale {
            if !self.all.remove(&key) {
                tracing::debug!(ifindex, "an address of a link was gone");
            }
        }
    }
}
