//! What the election must know of interfaces, and the virtual MAC interfaces over them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Instant,
};

use xvs_net::{Changes, Sysctl};
use xvs_vrrp::{Link, Name, TrackerStatus};

use super::{
    super::{elector::Message, plan::Vmac},
    Holder,
};

/// What keepalived sets on a virtual MAC interface: it answers for its own addresses alone, accepts
/// what it sent itself, and is not asked whether packets came by the right way.
const VMAC_SETTINGS: [(&str, u8); 4] = [
    ("arp_ignore", 1),
    ("accept_local", 1),
    ("rp_filter", 0),
    ("promote_secondaries", 1),
];
/// And on the interface below, which must not answer for the addresses above it.
const BASE_SETTINGS: [(&str, u8); 2] = [("arp_ignore", 1), ("arp_filter", 1)];

impl Holder {
    /// Reads what changed of the host's network, and reports what matters.
    pub(super) async fn look(&mut self, changes: &Changes) {
        if changes.everything || changes.links {
            match self.host.links().await {
                Ok(links) => self.links = links,
                Err(error) => self.trouble(error.to_string()),
            }
            self.make_vmacs().await;
        }
        if changes.everything || changes.links || changes.addresses {
            match self.host.addresses().await {
                Ok(addresses) => self.addresses = addresses,
                Err(error) => self.trouble(error.to_string()),
            }
            self.report_vmacs();
            self.report_links();
            self.report_trackers();
            self.report_losses();
        }
        if changes.everything || changes.links || changes.routes || changes.rules {
            self.restore_routing().await;
        }
    }

    /// Tells the election of each interface that it names, where that is news.
    pub(super) fn report_links(&mut self) {
        let routers = self.plan.config.routers().iter();
        let interfaces: BTreeSet<Name> = routers.map(|router| router.interface.clone()).collect();
        self.told.retain(|name, _told| interfaces.contains(name));
        for name in interfaces {
            let up = self.is_up(&name);
            let link = self.link(&name);
            let ifindex = link.map(|link| link.index);
            let report = Link {
                up,
                v4: ifindex.and_then(|ifindex| self.source_v4(ifindex)),
                v6: ifindex.and_then(|ifindex| self.source_v6(ifindex)),
            };
            if self.told.insert(name.clone(), (ifindex, report)) != Some((ifindex, report)) {
                self.tell(Message::Link {
                    name,
                    ifindex,
                    link: report,
                });
            }
        }
    }

    /// Tells the election of each interface that is tracked, where that is news.
    pub(super) fn report_trackers(&mut self) {
        let plan = Arc::clone(&self.plan);
        self.told_trackers.retain(|tracker, _told| {
            plan.interfaces.values().any(|one| one == tracker) || plan.sources.contains_key(tracker)
        });
        let links: Vec<(&Name, bool)> = plan
            .interfaces
            .iter()
            .map(|(interface, tracker)| (tracker, self.is_up(interface)))
            .collect();
        let sources = plan.sources.iter();
        let sources: Vec<(&Name, bool)> = sources
            .map(|(tracker, (interface, source))| (tracker, self.has(interface, *source)))
            .collect();
        for (tracker, up) in links.into_iter().chain(sources) {
            let status = if up {
                TrackerStatus::Up
            } else {
                TrackerStatus::Down
            };
            if self.told_trackers.insert(tracker.clone(), status) != Some(status) {
                self.tell(Message::Tracker(tracker.clone(), status));
            }
        }
    }

    /// Whether an interface is up and running, or counts so yet.
    fn is_up(&mut self, name: &Name) -> bool {
        let up = self.link(name).is_some_and(|link| link.up && link.carrier);
        match self.plan.delays.get(name) {
            Some(delay) => self.settling.settle(Instant::now(), name, up, *delay),
            None => up,
        }
    }

    /// Whether an interface has an address.
    fn has(&self, interface: &Name, address: IpAddr) -> bool {
        let ifindex = self.link(interface).map(|link| link.index);
        self.addresses
            .iter()
            .any(|one| Some(one.ifindex) == ifindex && one.address == address)
    }

    fn report_vmacs(&mut self) {
        let vmacs: BTreeSet<Name> = self.plan.vmacs().map(|vmac| vmac.link.clone()).collect();
        self.told_vmacs.retain(|name, _told| vmacs.contains(name));
        for name in vmacs {
            let ifindex = self.link(&name).map(|link| link.index);
            if self.told_vmacs.insert(name.clone(), ifindex) != Some(ifindex) {
                self.tell(Message::Vmac { name, ifindex });
            }
        }
    }

    /// The first IPv4 address of an interface that is no virtual router's; one that is, where there is
    /// no other, for the owner of an address has it all the time.
    fn source_v4(&self, ifindex: u32) -> Option<Ipv4Addr> {
        let addresses = self.addresses.iter().filter(|one| one.ifindex == ifindex);
        let v4 = addresses.filter_map(|one| match one.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        v4.clone()
            .find(|address| !self.plan.holds(IpAddr::V4(*address)))
            .or_else(|| v4.clone().next())
    }

    /// The same among link-local IPv6 addresses that may be used already.
    fn source_v6(&self, ifindex: u32) -> Option<Ipv6Addr> {
        let addresses = self
            .addresses
            .iter()
            .filter(|one| one.ifindex == ifindex && !one.tentative);
        let v6 = addresses.filter_map(|one| match one.address {
            IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        });
        v6.clone()
            .find(|address| !self.plan.holds(IpAddr::V6(*address)))
            .or_else(|| v6.clone().next())
    }

    /// Makes the virtual MAC interfaces of the plan whose base is there, and removes those of ours that
    /// the plan does not name any more.
    async fn make_vmacs(&mut self) {
        let plan = Arc::clone(&self.plan);
        let wanted: BTreeMap<&Name, &Vmac> = plan.vmacs().map(|vmac| (&vmac.link, vmac)).collect();
        let gone: Vec<Name> = self
            .made
            .iter()
            .filter(|name| !wanted.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.remove_vmac(&name).await;
        }
        for (name, vmac) in wanted {
            let Some(base) = self.link(&vmac.base).map(|link| (link.index, link.up)) else {
                continue;
            };
            if self.link(name).is_none() {
                let made = self.host.add_macvlan(name.as_str(), base.0, vmac.mac);
                if let Err(error) = made.await {
                    self.trouble(error.to_string());
                    continue;
                }
                self.made.insert(name.clone());
                self.remember();
                self.set_up_vmac(vmac);
            }
            match self.host.link_by_name(name.as_str()).await {
                Ok(Some(link)) if !link.up && base.1 => {
                    if let Err(error) = self.host.set_link_up(link.index).await {
                        self.trouble(error.to_string());
                    }
                }
                Ok(_) => {}
                Err(error) => self.trouble(error.to_string()),
            }
        }
        match self.host.links().await {
            Ok(links) => self.links = links,
            Err(error) => self.trouble(error.to_string()),
        }
    }

    fn set_up_vmac(&self, vmac: &Vmac) {
        let of_vmac = VMAC_SETTINGS.map(|(setting, value)| (&vmac.link, setting, value));
        let of_base = BASE_SETTINGS.map(|(setting, value)| (&vmac.base, setting, value));
        for (link, setting, value) in of_vmac.into_iter().chain(of_base) {
            if let Some(sysctl) = Sysctl::ipv4_link(link.as_str(), setting)
                && let Err(error) = sysctl.set(value)
            {
                self.trouble(error.to_string());
            }
        }
    }

    pub(super) async fn remove_vmac(&mut self, name: &Name) {
        self.made.remove(name);
        if let Some(link) = self.link(name)
            && let Err(error) = self.host.remove_link(link.index).await
        {
            self.trouble(error.to_string());
        }
    }
}
