//! What becomes of connections when the table is full, old, or contended.

use xvs_wire::tcp::{ACK, FIN, SYN};

use super::director::Director;
use crate::{
    Verdict,
    abi::{Counter, Method},
    native::{Datagram, Server, Service, World},
};

const VIP: &str = "192.0.2.1:80";
const VIP6: &str = "[2001:db8::1]:80";

/// A director with two sets of four entries.
fn tiny(service: Service, server: Server, overflow: usize) -> Director {
    let mut world = World::new();
    world.set_bits = 1;
    world.overflow = overflow;
    world.add(service, &[server]);
    Director::new(&world)
}

fn segment(client: u16, flags: u8) -> Datagram {
    Datagram::tcp(&format!("198.51.100.7:{client}"), VIP, flags)
}

fn segment6(client: u16, flags: u8) -> Datagram {
    Datagram::tcp(&format!("[2001:db8:c::7]:{client}"), VIP6, flags)
}

#[test]
fn what_finds_no_place_goes_to_the_overflow_hash_and_is_carried_from_there() {
    for (real, make) in [
        ("10.0.0.1:8080", segment as fn(u16, u8) -> Datagram),
        ("[2001:db8:5::1]:8080", segment6),
    ] {
        for method in [Method::NAT, Method::DIRECT] {
            let vip = if real.starts_with('[') { VIP6 } else { VIP };
            let director = tiny(Service::tcp(vip), Server::new(method, real), 64);
            for client in 1001..=1020 {
                director.forward(&make(client, SYN));
                director.forward(&make(client, ACK));
            }
            assert!(
                director.counted(Counter::Overflowed) >= 12,
                "method {method}"
            );
            assert_eq!(director.counted(Counter::Opened), 20);
            assert_eq!(director.counts(0), (20, 0));
            director.audit();
            for client in 1001..=1020 {
                director.forward(&make(client, ACK).payload(10));
                director.forward(&make(client, FIN | ACK));
            }
            assert_eq!(director.counts(0), (0, 20), "method {method}");
            director.audit();
        }
    }
}

#[test]
fn replies_of_overflown_connections_find_their_way() {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    world.set_bits = 1;
    world.add(
        Service::tcp(VIP),
        &[Server::new(Method::NAT, "10.0.0.1:8080")],
    );
    let director = Director::new(&world);
    for client in 1001..=1020 {
        director.forward(&segment(client, SYN));
        director.forward(&segment(client, ACK));
    }
    for client in 1001..=1020 {
        let client = format!("198.51.100.7:{client}");
        let reply = Datagram::tcp("10.0.0.1:8080", &client, FIN | ACK);
        assert_eq!(director.send(&reply), Verdict::redirect(World::CLIENTS));
    }
    assert_eq!(director.counts(0), (0, 20));
    director.audit();
}

#[test]
fn without_any_room_a_connection_is_dropped_and_counted() {
    for method in [Method::NAT, Method::DIRECT] {
        let director = tiny(Service::tcp(VIP), Server::new(method, "10.0.0.1:8080"), 3);
        let mut opened = 0;
        for client in 1001..=1020 {
            if director.send(&segment(client, SYN)) != Verdict::DROP {
                director.forward(&segment(client, ACK));
                opened += 1;
            }
            director.audit();
        }
        assert_eq!(u64::from(director.counts(0).0), opened);
        assert_eq!(director.counted(Counter::DropTableFull), 20 - opened);
        assert!((4..=11).contains(&opened), "{opened} of at most 11 entries");
    }
}

#[test]
fn a_flood_of_syns_evicts_itself_and_never_an_established_connection() {
    for method in [Method::NAT, Method::DIRECT] {
        let director = tiny(Service::tcp(VIP), Server::new(method, "10.0.0.1:8080"), 64);
        for client in 1..=2 {
            director.forward(&segment(client, SYN));
            director.forward(&segment(client, ACK));
        }
        let refused = director.counted(Counter::DropTableFull);
        for client in 100..400 {
            let _ = director.send(&segment(client, SYN));
        }
        assert!(director.counted(Counter::Evicted) > 100, "method {method}");
        assert_eq!(director.counted(Counter::DropTableFull), refused);
        director.audit();
        for client in 1..=2 {
            director.forward(&segment(client, ACK).payload(1));
        }
    }
}

#[test]
fn a_flood_of_single_datagrams_evicts_itself_and_no_flow_of_two() {
    let director = tiny(
        Service::udp(VIP),
        Server::new(Method::DIRECT, "10.0.0.1:0"),
        64,
    );
    let datagram = |client: u16| Datagram::udp(&format!("198.51.100.7:{client}"), VIP);
    director.forward(&datagram(1));
    director.forward(&datagram(1));
    for client in 100..400 {
        director.forward(&datagram(client));
    }
    assert!(director.counted(Counter::Evicted) > 100);
    let opened = director.counted(Counter::Opened);
    director.forward(&datagram(1));
    assert_eq!(
        director.counted(Counter::Opened),
        opened,
        "it was still there"
    );
    director.audit();
}

#[test]
fn what_is_past_its_timeout_makes_room_without_a_sweeper() {
    let director = tiny(
        Service::tcp(VIP),
        Server::new(Method::NAT, "10.0.0.1:8080"),
        64,
    );
    for client in 1..=4 {
        director.forward(&segment(client, SYN));
        director.forward(&segment(client, ACK));
    }
    // established connections live for 900 s
    director.cpu.wait(901 * World::HZ);
    director.cpu.tables().settings.edit(0, |settings| {
        settings.heartbeat = settings.heartbeat.wrapping_add(901 * World::HZ);
    });
    for client in 11..=14 {
        director.forward(&segment(client, SYN));
        director.forward(&segment(client, ACK));
    }
    assert!(director.counted(Counter::Reclaimed) >= 1);
    assert_eq!(director.counted(Counter::Evicted), 0);
    director.audit();
    let server = director.server(0);
    assert!(server.packets_in >= 2, "retired packets went to the totals");
    assert_eq!(server.bytes_in, server.packets_in * 40);
}

#[test]
fn before_its_timeout_nothing_established_makes_room() {
    let director = tiny(
        Service::tcp(VIP),
        Server::new(Method::DIRECT, "10.0.0.1:0"),
        64,
    );
    for client in 1..=8 {
        director.forward(&segment(client, SYN));
        director.forward(&segment(client, ACK));
    }
    director.cpu.wait(899 * World::HZ);
    for client in 11..=14 {
        let _ = director.send(&segment(client, SYN));
    }
    assert_eq!(director.counted(Counter::Reclaimed), 0);
    director.audit();
}

#[test]
fn a_packet_revives_what_the_sweeper_has_marked() {
    let director = tiny(
        Service::tcp(VIP),
        Server::new(Method::DIRECT, "10.0.0.1:0"),
        64,
    );
    director.forward(&segment(1, SYN));
    director.forward(&segment(1, ACK));
    director.mark_dying();
    director.forward(&segment(1, ACK).payload(5));
    assert_eq!(director.counted(Counter::Revived), 1);
    assert_eq!(director.counted(Counter::Opened), 1);
    director.audit();
}

#[test]
fn two_connections_whose_replies_would_be_the_same_collide() {
    let mut world = World::new();
    let server = [Server::new(Method::NAT, "10.0.0.1:8080")];
    world.add(Service::tcp(VIP), &server);
    world.add(Service::tcp("192.0.2.2:80"), &server);
    let director = Director::new(&world);
    director.forward(&segment(1, SYN));
    let second = segment(1, SYN).to("192.0.2.2:80");
    assert_eq!(director.send(&second), Verdict::DROP);
    assert_eq!(director.counted(Counter::DropCollision), 1);
    director.audit();
}

#[test]
fn replies_of_two_connections_collide_wherever_either_of_them_lies() {
    let mut world = World::new();
    let server = [Server::new(Method::NAT, "10.0.0.1:8080")];
    world.set_bits = 1;
    world.add(Service::tcp(VIP), &server);
    world.add(Service::tcp("192.0.2.2:80"), &server);
    let director = Director::new(&world);
    for client in 1001..=1020 {
        director.forward(&segment(client, SYN));
        director.forward(&segment(client, ACK));
    }
    let overflown = director.counted(Counter::Overflowed);
    assert!((12..20).contains(&overflown), "some lie in the table");
    let second = |client| segment(client, SYN).to("192.0.2.2:80");
    for client in 1001..=1020 {
        assert_eq!(
            director.send(&second(client)),
            Verdict::DROP,
            "client {client}"
        );
    }
    director.audit();
    // With room in the table for newcomers, the old ones are in the overflow hash alone.
    let tables = director.cpu.tables();
    for place in 0..2 {
        tables.flows4.edit(place, |set| *set = Default::default());
    }
    let goes_on = |client: &u16| {
        let verdict = director.send(&segment(*client, ACK));
        ![Verdict::DROP, Verdict::PASS].contains(&verdict)
    };
    let kept: Vec<u16> = (1001..=1020).filter(goes_on).collect();
    assert!(kept.len() >= 12);
    for client in kept {
        assert_eq!(
            director.send(&second(client)),
            Verdict::DROP,
            "client {client}"
        );
    }
}

#[test]
fn a_template_in_the_overflow_hash_keeps_its_client_too() {
    let mut world = World::new();
    world.set_bits = 1;
    let servers = ["10.0.0.1:0", "10.0.0.2:0"].map(|real| Server::new(Method::DIRECT, real));
    world.add(Service::tcp("192.0.2.9:80"), &servers[..1]);
    world.add(Service::tcp(VIP).persistent(32), &servers);
    let director = Director::new(&world);
    for client in 1001..=1020 {
        let first = segment(client, SYN).to("192.0.2.9:80");
        director.forward(&first);
        director.forward(&Datagram {
            flags: ACK,
            ..first
        });
    }
    for client in 1..=6 {
        director.forward(&segment(client, SYN));
        director.forward(&segment(client, ACK));
    }
    assert_eq!(director.counts(1), (6, 0), "all with the first choice");
    assert_eq!(director.counts(2), (0, 0));
    director.audit();
}
