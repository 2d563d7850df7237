//! FULLNAT with the client's address in a TCP option.

use xvs_wire::tcp::{ACK, FIN, SYN};

use super::{
    CLIENT, CLIENT6, Case, OTHER_CLIENT, Outcome, REAL, REAL6, Step, VIP, VIP6, to_client,
    to_server, world,
};
use crate::{
    abi::{Counter, Method},
    native::{Datagram, Server, Service, World},
};

/// The client of the cases as a TOA option: kind, length, port 40000, address.
const TOA: [u8; 8] = [254, 8, 0x9c, 0x40, 198, 51, 100, 7];
const TOA6: [u8; 20] = [
    253, 20, 0x9c, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case {
            description: "a TCP connection by FULLNAT, its SYN with TOA and a lower MSS",
            world: full_nat(Service::tcp(VIP)),
            steps: connection(
                [CLIENT, VIP, "10.0.0.100:5000", REAL],
                // 1460 less 8
                &[2, 4, 0x05, 0xac, 1, 1, 4, 2, 1, 3, 3, 7],
                &TOA,
            ),
        },
        Case {
            description: "the same over IPv6",
            world: full_nat6(),
            steps: connection(
                [CLIENT6, VIP6, "[2001:db8:5::100]:5000", REAL6],
                // 1460 less 20
                &[2, 4, 0x05, 0xa0, 1, 1, 4, 2, 1, 3, 3, 7],
                &TOA6,
            ),
        },
        Case {
            description: "datagrams by FULLNAT",
            world: full_nat(Service::udp(VIP)),
            steps: datagrams(),
        },
        Case {
            description: "each connection comes from a port of its own",
            world: full_nat(Service::udp(VIP)),
            steps: [
                (CLIENT, "10.0.0.100:5000"),
                (OTHER_CLIENT, "10.0.0.100:5001"),
            ]
            .map(|(client, local)| {
                to_server(
                    Datagram::udp(client, VIP).bytes(),
                    Datagram::udp(local, REAL).forwarded(0).bytes(),
                )
            })
            .into(),
        },
        Case {
            description: "without a free local port a connection is dropped",
            world: with(Service::udp(VIP).local("10.0.0.100", 5000, 5000), REAL),
            steps: vec![
                to_server(
                    Datagram::udp(CLIENT, VIP).bytes(),
                    Datagram::udp("10.0.0.100:5000", REAL).forwarded(0).bytes(),
                ),
                Step::Packet(
                    Datagram::udp(OTHER_CLIENT, VIP).bytes(),
                    Outcome::Drop(Counter::DropNoLocalPort),
                ),
            ],
        },
        Case {
            description: "without a local address of the family a connection is dropped",
            world: with(Service::udp(VIP).local("2001:db8:5::100", 5000, 5999), REAL),
            steps: vec![Step::Packet(
                Datagram::udp(CLIENT, VIP).bytes(),
                Outcome::Drop(Counter::DropNoLocalAddress),
            )],
        },
    ];
    cases.extend(
        options()
            .into_iter()
            .map(|(description, before, after)| Case {
                description,
                world: full_nat(Service::tcp(VIP)),
                steps: vec![to_server(
                    Datagram::tcp(CLIENT, VIP, SYN).options(&before).bytes(),
                    Datagram::tcp("10.0.0.100:5000", REAL, SYN)
                        .options(&after)
                        .forwarded(0)
                        .bytes(),
                )],
            }),
    );
    cases
}

/// Options of a SYN before and after.
fn options() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let longest = [[1; 32].as_slice(), &TOA].concat();
    vec![
        ("a SYN without options gets TOA alone", vec![], TOA.to_vec()),
        (
            "padding becomes no-operations: a receiver stops at an end of the list",
            vec![2, 4, 0x05, 0xb4, 0, 0, 0, 0],
            [[2, 4, 0x05, 0xac, 1, 1, 1, 1].as_slice(), &TOA].concat(),
        ),
        (
            "an MSS at an odd place is lowered too",
            vec![1, 2, 4, 0x05, 0xb4, 1, 1, 0],
            [[1, 2, 4, 0x05, 0xac, 1, 1, 1].as_slice(), &TOA].concat(),
        ),
        (
            "an MSS whose low byte borrows",
            vec![2, 4, 0x06, 0x03],
            [[2, 4, 0x05, 0xfb].as_slice(), &TOA].concat(),
        ),
        ("a header with just room for TOA", vec![1; 32], longest),
        (
            "a header without room for TOA goes without",
            vec![1; 36],
            vec![1; 36],
        ),
    ]
}

fn with(service: Service, real: &str) -> World {
    let mut world = world();
    world.add(service, &[Server::new(Method::FULLNAT, real)]);
    world
}

fn full_nat(service: Service) -> World {
    with(service.local("10.0.0.100", 5000, 5999), REAL)
}

fn full_nat6() -> World {
    let service = Service::tcp(VIP6).local("2001:db8:5::100", 5000, 5999);
    with(service, REAL6)
}

fn connection([client, vip, local, real]: [&str; 4], lowered: &[u8], toa: &[u8]) -> Vec<Step> {
    let options = [lowered, toa].concat();
    let up = |flags: u8, length: usize| {
        let segment = Datagram::tcp(client, vip, flags).payload(length);
        let forwarded = segment.clone().from(local).to(real).forwarded(0);
        to_server(segment.bytes(), forwarded.bytes())
    };
    let down = |flags: u8, length: usize| {
        let segment = Datagram::tcp(real, local, flags).payload(length);
        let returned = segment.clone().from(vip).to(client).returned();
        to_client(segment.bytes(), returned.bytes())
    };
    let syn = || {
        to_server(
            Datagram::syn(client, vip).bytes(),
            Datagram::syn(local, real)
                .options(&options)
                .forwarded(0)
                .bytes(),
        )
    };
    vec![
        syn(),
        // sent again, it says the same
        syn(),
        down(SYN | ACK, 0),
        up(ACK, 0),
        up(ACK, 512),
        down(ACK, 1333),
        up(FIN | ACK, 1),
        down(FIN | ACK, 0),
        up(ACK, 0),
    ]
}

fn datagrams() -> Vec<Step> {
    let up = Datagram::udp(CLIENT, VIP).payload(77);
    let down = Datagram::udp(REAL, "10.0.0.100:5000").payload(78);
    let there = || {
        let forwarded = up.clone().from("10.0.0.100:5000").to(REAL).forwarded(0);
        to_server(up.bytes(), forwarded.bytes())
    };
    let back = || {
        let returned = down.clone().from(VIP).to(CLIENT).returned();
        to_client(down.bytes(), returned.bytes())
    };
    vec![there(), back(), there(), back()]
}
