//! AH and ESP: they ride with the connection of UDP's port 500 between the same addresses.

use xvs_wire::ipv4::{PROTOCOL_AH, PROTOCOL_ESP};

use super::director::Director;
use crate::{
    Verdict,
    abi::Method,
    native::{Datagram, Frame, Server, Service, World, cases::cut, relabelled, run},
};

const CLIENT: &str = "198.51.100.7:500";
const VIP: &str = "192.0.2.1:500";
const REAL: &str = "10.0.0.1:500";
const CLIENT6: &str = "[2001:db8:c::7]:500";
const VIP6: &str = "[2001:db8::1]:500";
const REAL6: &str = "[2001:db8:5::1]:500";

fn director(method: u8) -> Director {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    world.add(Service::udp(VIP), &[Server::new(method, REAL)]);
    Director::new(&world)
}

fn send(director: &Director, frame: &[u8], link: u32) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::new(frame, link, &director.routes);
    let verdict = run(&mut frame, &director.cpu);
    (verdict, frame.bytes())
}

/// What `datagram` would be behind its IP header, sent from and to where `like` is.
fn payload_of(datagram: &Datagram, like: &Datagram, protocol: u8) -> Vec<u8> {
    let mut frame = relabelled(like.bytes(), protocol);
    frame[34..].copy_from_slice(&datagram.bytes()[34..]);
    frame
}

#[test]
fn they_go_where_key_exchange_went_and_back_by_nat() {
    for protocol in [PROTOCOL_ESP, PROTOCOL_AH] {
        let director = director(Method::NAT);
        director.forward(&Datagram::udp(CLIENT, VIP));
        let up = Datagram::udp(CLIENT, VIP).payload(100);
        let sent = send(&director, &payload_of(&up, &up, protocol), World::CLIENTS);
        let leaving = up.clone().to(REAL).forwarded(0);
        let expected = payload_of(&up, &leaving, protocol);
        assert_eq!(sent, (Verdict::redirect(World::SERVERS), expected));
        let down = Datagram::udp(REAL, CLIENT).payload(60);
        let sent = send(
            &director,
            &payload_of(&down, &down, protocol),
            World::SERVERS,
        );
        let leaving = down.clone().from(VIP).returned();
        assert_eq!(sent.1, payload_of(&down, &leaving, protocol));
        // Three packets, of one connection.
        assert_eq!(director.server(0).connections, 1);
    }
}

#[test]
fn their_fragments_need_no_first_one() {
    let director = director(Method::DIRECT);
    director.forward(&Datagram::udp(CLIENT, VIP));
    let whole = relabelled(
        Datagram::udp(CLIENT, VIP).payload(100).bytes(),
        PROTOCOL_ESP,
    );
    for piece in cut(&whole, 3).iter().rev() {
        let (verdict, _) = send(&director, piece, World::CLIENTS);
        assert_eq!(verdict, Verdict::redirect(World::SERVERS));
    }
}

#[test]
fn without_key_exchange_they_are_the_hosts() {
    let director = director(Method::NAT);
    let frame = relabelled(Datagram::udp(CLIENT, VIP).bytes(), PROTOCOL_ESP);
    let (verdict, left) = send(&director, &frame, World::CLIENTS);
    assert_eq!((verdict, left), (Verdict::PASS, frame));
    assert_eq!(director.server(0).connections, 0);
}

#[test]
fn the_state_of_the_connection_stays() {
    let director = director(Method::NAT);
    director.forward(&Datagram::udp(CLIENT, VIP));
    let before = director.states();
    let down = relabelled(Datagram::udp(REAL, CLIENT).bytes(), PROTOCOL_ESP);
    let (verdict, _) = send(&director, &down, World::SERVERS);
    assert_eq!(verdict, Verdict::redirect(World::CLIENTS));
    assert_eq!(director.states(), before);
}

#[test]
fn over_ipv6_they_ride_as_well() {
    let mut world = World::new().reaching("2001:db8:c::7", World::ROUTER_MAC);
    world.add(Service::udp(VIP6), &[Server::new(Method::NAT, REAL6)]);
    let director = Director::new(&world);
    director.forward(&Datagram::udp(CLIENT6, VIP6));
    let up = Datagram::udp(CLIENT6, VIP6).payload(40);
    let mut frame = up.bytes();
    frame[20] = PROTOCOL_ESP;
    let mut expected = up.to(REAL6).forwarded(0).bytes();
    expected[20] = PROTOCOL_ESP;
    expected[54..].copy_from_slice(&frame[54..]);
    let (_, sent) = send(&director, &frame, World::CLIENTS);
    assert_eq!(sent, expected);
}
