//! One-packet scheduling: every datagram is a connection of its own.

use super::director::Director;
use crate::{
    Verdict,
    abi::{Counter, Method},
    native::{Datagram, Server, Service, World, run},
};

const CLIENT: &str = "198.51.100.7:40000";
const VIP: &str = "192.0.2.1:53";
const REALS: [&str; 2] = ["10.0.0.1:53", "10.0.0.2:53"];

fn director(method: u8) -> Director {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    let servers = REALS.map(|real| Server::new(method, real));
    world.add(Service::udp(VIP).one_packet(), &servers);
    Director::new(&world)
}

#[test]
fn datagrams_of_one_client_go_round_the_servers_and_leave_no_connection() {
    for method in [Method::DIRECT, Method::NAT] {
        let director = director(method);
        for sent in 1..=6 {
            director.forward(&Datagram::udp(CLIENT, VIP));
            assert_eq!(director.states(), (vec![], vec![]));
            assert_eq!(director.counted(Counter::Opened), sent);
        }
        for server in 0..2 {
            let found = director.server(server);
            assert_eq!((found.connections, found.packets_in), (3, 3));
            assert_eq!(director.counts(server), (0, 0));
        }
        director.audit();
    }
}

#[test]
fn a_reply_under_nat_passes_untouched_as_in_the_kernel() {
    let director = director(Method::NAT);
    director.forward(&Datagram::udp(CLIENT, VIP));
    let reply = Datagram::udp(REALS[0], CLIENT);
    assert_eq!(director.send(&reply), Verdict::PASS);
}

#[test]
fn what_xdp_leaves_to_tcx_is_one_connection() {
    let mut world = World::new().unresolved("10.0.9.9");
    let server = Server::new(Method::DIRECT, "10.0.9.9:0").unknown_next_hop();
    world.add(Service::udp(VIP).one_packet(), &[server]);
    let director = Director::new(&world);
    let datagram = Datagram::udp(CLIENT, VIP);
    assert_eq!(director.send(&datagram), Verdict::PASS);
    let mut buffer = director.buffer(&datagram);
    assert_eq!(run(&mut buffer, &director.cpu), Verdict::NEIGHBOUR);
    assert_eq!(director.counted(Counter::Opened), 1);
    assert_eq!(director.states(), (vec![], vec![]));
    director.audit();
}
