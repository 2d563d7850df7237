//! What senders are told by ICMP.

use xvs_wire::tcp::{ACK, SYN};

use super::{
    CLIENT, CLIENT6, Case, Outcome, REAL, REAL6, Step, VIP, VIP6, to_client, to_server, too_big,
    world,
};
use crate::{
    abi::{Counter, Method},
    native::{Datagram, Server, Service, World, icmp_error},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case {
            description: "without a usable real server a port is unreachable",
            world: with(Service::tcp(VIP), Server::new(Method::NAT, REAL).weight(0)),
            steps: vec![refused(Datagram::syn(CLIENT, VIP))],
        },
        Case {
            description: "the same for datagrams of any length",
            world: with(Service::udp(VIP), Server::new(Method::NAT, REAL).weight(0)),
            steps: [
                0, 1, 2, 3, 100, 519, 520, 521, 522, 523, 524, 1400, 1471, 1472,
            ]
            .map(|length| refused(Datagram::udp(CLIENT, VIP).payload(length)))
            .into(),
        },
        Case {
            description: "the same over IPv6",
            world: with(
                Service::udp(VIP6),
                Server::new(Method::NAT, REAL6).weight(0),
            ),
            steps: [0, 1, 2, 3, 100, 1183, 1184, 1185, 1400, 1452]
                .map(|length| refused(Datagram::udp(CLIENT6, VIP6).payload(length)))
                .into(),
        },
        Case {
            description: "a real server that reached its threshold gets no more connections",
            world: with(
                Service::tcp(VIP),
                Server::new(Method::NAT, REAL).thresholds(1, 0),
            ),
            steps: vec![
                to_server(
                    Datagram::syn(CLIENT, VIP).bytes(),
                    Datagram::syn(CLIENT, REAL).forwarded(0).bytes(),
                ),
                refused(Datagram::syn("198.51.100.8:40000", VIP)),
            ],
        },
        Case {
            description: "a packet of a known connection that is too big",
            world: with(
                Service::udp(VIP),
                Server::new(Method::DIRECT, REAL).mtu(1400),
            ),
            steps: vec![
                forwarded(Datagram::udp(CLIENT, VIP).payload(1372)),
                too_big(&Datagram::udp(CLIENT, VIP).payload(1373), 1400),
                forwarded(Datagram::udp(CLIENT, VIP).payload(1372)),
            ],
        },
        Case {
            description: "the same over IPv6",
            world: with(
                Service::udp(VIP6),
                Server::new(Method::DIRECT, REAL6).mtu(1400),
            ),
            steps: vec![
                forwarded(Datagram::udp(CLIENT6, VIP6).payload(1352)),
                too_big(&Datagram::udp(CLIENT6, VIP6).payload(1353), 1400),
            ],
        },
    ];
    for method in [Method::NAT, Method::DIRECT] {
        cases.push(Case {
            description: "a time to live that ends is told to the client",
            world: with(Service::tcp(VIP), Server::new(method, REAL)),
            steps: [0, 1]
                .map(|ttl| exceeded(Datagram::syn(CLIENT, VIP).ttl(ttl)))
                .into(),
        });
        cases.push(Case {
            description: "a hop limit that ends is told to the client",
            world: with(Service::tcp(VIP6), Server::new(method, REAL6)),
            steps: [0, 1]
                .map(|ttl| exceeded(Datagram::syn(CLIENT6, VIP6).ttl(ttl)))
                .into(),
        });
    }
    cases.push(Case {
        description: "a time to live that ends in a known connection, either way",
        world: with(Service::tcp(VIP), Server::new(Method::NAT, REAL)),
        steps: vec![
            to_server(
                Datagram::syn(CLIENT, VIP).bytes(),
                Datagram::syn(CLIENT, REAL).forwarded(0).bytes(),
            ),
            exceeded(Datagram::tcp(CLIENT, VIP, ACK).ttl(1).payload(33)),
            // a reply's is the kernel's to tell, from its own address
            Step::Packet(
                Datagram::tcp(REAL, CLIENT, SYN | ACK).ttl(1).bytes(),
                Outcome::Pass,
            ),
            to_client(
                Datagram::tcp(REAL, CLIENT, SYN | ACK).bytes(),
                Datagram::tcp(VIP, CLIENT, SYN | ACK).returned().bytes(),
            ),
        ],
    });
    cases
}

fn with(service: Service, server: Server) -> World {
    let mut world = world();
    world.add(service, &[server]);
    world
}

fn forwarded(datagram: Datagram) -> Step {
    to_server(datagram.bytes(), datagram.clone().forwarded(0).bytes())
}

fn answered(datagram: &Datagram, reason: Counter, v4: (u8, u8), v6: (u8, u8), value: u32) -> Step {
    let frame = datagram.bytes();
    let (kind, code) = if datagram.source.is_ipv6() { v6 } else { v4 };
    let answer = icmp_error(&frame, kind, code, value);
    Step::Packet(frame, Outcome::Answer(reason, answer))
}

fn refused(datagram: Datagram) -> Step {
    answered(&datagram, Counter::DropNoRealServer, (3, 3), (1, 4), 0)
}

fn exceeded(datagram: Datagram) -> Step {
    answered(&datagram, Counter::DropTtl, (11, 0), (3, 0), 0)
}
