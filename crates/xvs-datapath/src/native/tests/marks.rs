//! Virtual servers of firewall marks.

use super::director::Director;
use crate::{
    Verdict,
    abi::{Method, ServiceKey},
    native::{Buffer, Datagram, Server, Service, World, run},
};

const CLIENT: &str = "198.51.100.7:40000";
const VIP: &str = "192.0.2.1:80";
/// A link by which packets are brought.
const BROUGHT_BY: u32 = 77;

/// A virtual server of mark 7 (the second one) beside that of the VIP.
fn director() -> Director {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    world.add(
        Service::udp(VIP),
        &[Server::new(Method::DIRECT, "10.0.0.1:0")],
    );
    world.add(
        Service::udp("192.0.2.99:80"),
        &[Server::new(Method::DIRECT, "10.0.0.2:0")],
    );
    let director = Director::new(&world);
    let mark = ServiceKey {
        mark: 7,
        family: 4,
        ..ServiceKey::default()
    };
    assert!(director.cpu.tables().services.insert_new(mark, 1));
    director
}

fn send(director: &Director, link: u32, mark: u32, datagram: &Datagram) -> (Verdict, Vec<u8>) {
    let mut buffer = Buffer::new(&datagram.bytes(), link, &director.routes).marked(mark);
    let verdict = run(&mut buffer, &director.cpu);
    (verdict, buffer.bytes())
}

#[test]
fn a_mark_outweighs_an_address_and_other_marks_say_nothing() {
    let director = director();
    let from = |port: u16| Datagram::udp(&format!("198.51.100.7:{port}"), VIP);
    for (mark, port, opened) in [(0, 1, (1, 0)), (8, 2, (2, 0)), (7, 3, (2, 1))] {
        let (verdict, _) = send(&director, World::CLIENTS, mark, &from(port));
        assert_eq!(verdict, Verdict::redirect(World::SERVERS));
        let connections = [0, 1].map(|server| director.server(server).connections);
        assert_eq!(connections, [opened.0, opened.1], "mark {mark}");
    }
}

#[test]
fn while_packets_are_brought_connections_open_there_and_go_on_everywhere() {
    let director = director();
    director.cpu.tables().settings.edit(0, |settings| {
        settings.brought_by = BROUGHT_BY;
    });
    director.cpu.tables().link_macs.insert_new(
        crate::abi::LinkMac {
            ifindex: BROUGHT_BY,
            mac: World::CLIENTS_MAC,
            zero: 0,
        },
        crate::abi::link_mac_flag::OURS,
    );
    let datagram = Datagram::udp(CLIENT, VIP);
    let (verdict, _) = send(&director, World::CLIENTS, 0, &datagram);
    assert_eq!(verdict, Verdict::PASS, "the firewall has not seen it");
    let aged = datagram.clone().ttl(datagram.ttl - 1);
    let (verdict, left) = send(&director, BROUGHT_BY, 7, &aged);
    assert_eq!(verdict, Verdict::redirect(World::SERVERS));
    let (verdict, direct) = send(&director, World::CLIENTS, 0, &datagram);
    assert_eq!(verdict, Verdict::redirect(World::SERVERS));
    assert_eq!(
        left, direct,
        "the hop on the way to the dataplane does not count"
    );
    assert_eq!(director.server(1).connections, 1);
}

#[test]
fn who_is_refused_is_told_by_the_route_to_him() {
    let director = director();
    director.cpu.tables().settings.edit(0, |settings| {
        settings.brought_by = BROUGHT_BY;
    });
    director.cpu.tables().link_macs.insert_new(
        crate::abi::LinkMac {
            ifindex: BROUGHT_BY,
            mac: World::CLIENTS_MAC,
            zero: 0,
        },
        crate::abi::link_mac_flag::OURS,
    );
    director
        .cpu
        .tables()
        .real_servers
        .edit(1, |server| server.weight = 0);
    let (verdict, answer) = send(&director, BROUGHT_BY, 7, &Datagram::udp(CLIENT, VIP).ttl(9));
    assert_eq!(verdict, Verdict::redirect(World::CLIENTS));
    assert_eq!(answer[..6], World::ROUTER_MAC);
}
