//! Announcing the addresses of a master to the hosts and switches of its links.

use std::{net::IpAddr, time::Duration};

use xvs_net::{Announcement, Sysctl};
use xvs_vrrp::Name;

use super::{super::plan::Holding, Holder};

impl Holder {
    /// Announces every address that `router` holds; a round goes over all of them before the next.
    pub(super) async fn announce(&self, router: &Name, rounds: u8) {
        let (Some(held), Some(holding)) = (self.held.get(router), self.plan.holdings.get(router))
        else {
            return;
        };
        let announcements: Vec<(u32, Announcement, Duration)> = held
            .addresses
            .iter()
            .filter_map(|address| {
                // Links without Ethernet addresses have nobody to tell.
                let link = self.link(&address.link).filter(|link| link.ethernet)?;
                let announcement = Announcement {
                    address: address.address,
                    mac: link.mac?,
                    router: address.address.is_ipv6() && forwards(&link.name),
                };
                let pause = self.pause(holding, &address.link, address.address);
                Some((link.index, announcement, pause))
            })
            .collect();
        for _round in 0..rounds {
            for (ifindex, announcement, pause) in &announcements {
                if let Err(error) = self.announcer.send(*ifindex, announcement) {
                    self.trouble(format!("({router}) {error}"));
                }
                if !pause.is_zero() {
                    tokio::time::sleep(*pause).await;
                }
            }
        }
    }

    /// The pause after an announcement: that of the virtual router or of the interface's `garp_group`.
    fn pause(&self, holding: &Holding, link: &Name, address: IpAddr) -> Duration {
        let vmacs = holding.vmac.iter().chain(&holding.other_vmacs);
        let base = vmacs
            .filter(|vmac| vmac.link == *link)
            .map(|vmac| &vmac.base)
            .next();
        let of_link = self.plan.pauses.get(base.unwrap_or(link));
        let of_link = of_link.copied().unwrap_or_default();
        holding.pauses.after(address).max(of_link.after(address))
    }
}

/// Whether this host forwards what comes in by the link: hosts drop a default router that says it is
/// none.
fn forwards(link: &str) -> bool {
    Sysctl::ipv6_link(link, "forwarding")
        .and_then(|sysctl| sysctl.number().ok())
        .is_some_and(|value| value > 0)
}
