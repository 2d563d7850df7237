//! The host's own IPv4 addresses in the map of virtual servers: packets that claim to come from them open
//! no connection, as in the kernel.

use std::{collections::BTreeSet, net::IpAddr};

use xvs_datapath::abi::{Address, ServiceKey};

use super::{Servers, to_abi};
use crate::Prefix;

/// What stands in the map where a virtual server has its slot.
const OWN: u32 = 0;

impl Servers {
    /// Brings the map to the addresses among what is local.
    pub(super) fn note_own(&mut self, prefixes: &[Prefix]) {
        let wanted: BTreeSet<Address> = prefixes
            .iter()
            .filter(|prefix| matches!(prefix.address, IpAddr::V4(_)) && prefix.length == 32)
            .map(|prefix| to_abi(prefix.address))
            .collect();
        let before = match self.own.take() {
            Some(own) => own,
            // What a daemon before this one noted.
            None => {
                let noted = self.noted();
                for address in &noted {
                    self.bits.add_own(address);
                }
                noted
            }
        };
        for gone in before.difference(&wanted) {
            self.services.remove(&ServiceKey::host(*gone));
            self.bits.remove_own(gone);
        }
        for new in wanted.difference(&before) {
            // First, for a look in vain is but slow.
            self.bits.add_own(new);
            if let Err(error) = self.services.insert(ServiceKey::host(*new), OWN) {
                tracing::warn!(%error, "an address of this host is not noted; packets that claim to come from it may open connections");
            }
        }
        self.own = Some(wanted);
    }

    fn noted(&self) -> BTreeSet<Address> {
        let entries = self.services.entries().into_iter();
        entries
            .filter(|(key, _)| *key == ServiceKey::host(key.address))
            .map(|(key, _)| key.address)
            .collect()
    }
}
