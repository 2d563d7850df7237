//! States and counts of connections over their lives.

use xvs_wire::tcp::{ACK, FIN, RST, SYN};

use super::director::Director;
use crate::{
    Verdict,
    abi::{Counter, Method, Tag},
    native::{Datagram, Server, Service, World, leave},
    state::{tcp, template, udp},
};

const CLIENT: &str = "198.51.100.7:40000";
const VIP: &str = "192.0.2.1:80";
const REAL: &str = "10.0.0.1:8080";

fn director(service: Service, method: u8) -> Director {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    world.add(service, &[Server::new(method, REAL)]);
    Director::new(&world)
}

fn up(flags: u8) -> Datagram {
    Datagram::tcp(CLIENT, VIP, flags)
}

fn down(flags: u8) -> Datagram {
    Datagram::tcp(REAL, CLIENT, flags)
}

#[test]
fn a_nat_connection_counts_as_active_until_either_side_closes() {
    let director = director(Service::tcp(VIP), Method::NAT);
    for (segment, state, counts) in [
        (up(SYN), tcp::SYN_RECV, (1, 0)),
        (down(SYN | ACK), tcp::SYN_RECV, (1, 0)),
        (up(ACK), tcp::ESTABLISHED, (1, 0)),
        (down(ACK), tcp::ESTABLISHED, (1, 0)),
        (up(FIN | ACK), tcp::CLOSE_WAIT, (0, 1)),
        (down(ACK), tcp::CLOSE_WAIT, (0, 1)),
        (down(FIN | ACK), tcp::TIME_WAIT, (0, 1)),
        (up(ACK), tcp::TIME_WAIT, (0, 1)),
    ] {
        let verdict = director.send(&segment);
        assert!(verdict.redirected().is_some(), "{segment:?}: {verdict:?}");
        assert_eq!(director.states(), (vec![state], vec![state]), "{segment:?}");
        assert_eq!(director.counts(0), counts, "{segment:?}");
        director.audit();
    }
    assert_eq!(director.counted(Counter::Opened), 1);
    assert_eq!(director.server(0).connections, 1);
    assert_eq!(director.cpu.tables().virtual_servers.get(0).connections, 1);
}

#[test]
fn a_reset_from_the_real_server_ends_the_activity() {
    let director = director(Service::tcp(VIP), Method::NAT);
    director.forward(&up(SYN));
    director.forward(&up(ACK));
    assert_eq!(director.counts(0), (1, 0));
    assert!(director.send(&down(RST)).redirected().is_some());
    assert_eq!(director.states(), (vec![tcp::CLOSE], vec![tcp::CLOSE]));
    assert_eq!(director.counts(0), (0, 1));
}

#[test]
fn a_new_syn_opens_a_closed_connection_again() {
    let director = director(Service::tcp(VIP), Method::NAT);
    for flags in [SYN, ACK, FIN | ACK] {
        director.forward(&up(flags));
    }
    assert_eq!(director.counts(0), (0, 1));
    director.forward(&up(SYN));
    assert_eq!(director.states().0, [tcp::SYN_RECV]);
    assert_eq!(director.counts(0), (1, 0));
    director.audit();
}

#[test]
fn without_replies_a_fin_of_the_client_ends_the_activity() {
    let director = director(Service::tcp(VIP), Method::DIRECT);
    for (flags, state, counts) in [
        (SYN, tcp::SYN_RECV, (1, 0)),
        (ACK, tcp::ESTABLISHED, (1, 0)),
        (FIN | ACK, tcp::FIN_WAIT, (0, 1)),
        (ACK, tcp::FIN_WAIT, (0, 1)),
    ] {
        let _ = director.send(&up(flags));
        assert_eq!(director.states(), (vec![state], vec![]));
        assert_eq!(director.counts(0), counts);
    }
    director.audit();
}

#[test]
fn replies_of_a_server_of_this_host_step_its_connections_and_are_counted() {
    let mut world = World::new();
    let server = Server::new(Method::LOCAL, "10.0.0.1:80").here();
    world.add(Service::tcp(VIP), &[server]);
    let director = Director::new(&world);
    let reply = |flags| Datagram::tcp(VIP, CLIENT, flags);
    for (replies, flags, state) in [
        (false, SYN, tcp::SYN_RECV),
        (true, SYN | ACK, tcp::SYN_RECV),
        (false, ACK, tcp::ESTABLISHED),
        (false, FIN | ACK, tcp::CLOSE_WAIT),
        (true, FIN | ACK, tcp::TIME_WAIT),
    ] {
        let verdict = if replies {
            leave(&mut director.buffer(&reply(flags)), &director.cpu)
        } else {
            director.send(&up(flags))
        };
        assert_eq!(verdict, Verdict::PASS);
        assert_eq!(director.states(), (vec![state], vec![]), "{flags:x}");
    }
    let server = director.server(0);
    assert_eq!((server.packets_out, server.bytes_out), (2, 80));
    // What the host sends otherwise is not touched, and not taken for a reply.
    for other in [
        Datagram::tcp(VIP, "198.51.100.7:40001", ACK),
        Datagram::tcp(CLIENT, VIP, ACK),
        Datagram::tcp("10.0.0.254:22", CLIENT, ACK),
    ] {
        let mut buffer = director.buffer(&other);
        assert_eq!(leave(&mut buffer, &director.cpu), Verdict::ONWARD);
        assert_eq!(buffer.bytes(), other.bytes());
    }
    assert_eq!(director.server(0).packets_out, 2);
    director.audit();
}

#[test]
fn datagrams_are_assured_by_the_second_one_either_way_and_never_active() {
    for (second, state) in [
        (Datagram::udp(CLIENT, VIP), udp::ASSURED),
        (Datagram::udp(REAL, CLIENT), udp::REPLIED),
    ] {
        let director = director(Service::udp(VIP), Method::NAT);
        director.forward(&Datagram::udp(CLIENT, VIP));
        assert_eq!(director.states().0, [udp::ONE_WAY]);
        assert!(director.send(&second).redirected().is_some());
        assert_eq!(director.states().0, [state]);
        assert_eq!(director.counts(0), (0, 1));
        director.audit();
    }
}

#[test]
fn packets_and_bytes_are_counted_in_their_direction() {
    let director = director(Service::tcp(VIP), Method::NAT);
    for segment in [
        up(SYN),
        up(ACK),
        up(ACK).payload(100),
        down(ACK).payload(1000),
    ] {
        let _ = director.send(&segment);
    }
    let entries = director.cpu.tables().entries4();
    let mut counted: Vec<_> = entries
        .iter()
        .map(|(_, entry)| (entry.packets, entry.bytes))
        .collect();
    counted.sort_unstable();
    assert_eq!(counted, [(1, 1040), (3, 40 + 40 + 140)]);
}

#[test]
fn a_connection_notes_the_template_that_controls_it() {
    let director = director(Service::tcp(VIP).persistent(24), Method::DIRECT);
    director.forward(&up(SYN));
    let tables = director.cpu.tables();
    let entries = tables.entries4();
    let place = |template: bool| {
        let found = entries
            .iter()
            .find(|(_, entry)| Tag(entry.tag).template() == template);
        found.expect("there are a template and a connection").0
    };
    let cold = tables.cold4.get(place(false) / 4)[usize::try_from(place(false) % 4).unwrap()];
    assert_eq!(cold.control, place(true) + 1);
    assert_eq!(director.server(0).persistent, 1);
    director.audit();
}

/// The place of the only template, and its state.
fn only_template(director: &Director) -> (u32, u8) {
    let entries = director.cpu.tables().entries4();
    let found = entries.iter().find(|(_, entry)| Tag(entry.tag).template());
    let (place, entry) = found.expect("there is a template");
    (*place, Tag(entry.tag).state())
}

#[test]
fn an_established_connection_assures_its_template() {
    let director = director(Service::tcp(VIP).persistent(24), Method::DIRECT);
    director.forward(&up(SYN));
    assert_eq!(only_template(&director).1, template::NONE);
    director.forward(&up(ACK));
    assert_eq!(only_template(&director).1, template::ASSURED);
}

#[test]
fn a_template_that_names_another_server_by_now_is_not_assured() {
    let director = director(Service::tcp(VIP).persistent(24), Method::DIRECT);
    director.forward(&up(SYN));
    let (place, _) = only_template(&director);
    director.cpu.tables().flows4.edit(place / 4, |set| {
        set[usize::try_from(place % 4).expect("below four")].real_server = 1;
    });
    director.forward(&up(ACK));
    assert_eq!(only_template(&director).1, template::NONE);
}
