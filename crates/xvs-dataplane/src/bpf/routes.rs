//! Routes to real servers, brought into their slots.

use std::net::IpAddr;

use super::Bpf;
use crate::Route;

impl Bpf {
    /// Notes the route to a real server, as [`crate::Dataplane::set_route`] says.
    pub(super) fn follow_route(&mut self, destination: IpAddr, route: Option<Route>) {
        let before = self.ways.of(destination);
        let way = self.ways.set(destination, route);
        if before == Some(way) {
            return;
        }
        let slots = self.servers.at_address(destination);
        // Only one that became local or ceased to be must be written anew, by its rule.
        for id in self.servers.lead(&slots, way) {
            if let Err(error) = self.bring(&[id]) {
                tracing::error!(%destination, %error, "a route could not be noted");
            }
        }
        if let Some(before) = before.filter(|before| before.hop != 0 && before.hop != way.hop) {
            if self.is_scanned() {
                self.forget_ways(&slots);
            } else {
                self.ways.note_left(before.hop);
            }
        }
    }

    /// Has the connections that go by a next hop which a route has left ask for their way, as
    /// [`crate::Dataplane::routes_are_told`] says. No entry is looked for: those that hold the index of the old
    /// one find it unknown, and those that stay with it learn its new index.
    pub(super) fn turn_away(&mut self) {
        for (destination, way) in self.ways.turn_away() {
            let slots = self.servers.at_address(destination);
            self.servers.lead(&slots, way);
        }
    }
}

#[cfg(test)]
mod tests {
    use xvs_datapath::abi::{HopKind, NextHop};
    use xvs_types::{Endpoint, Op, RealServer, VirtualServer, VirtualServerId};

    use super::*;
    use crate::{Atomicity, Dataplane, Mac, NeighbourKey, bpf::adoption::tests::Place};

    const LINK: u32 = 1;

    fn gateway(last: u8) -> IpAddr {
        [10, 9, 9, last].into()
    }

    fn real_server(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn lead(bpf: &mut Bpf, last: u8, by: u8) {
        let route = Route {
            ifindex: LINK,
            gateway: Some(gateway(by)),
            source: None,
            mtu: 1500,
            local: false,
        };
        bpf.set_route(real_server(last), Some(route));
    }

    /// Two real servers behind gateway 1, and the link-layer addresses of two gateways.
    fn behind_one_gateway(bpf: &mut Bpf) {
        let id = VirtualServerId::tcp(Endpoint::new([192, 0, 2, 1].into(), 80));
        let mut ops = vec![Op::AddVirtualServer {
            virtual_server: VirtualServer::new(id),
        }];
        ops.extend([1, 2].map(|last| Op::AddRealServer {
            virtual_server: id,
            real_server: RealServer::new(Endpoint::new(real_server(last), 80)),
        }));
        for result in bpf.apply(&ops, Atomicity::AllOrNothing) {
            result.unwrap();
        }
        for last in [1, 2] {
            lead(bpf, last, 1);
        }
        bpf.routes_are_told();
        resolve(bpf, 1);
    }

    fn resolve(bpf: &mut Bpf, last: u8) {
        let neighbour = NeighbourKey {
            ifindex: LINK,
            address: gateway(last),
        };
        bpf.set_neighbour(neighbour, Some((Mac([2; 6]), Mac([last; 6]))));
    }

    fn hop_of(bpf: &Bpf, last: u8) -> u16 {
        let slots = bpf.servers.at_address(real_server(last));
        let slot = slots.into_iter().next().unwrap();
        bpf.servers.real_servers.read(slot).unwrap().next_hop
    }

    #[test]
    fn root_in_a_large_table_nothing_goes_on_by_a_gateway_that_a_route_left() {
        let Some(place) = Place::new("gateways") else {
            return;
        };
        let mut bpf = place.open_for(400_000);
        assert!(!bpf.is_scanned(), "the table is small");
        behind_one_gateway(&mut bpf);
        let old = hop_of(&bpf, 1);
        let known = bpf.ways.hops.get(old);
        assert_eq!((known.kind, hop_of(&bpf, 2)), (HopKind::KNOWN, old));
        lead(&mut bpf, 1, 2);
        bpf.routes_are_told();
        resolve(&mut bpf, 2);
        let (moved, stayed) = (hop_of(&bpf, 1), hop_of(&bpf, 2));
        // Connections that hold the old index ask, whichever their server is.
        let asks = NextHop {
            kind: HopKind::ASK,
            ..known
        };
        assert_eq!(bpf.ways.hops.get(old), asks);
        assert!(![moved, stayed].contains(&old) && moved != stayed);
        assert_eq!(bpf.ways.hops.get(stayed), known);
        assert_eq!(bpf.ways.hops.get(moved).mac0, u64::from_ne_bytes([2; 8]));
    }

    #[test]
    fn root_a_gateway_that_all_left_is_given_up_at_once() {
        let Some(place) = Place::new("left") else {
            return;
        };
        let mut bpf = place.open_for(400_000);
        behind_one_gateway(&mut bpf);
        let old = hop_of(&bpf, 1);
        for last in [1, 2] {
            lead(&mut bpf, last, 2);
        }
        bpf.routes_are_told();
        assert_eq!(bpf.ways.hops.get(old).kind, HopKind::ASK);
        assert_eq!(hop_of(&bpf, 1), hop_of(&bpf, 2));
        let left = NeighbourKey {
            ifindex: LINK,
            address: gateway(1),
        };
        assert!(!bpf.neighbours().contains(&left));
    }
}
