//! Clients and real servers that are this host.

use xvs_wire::tcp::{ACK, SYN};

use super::{CLIENT, CLIENT6, Case, Outcome, REAL, REAL6, Step, VIP, VIP6, to_server, world};
use crate::{
    abi::Method,
    native::{Datagram, IcmpError, Server, Service, World},
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            description: "what is translated for a client that is this host goes in by its loopback link",
            world: with(Service::udp(VIP), Server::new(Method::NAT, REAL)).having("10.0.6.6"),
            steps: own_client("10.0.6.6:40000", VIP, REAL),
        },
        Case {
            description: "the same over IPv6",
            world: with(Service::udp(VIP6), Server::new(Method::NAT, REAL6))
                .having("2001:db8:6::6"),
            steps: own_client("[2001:db8:6::6]:40000", VIP6, REAL6),
        },
        Case {
            description: "a TCP connection by NAT to a port of this host, no hop older",
            world: with(Service::tcp(VIP), Server::new(Method::NAT, REAL).here()),
            steps: own_server(Datagram::syn, Datagram::syn, CLIENT, VIP, REAL),
        },
        Case {
            description: "the same over IPv6",
            world: with(Service::tcp(VIP6), Server::new(Method::NAT, REAL6).here()),
            steps: own_server(Datagram::syn, Datagram::syn, CLIENT6, VIP6, REAL6),
        },
        Case {
            description: "datagrams by NAT to a port of this host",
            world: with(Service::udp(VIP), Server::new(Method::NAT, REAL).here()),
            steps: own_server(Datagram::udp, Datagram::udp, CLIENT, VIP, REAL),
        },
        Case {
            description: "datagrams by NAT to a port of this host over IPv6",
            world: with(Service::udp(VIP6), Server::new(Method::NAT, REAL6).here()),
            steps: own_server(Datagram::udp, Datagram::udp, CLIENT6, VIP6, REAL6),
        },
        Case {
            description: "a packet to this host is received with its last hop",
            world: with(Service::tcp(VIP), Server::new(Method::NAT, REAL).here()),
            steps: vec![Step::Packet(
                Datagram::syn(CLIENT, VIP).ttl(1).bytes(),
                Outcome::Host(Datagram::syn(CLIENT, VIP).to(REAL).ttl(1).bytes()),
            )],
        },
        Case {
            description: "an ICMP error of this host's about NAT quotes what the client sent",
            world: with(Service::udp(VIP), Server::new(Method::NAT, REAL).here()),
            steps: unreachable(CLIENT, VIP, REAL),
        },
        Case {
            description: "an ICMPv6 error of this host's about NAT quotes what the client sent",
            world: with(Service::udp(VIP6), Server::new(Method::NAT, REAL6).here()),
            steps: unreachable(CLIENT6, VIP6, REAL6),
        },
        Case {
            description: "a server of this host that answers in the name of the VIP is left alone",
            world: with(Service::tcp(VIP), Server::new(Method::LOCAL, REAL).here()),
            steps: vec![
                Step::Packet(Datagram::syn(CLIENT, VIP).bytes(), Outcome::Pass),
                Step::Leaves(Datagram::tcp(VIP, CLIENT, SYN | ACK).bytes(), Outcome::Pass),
                Step::Leaves(Datagram::tcp(REAL, CLIENT, ACK).bytes(), Outcome::Pass),
            ],
        },
        Case {
            description: "what this host sends is no reply of a real server elsewhere",
            world: with(Service::udp(VIP), Server::new(Method::NAT, REAL)),
            steps: vec![
                to_server(
                    Datagram::udp(CLIENT, VIP).bytes(),
                    Datagram::udp(CLIENT, REAL).forwarded(0).bytes(),
                ),
                Step::Leaves(Datagram::udp(REAL, CLIENT).bytes(), Outcome::Pass),
            ],
        },
    ]
}

fn with(service: Service, server: Server) -> World {
    let mut world = world();
    world.add(service, &[server]);
    world
}

/// A request of this host's own, as the loopback link brings it, and its replies.
fn own_client(client: &str, vip: &str, real: &str) -> Vec<Step> {
    let up = Datagram::udp(client, vip).payload(3);
    let down = Datagram::udp(real, client).payload(3);
    let inside = down.clone().from(vip).macs([0; 6], [0; 6]);
    let reply = || Step::Packet(down.bytes(), Outcome::Inward(inside.bytes()));
    let request = to_server(up.bytes(), up.clone().to(real).forwarded(0).bytes());
    vec![request, reply(), reply()]
}

/// Requests that go to a server of this host, and its replies.
fn own_server(
    up: fn(&str, &str) -> Datagram,
    down: fn(&str, &str) -> Datagram,
    client: &str,
    vip: &str,
    real: &str,
) -> Vec<Step> {
    let request = || {
        let asked = up(client, vip).payload(5);
        let got = asked.clone().to(real);
        Step::Packet(asked.bytes(), Outcome::Host(got.bytes()))
    };
    let reply = || {
        let sent = down(real, client).payload(7);
        let left = sent.clone().from(vip);
        Step::Leaves(sent.bytes(), Outcome::Host(left.bytes()))
    };
    vec![request(), reply(), request(), reply()]
}

/// A datagram that nobody on this host listens for.
fn unreachable(client: &str, vip: &str, real: &str) -> Vec<Step> {
    let asked = Datagram::udp(client, vip).payload(9);
    let got = asked.clone().to(real);
    let (mut quoted, found) = (asked.bytes(), got.bytes());
    // A quoted L4 checksum stays, for a quote need not be whole.
    let sum = if asked.source.is_ipv6() {
        60..62
    } else {
        40..42
    };
    quoted[sum.clone()].copy_from_slice(&found[sum]);
    let error = |quoted: &[u8]| IcmpError::about(&quoted[14..]).bytes();
    vec![
        Step::Packet(asked.bytes(), Outcome::Host(got.bytes())),
        Step::Leaves(error(&found), Outcome::Host(error(&quoted))),
    ]
}
