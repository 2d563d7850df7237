//! SCTP to other ports: the checksum follows them.

use xvs_wire::ipv4;

use super::director::Director;
use crate::{
    Verdict,
    abi::{Counter, Method},
    native::{Datagram, Frame, Server, Service, World, cases::cut, run, sctp},
};

const CLIENT: &str = "198.51.100.7:40000";
const VIP: &str = "192.0.2.1:80";
const REAL: &str = "10.0.0.1:9899";

fn director(service: Service, method: u8) -> Director {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    let service = Service {
        protocol: ipv4::PROTOCOL_SCTP,
        ..service
    };
    world.add(service, &[Server::new(method, REAL)]);
    Director::new(&world)
}

/// The frame of a datagram made one of SCTP, with INIT as its first chunk.
fn init(datagram: &Datagram) -> Vec<u8> {
    sctp(datagram.bytes(), 1)
}

fn send(director: &Director, frame: &[u8], link: u32) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::new(frame, link, &director.routes);
    let verdict = run(&mut frame, &director.cpu);
    (verdict, frame.bytes())
}

#[test]
fn an_association_goes_to_another_port_and_back() {
    let director = director(Service::udp(VIP), Method::NAT);
    let up = Datagram::udp(CLIENT, VIP).payload(24);
    let (verdict, sent) = send(&director, &init(&up), World::CLIENTS);
    assert_eq!(verdict, Verdict::redirect(World::SERVERS));
    assert_eq!(sent, init(&up.to(REAL).forwarded(0)));
    let down = Datagram::udp(REAL, CLIENT).payload(1000);
    let (_, sent) = send(&director, &init(&down), World::SERVERS);
    assert_eq!(sent, init(&down.from(VIP).returned()));
}

#[test]
fn an_association_comes_from_a_port_of_the_directors_own_by_fullnat() {
    let service = Service::udp(VIP).local("10.0.0.100", 5000, 5999);
    let director = director(service, Method::FULLNAT);
    let up = Datagram::udp(CLIENT, VIP).payload(24);
    let (_, sent) = send(&director, &init(&up), World::CLIENTS);
    let leaving = up.from("10.0.0.100:5000").to(REAL).forwarded(0);
    assert_eq!(sent, init(&leaving));
}

#[test]
fn a_wrong_checksum_stays_wrong_and_none_stays_none() {
    let director = director(Service::udp(VIP), Method::NAT);
    let up = Datagram::udp(CLIENT, VIP).payload(24);
    let mut damaged = init(&up);
    damaged[45] ^= 0x10;
    let (_, sent) = send(&director, &damaged, World::CLIENTS);
    let mut expected = init(&up.clone().to(REAL).forwarded(0));
    expected[45] ^= 0x10;
    assert_eq!(sent, expected);
    let mut left_to_device = init(&up);
    left_to_device[42..46].fill(0);
    let (_, sent) = send(&director, &left_to_device, World::CLIENTS);
    assert_eq!(sent[42..46], [0; 4]);
}

#[test]
fn a_packet_in_fragments_that_would_need_another_port_is_dropped_for_a_reason() {
    let director = director(Service::udp(VIP), Method::NAT);
    let whole = init(&Datagram::udp(CLIENT, VIP).payload(100));
    let (verdict, _) = send(&director, &cut(&whole, 6)[0], World::CLIENTS);
    assert_eq!(verdict, Verdict::DROP);
    assert_eq!(director.counted(Counter::DropCut), 1);
}
