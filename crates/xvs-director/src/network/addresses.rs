//! Which local addresses of FULLNAT must be added to which link, and which must go.
//!
//! A local address is where real servers answer to, so it must be an address of this host. One that
//! the administrator has set up is left alone; any other is added with the first real server, to the
//! link that leads there or to the loopback link when no route does, and removed with its last
//! virtual server.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use xvs_dataplane::Route;
use xvs_types::Rule;

use super::view::View;
use crate::AddedAddress;

/// What has to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AddressPlan {
    /// Addresses to add.
    pub(super) add: Vec<AddedAddress>,
    /// Addresses of ours to remove.
    pub(super) remove: Vec<AddedAddress>,
}

/// Compares what `rules` want with what was added before and what the host has.
pub(super) fn plan<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    routes: &BTreeMap<IpAddr, Option<Route>>,
    view: &View,
    added: &[AddedAddress],
) -> AddressPlan {
    let mut plan = AddressPlan::default();
    let mut wanted = BTreeSet::new();
    for (virtual_server, real_servers) in rules {
        for address in &virtual_server.local_addresses {
            if !wanted.insert(*address) {
                continue;
            }
            let ours = added.iter().find(|one| one.address == *address);
            if view.has_address(*address) || real_servers.is_empty() {
                continue;
            }
            // It was ours and is gone: its link was deleted, or somebody removed it.
            if let Some(ours) = ours {
                plan.remove.push(ours.clone());
            }
            let on_the_way = real_servers.iter().find_map(|real_server| {
                let route = (*routes.get(&real_server.endpoint.address)?)?;
                (!route.local).then_some(route.ifindex)
            });
            let loopback = || view.links.iter().find(|link| link.loopback);
            if let Some(ifindex) = on_the_way.or_else(|| Some(loopback()?.index)) {
                plan.add.push(AddedAddress {
                    address: *address,
                    ifindex,
                });
            }
        }
    }
    let unwanted = added.iter().filter(|one| !wanted.contains(&one.address));
    plan.remove.extend(unwanted.cloned());
    plan
}

#[cfg(test)]
mod tests {
    use xvs_net::{LinkAddress, LinkInfo};
    use xvs_types::{Endpoint, RealServer, VirtualServer, VirtualServerId};

    use super::*;

    const LOCAL: &str = "172.24.101.135";

    fn rules(local_addresses: &[&str]) -> Vec<Rule> {
        let id = VirtualServerId::tcp("202.103.106.5:80".parse().unwrap());
        let mut virtual_server = VirtualServer::new(id);
        virtual_server.local_addresses = local_addresses
            .iter()
            .map(|one| one.parse().unwrap())
            .collect();
        let real_server = RealServer::new(Endpoint::new("172.16.0.2".parse().unwrap(), 8000));
        vec![(virtual_server, vec![real_server])]
    }

    fn routes() -> BTreeMap<IpAddr, Option<Route>> {
        let route = Route {
            ifindex: 3,
            gateway: None,
            source: None,
            mtu: 1500,
            local: false,
        };
        BTreeMap::from([("172.16.0.2".parse().unwrap(), Some(route))])
    }

    fn view(addresses: &[&str]) -> View {
        View {
            links: vec![LinkInfo {
                index: 1,
                name: "lo".to_owned(),
                mac: None,
                mtu: 65_536,
                mtu_v6: 65_536,
                up: true,
                carrier: true,
                loopback: true,
                ethernet: false,
                kind: None,
                master: None,
                lower: None,
            }],
            addresses: addresses
                .iter()
                .map(|address| LinkAddress {
                    ifindex: 3,
                    address: address.parse().unwrap(),
                    length: 32,
                    tentative: false,
                })
                .collect(),
            ..View::default()
        }
    }

    fn added(ifindex: u32) -> AddedAddress {
        AddedAddress {
            address: LOCAL.parse().unwrap(),
            ifindex,
        }
    }

    #[test]
    fn a_missing_local_address_goes_to_the_link_of_the_real_server() {
        let plan = plan(&rules(&[LOCAL, LOCAL]), &routes(), &view(&[]), &[]);
        assert_eq!(plan.add, [added(3)]);
        assert_eq!(plan.remove, []);
    }

    #[test]
    fn no_real_server_needs_no_local_address() {
        let mut rules = rules(&[LOCAL]);
        rules[0].1.clear();
        assert_eq!(
            plan(&rules, &routes(), &view(&[]), &[]),
            AddressPlan::default()
        );
    }

    #[test]
    fn without_a_route_it_goes_to_the_loopback_link() {
        let plan = plan(&rules(&[LOCAL]), &BTreeMap::new(), &view(&[]), &[]);
        assert_eq!(plan.add, [added(1)]);
    }

    #[test]
    fn an_address_of_the_administrator_is_neither_added_nor_removed() {
        let there = view(&[LOCAL]);
        assert_eq!(
            plan(&rules(&[LOCAL]), &routes(), &there, &[]),
            AddressPlan::default()
        );
        assert_eq!(
            plan(&rules(&[]), &routes(), &there, &[]),
            AddressPlan::default()
        );
    }

    #[test]
    fn an_address_of_ours_stays_as_long_as_it_is_wanted() {
        let there = view(&[LOCAL]);
        assert_eq!(
            plan(&rules(&[LOCAL]), &routes(), &there, &[added(3)]),
            AddressPlan::default()
        );
        let plan = plan(&rules(&[]), &routes(), &there, &[added(3)]);
        assert_eq!(plan.remove, [added(3)]);
        assert_eq!(plan.add, []);
    }

    #[test]
    fn an_address_of_ours_that_vanished_is_added_again() {
        let plan = plan(&rules(&[LOCAL]), &routes(), &view(&[]), &[added(7)]);
        assert_eq!(plan.remove, [added(7)]);
        assert_eq!(plan.add, [added(3)]);
    }
}
