//! What the rules need of the host's network, kept up to date by what changes in them.
//!
//! Addresses are counted by their users, so that one comes with its first and goes with its last.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use xvs_types::{Rule, VirtualServerId};

use crate::changes::RuleChanges;

/// The addresses of the rules.
#[derive(Debug, Default)]
pub(super) struct Footprint {
    /// The real servers' addresses of each virtual server.
    servers: HashMap<VirtualServerId, Vec<IpAddr>>,
    vips: BTreeMap<IpAddr, usize>,
    real_servers: BTreeMap<IpAddr, usize>,
    /// The rules with local addresses.
    with_local_addresses: BTreeMap<VirtualServerId, Rule>,
}

/// What a change of the rules means for the network.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shift {
    /// Whether virtual servers came or went.
    pub(super) virtual_servers: bool,
    /// Whether addresses of virtual or real servers came or went.
    pub(super) addresses: bool,
    /// Real servers' addresses that came.
    pub(super) arrived: BTreeSet<IpAddr>,
    /// Real servers' addresses that went.
    pub(super) left: BTreeSet<IpAddr>,
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
                shift.addresses = true;
                shift.arrived.insert(*address);
            }
        }
        if id.vip().is_some_and(|vip| add(&mut self.vips, vip)) {
            shift.addresses = true;
        }
        if !virtual_server.local_addresses.is_empty() {
            self.with_local_addresses.insert(id, rule.clone());
        }
        shift.virtual_servers |= self.servers.insert(id, addresses).is_none();
    }

    fn forget(&mut self, id: &VirtualServerId, shift: &mut Shift) {
        let Some(addresses) = self.servers.remove(id) else {
            return;
        };
        for address in addresses {
            if remove(&mut self.real_servers, address) && !shift.arrived.remove(&address) {
                shift.addresses = true;
                shift.left.insert(address);
            }
        }
        if id.vip().is_some_and(|vip| remove(&mut self.vips, vip)) {
            shift.addresses = true;
        }
        self.with_local_addresses.remove(id);
        shift.virtual_servers = true;
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
        assert!(shift.virtual_servers && !shift.addresses);
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
            assert_eq!((shift.arrived, shift.left), Default::default());
            assert_eq!(footprint.real_servers().len(), 1);
        }
    }
}
