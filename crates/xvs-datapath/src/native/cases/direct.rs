//! Direct routing, and real servers that are this host.

use xvs_wire::tcp::{ACK, FIN};

use super::{CLIENT, CLIENT6, Case, Outcome, REAL, REAL6, Step, VIP, VIP6, to_server, world};
use crate::{
    abi::{Counter, HopKey, HopKind, Method, NextHop},
    native::{Datagram, Server, Service, World, address, icmp_error},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        (
            "a TCP connection by direct routing",
            Service::tcp(VIP),
            Datagram::syn(CLIENT, VIP),
        ),
        (
            "the same over IPv6",
            Service::tcp(VIP6),
            Datagram::syn(CLIENT6, VIP6),
        ),
        (
            "datagrams by direct routing",
            Service::udp(VIP),
            Datagram::udp(CLIENT, VIP).payload(9),
        ),
        (
            "datagrams by direct routing over IPv6",
            Service::udp(VIP6),
            Datagram::udp(CLIENT6, VIP6).payload(9),
        ),
    ]
    .into_iter()
    .map(|(description, service, first)| Case {
        description,
        world: with(service, &server_for(&first)),
        steps: exchange(&first),
    })
    .collect();
    cases.extend([
        Case {
            description: "a real server that is this host gets packets as they came",
            world: with(Service::tcp(VIP), &Server::new(Method::LOCAL, VIP)),
            steps: vec![
                Step::Packet(Datagram::syn(CLIENT, VIP).bytes(), Outcome::Pass),
                Step::Packet(Datagram::tcp(CLIENT, VIP, ACK).bytes(), Outcome::Pass),
                Step::Packet(
                    Datagram::tcp(CLIENT, VIP, ACK).ttl(1).payload(3).bytes(),
                    Outcome::Pass,
                ),
            ],
        },
        Case {
            description: "an unknown next hop is asked of the kernel",
            world: with(
                Service::udp(VIP),
                &Server::new(Method::DIRECT, "10.0.7.1:0").unknown_next_hop(),
            )
            .reaching("10.0.7.1", [2, 0, 0, 0, 7, 1]),
            steps: repeated(
                &Datagram::udp(CLIENT, VIP),
                &Outcome::Forward(
                    World::CLIENTS,
                    Datagram::udp(CLIENT, VIP)
                        .ttl(63)
                        .macs([2, 0, 0, 0, 7, 1], World::CLIENTS_MAC)
                        .bytes(),
                ),
            ),
        },
        Case {
            description: "a stale heartbeat makes a known next hop be asked again",
            world: {
                let mut world = with(
                    Service::udp(VIP),
                    &Server::new(Method::DIRECT, "10.0.7.1:0"),
                )
                .reaching("10.0.7.1", [2, 0, 0, 0, 7, 1]);
                world.settings.heartbeat = World::START.wrapping_sub(world.settings.patience + 1);
                world
            },
            steps: repeated(
                &Datagram::udp(CLIENT, VIP),
                &Outcome::Forward(
                    World::CLIENTS,
                    Datagram::udp(CLIENT, VIP)
                        .ttl(63)
                        .macs([2, 0, 0, 0, 7, 1], World::CLIENTS_MAC)
                        .bytes(),
                ),
            ),
        },
        Case {
            description: "what the daemon keeps of a neighbour serves whom the kernel names it to",
            world: learned(),
            steps: repeated(
                &Datagram::udp(CLIENT, VIP),
                &Outcome::Forward(
                    World::CLIENTS,
                    Datagram::udp(CLIENT, VIP)
                        .ttl(63)
                        .macs([2, 0, 0, 0, 7, 1], World::CLIENTS_MAC)
                        .bytes(),
                ),
            ),
        },
        Case {
            description: "the kernel resolves a neighbour",
            world: with(
                Service::tcp(VIP),
                &Server::new(Method::DIRECT, "10.0.9.9:0").unknown_next_hop(),
            )
            .unresolved("10.0.9.9"),
            steps: vec![Step::Packet(
                Datagram::syn(CLIENT, VIP).bytes(),
                Outcome::Neighbour(
                    Datagram::syn(CLIENT, VIP)
                        .ttl(63)
                        .macs([0; 6], [0; 6])
                        .bytes(),
                ),
            )],
        },
        Case {
            description: "without a route the sender is told that nobody is there",
            world: with(
                Service::tcp(VIP),
                &Server::new(Method::DIRECT, "10.0.8.8:0").unknown_next_hop(),
            ),
            steps: vec![Step::Packet(
                Datagram::syn(CLIENT, VIP).bytes(),
                Outcome::Answer(
                    Counter::DropNoRoute,
                    icmp_error(&Datagram::syn(CLIENT, VIP).bytes(), 3, 1, 0),
                ),
            )],
        },
    ]);
    cases
}

fn server_for(first: &Datagram) -> Server {
    let real = if first.source.is_ipv6() { REAL6 } else { REAL };
    Server::new(Method::DIRECT, real)
}

fn with(service: Service, server: &Server) -> World {
    let mut world = world();
    world.add(service, std::slice::from_ref(server));
    world
}

/// A world whose daemon keeps the address of a neighbour that no real server names.
fn learned() -> World {
    let mut world = with(
        Service::udp(VIP),
        &Server::new(Method::DIRECT, "10.0.7.1:0").unknown_next_hop(),
    )
    .reaching("10.0.7.1", [2, 0, 0, 0, 7, 1]);
    let answer = world.routes[world.routes.len() - 1].answer;
    let hop = world.add_next_hop(NextHop {
        mac0: answer.mac0,
        mac1: answer.mac1,
        ifindex: World::CLIENTS,
        kind: HopKind::KNOWN,
        mtu: 1500,
        spare: 0,
    });
    world.hop_index.push((
        HopKey {
            address: address([10, 0, 7, 1].into()),
            ifindex: World::CLIENTS,
            family: 4,
        },
        hop,
    ));
    world
}

/// The first packet and two more, the last of them a FIN for TCP.
fn exchange(first: &Datagram) -> Vec<Step> {
    let mut second = first.clone().payload(700);
    second.options.clear();
    let mut third = second.clone().payload(1).class(0xb8).ttl(33);
    if first.flags != 0 {
        second.flags = ACK;
        third.flags = FIN | ACK;
    }
    [first.clone(), second, third]
        .map(|packet| to_server(packet.bytes(), packet.clone().forwarded(0).bytes()))
        .into()
}

/// The same packet three times with the same outcome.
fn repeated(packet: &Datagram, outcome: &Outcome) -> Vec<Step> {
    (0..3)
        .map(|_| Step::Packet(packet.bytes(), outcome.clone()))
        .collect()
}
