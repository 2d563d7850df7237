//! What the rules need of the host's network, kept up to date by what changes in them.
//!
//! Addresses are counted by their users, so that one comes with its first and goes with its last.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use xvs_types::{Family, Rule, VirtualServerId};

use crate::changes::RuleChanges;

/// The addresses of the rules.
#[derive(Debug, Default)]
pub(super) struct Footprint {
    /// The real servers' addresses of each virtual server.
    servers: HashMap<VirtualServerId, Vec<IpAddr>>,
    vips: BTreeMap<IpAddr, usize>,
    real_servers: BTreeMap<IpAddr, usize>,
    marks: BTreeSet<(Family, u32)>,
    /// The rules with local addresses.
    with_local_addresses: BTreeMap<VirtualServerId, Rule>,
}

/// What a change of the rules means for the network.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shift {
    /// Addresses of virtual servers that came or went.
    pub(super) vips: BTreeSet<IpAddr>,
    /// Real servers' addresses that came.
    pub(super) arrived: BTreeSet<IpAddr>,
    /// Real servers' addresses that went.
    pub(super) left: BTreeSet<IpAddr>,
}

impl Shift {
    /// Whether any address came or went.
    pub(super) fn moves_addresses(&self) -> bool {
        !(self.vips.is_empty() && self.arrived.is_empty() && self.left.is_empty())
    }

    /// Notes that an address of virtual servers came, or went; one that does both is as it was.
    fn turn_vip(&mut self, vip: IpAddr) {
        if !self.vips.remove(&vip) {
            self.vips.insert(vip);
        }
    }
}

impl Footprint {
    /// Takes up what changed.
    pub(super) fn take(&mut self, changes: RuleChanges) -> Shift {
        let mut shift = Shift::default();
        match changes {
            RuleChanges::All(rules) => {
                let gone: Vec<VirtualServerId> = self.servers.keys().copied().collect();
                for id in gone {
                    self.forget(&id, &mut shift);
                }
                for rule in &rules {
                    self.learn(rule, &mut shift);
                }
            }
            RuleChanges::Some(changes) => {
                for (id, rule) in changes {
                    self.forget(&id, &mut shift);
                    if let Some(rule) = rule {
                        self.learn(&rule, &mut shift);
                    }
                }
            }
        }
        shift
    }

    /// Whether there is no virtual server.
    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// The addresses of virtual servers, ascending.
    pub(super) fn vips(&self) -> Vec<IpAddr> {
        self.vips.keys().copied().collect()
    }

    /// The firewall marks of virtual servers.
    pub(super) const fn marks(&self) -> &BTreeSet<(Family, u32)> {
        &self.marks
    }

    /// The addresses of real servers, ascending.
    pub(super) fn real_servers(&self) -> Vec<IpAddr> {
        self.real_servers.keys().copied().collect()
    }

    /// The rules with local addresses.
    pub(super) fn with_local_addresses(&self) -> impl Iterator<Item = &Rule> {
        self.with_local_addresses.values()
    }

    fn learn(&mut self, rule: &Rule, shift: &mut Shift) {
        let (virtual_server, real_servers) = rule;
        let id = virtual_server.id;
        let addresses: Vec<IpAddr> = real_servers
            .iter()
            .map(|real_server| real_server.endpoint.address)
            .collect();
        for address in &addresses {
            if add(&mut self.real_servers, *address) && !shift.left.remove(address) {
                shift.arrived.insert(*address);
            }
        }
        if let Some(vip) = id.vip()
            && add(&mut self.vips, vip)
        {
            shift.turn_vip(vip);
        }
        if let VirtualServerId::Mark { family, mark } = id {
            self.marks.insert((family, mark));
        }
        if !virtual_server.local_addresses.is_empty() {
            self.with_local_addresses.insert(id, rule.clone());
        }
        self.servers.insert(id, addresses);
    }

    fn forget(&mut self, id: &VirtualServerId, shift: &mut Shift) {
        let Some(addresses) = self.servers.remove(id) else {
            return;
        };
        for address in addresses {
            if remove(&mut self.real_servers, address) && !shift.arrived.remove(&address) {
                shift.left.insert(address);
            }
        }
        if let Some(vip) = id.vip()
            && remove(&mut self.vips, vip)
        {
            shift.turn_vip(vip);
        }
        if let VirtualServerId::Mark { family, mark } = id {
            self.marks.remove(&(*family, *mark));
        }
        self.with_local_addresses.remove(id);
    }
}

/// Counts one user more; answers whether it is the first.
fn add(users: &mut BTreeMap<IpAddr, usize>, address: IpAddr) -> bool {
    let count = users.entry(address).or_default();
    *count += 1;
    *count == 1
}

/// Counts one user less; answers whether it was the last.
fn remove(users: &mut BTreeMap<IpAddr, usize>, address: IpAddr) -> bool {
    let Some(count) = users.get_mut(&address) else {
        return false;
    };
    *count -= 1;
    let last = *count == 0;
    if last {
        users.remove(&address);
    }
    last
}

#[cfg(test)]
mod tests {
    use xvs_types::{Endpoint, RealServer, VirtualServer};

    use super::*;

    fn rule(port: u16, real_servers: &[&str]) -> Rule {
        let id = VirtualServerId::tcp(Endpoint::new("192.0.2.1".parse().unwrap(), port));
        let real_servers = real_servers
            .iter()
            .map(|address| RealServer::new(Endpoint::new(address.parse().unwrap(), 80)))
            .collect();
        (VirtualServer::new(id), real_servers)
    }

    fn some(rules: &[Rule]) -> RuleChanges {
        RuleChanges::Some(
            rules
                .iter()
                .map(|rule| (rule.0.id, Some(rule.clone())))
                .collect(),
        )
    }

    fn addresses(list: &[&str]) -> BTreeSet<IpAddr> {
        list.iter().map(|one| one.parse().unwrap()).collect()
    }

    #[test]
    fn an_address_comes_with_its_first_user_and_goes_with_its_last() {
        let mut footprint = Footprint::default();
        let shift = footprint.take(some(&[rule(80, &["10.0.0.1", "10.0.0.2"])]));
        assert_eq!(shift.arrived, addresses(&["10.0.0.1", "10.0.0.2"]));
        let shift = footprint.take(some(&[rule(81, &["10.0.0.2"])]));
        assert!(!shift.moves_addresses());
        assert_eq!(shift.arrived, BTreeSet::new());
        let shift = footprint.take(RuleChanges::Some(vec![(rule(80, &[]).0.id, None)]));
        assert_eq!(shift.left, addresses(&["10.0.0.1"]));
        assert_eq!(footprint.vips().len(), 1);
        let shift = footprint.take(RuleChanges::All(Vec::new()));
        assert_eq!(shift.left, addresses(&["10.0.0.2"]));
        assert!(footprint.is_empty() && footprint.vips().is_empty());
    }

    #[test]
    fn an_edit_and_a_repetition_move_no_address() {
        let mut footprint = Footprint::default();
        footprint.take(some(&[rule(80, &["10.0.0.1"])]));
        for changes in [
            some(&[rule(80, &["10.0.0.1"])]),
            RuleChanges::All(vec![rule(80, &["10.0.0.1"])]),
        ] {
            let shift = footprint.take(changes);
            assert_eq!(shift, Shift::default());
            assert_eq!(footprint.real_servers().len(), 1);
        }
    }
}
