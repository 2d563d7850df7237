//! NAT, both directions.

use xvs_wire::tcp::{ACK, FIN, RST, SYN};

use super::{
    CLIENT, CLIENT6, Case, OTHER_CLIENT, Outcome, REAL, REAL2, REAL6, Step, VIP, VIP6, to_client,
    to_server, world,
};
use crate::{
    abi::{Counter, Method},
    native::{Datagram, Server, Service, World},
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            description: "a TCP connection by NAT, ports mapped, from SYN to FIN",
            world: nat(Service::tcp(VIP), REAL),
            steps: connection(CLIENT, VIP, REAL),
        },
        Case {
            description: "the same over IPv6",
            world: nat(Service::tcp(VIP6), REAL6),
            steps: connection(CLIENT6, VIP6, REAL6),
        },
        Case {
            description: "datagrams by NAT, both ways",
            world: nat(Service::udp(VIP), REAL),
            steps: datagrams(CLIENT, VIP, REAL),
        },
        Case {
            description: "datagrams by NAT over IPv6",
            world: nat(Service::udp(VIP6), REAL6),
            steps: datagrams(CLIENT6, VIP6, REAL6),
        },
        Case {
            description: "a real server with port 0 keeps the packet's port",
            world: nat(Service::tcp("192.0.2.1:0"), "10.0.0.1:0"),
            steps: connection(CLIENT, "192.0.2.1:4433", "10.0.0.1:4433"),
        },
        Case {
            description: "a datagram without a checksum stays without",
            world: nat(Service::udp(VIP), REAL),
            steps: vec![to_server(
                Datagram::udp(CLIENT, VIP)
                    .without_checksum()
                    .payload(5)
                    .bytes(),
                Datagram::udp(CLIENT, REAL)
                    .without_checksum()
                    .payload(5)
                    .forwarded(0)
                    .bytes(),
            )],
        },
        Case {
            description: "a checksum that becomes 0 is written as 0xffff",
            world: nat(Service::udp(VIP), REAL),
            steps: vec![to_server(
                zero_sum(VIP).bytes(),
                zero_sum(REAL).forwarded(0).bytes(),
            )],
        },
        Case {
            description: "an empty datagram and an odd one",
            world: nat(Service::udp(VIP), REAL),
            steps: [0, 1, 3]
                .map(|length| {
                    let datagram = Datagram::udp(CLIENT, VIP).payload(length);
                    to_server(
                        datagram.bytes(),
                        datagram.clone().to(REAL).forwarded(0).bytes(),
                    )
                })
                .into(),
        },
        Case {
            description: "round robin gives the second client the second real server",
            world: {
                let mut world = world();
                let servers = [REAL, REAL2].map(|real| Server::new(Method::NAT, real));
                world.add(Service::tcp(VIP), &servers);
                world
            },
            steps: vec![
                to_server(
                    Datagram::syn(CLIENT, VIP).bytes(),
                    Datagram::syn(CLIENT, REAL).forwarded(0).bytes(),
                ),
                to_server(
                    Datagram::syn(OTHER_CLIENT, VIP).bytes(),
                    Datagram::syn(OTHER_CLIENT, REAL2).forwarded(1).bytes(),
                ),
                to_server(
                    Datagram::tcp(CLIENT, VIP, ACK).bytes(),
                    Datagram::tcp(CLIENT, REAL, ACK).forwarded(0).bytes(),
                ),
            ],
        },
        Case {
            description: "padding behind the IP packet is cut off",
            world: nat(Service::udp(VIP), REAL),
            steps: vec![
                to_server(
                    padded(&Datagram::udp(CLIENT, VIP).payload(1)),
                    Datagram::udp(CLIENT, REAL).payload(1).forwarded(0).bytes(),
                ),
                to_server(
                    padded(&Datagram::udp(CLIENT, VIP).payload(2)),
                    Datagram::udp(CLIENT, REAL).payload(2).forwarded(0).bytes(),
                ),
            ],
        },
        Case {
            description: "a reset from the client goes on to the real server",
            world: nat(Service::tcp(VIP), REAL),
            steps: vec![
                to_server(
                    Datagram::syn(CLIENT, VIP).bytes(),
                    Datagram::syn(CLIENT, REAL).forwarded(0).bytes(),
                ),
                to_server(
                    Datagram::tcp(CLIENT, VIP, RST).bytes(),
                    Datagram::tcp(CLIENT, REAL, RST).forwarded(0).bytes(),
                ),
            ],
        },
        Case {
            description: "packets for a deleted real server are dropped, its replies go on",
            world: nat(Service::tcp(VIP), REAL),
            steps: vec![
                to_server(
                    Datagram::syn(CLIENT, VIP).bytes(),
                    Datagram::syn(CLIENT, REAL).forwarded(0).bytes(),
                ),
                Step::Edit(0, |server| {
                    server.flags = crate::abi::real_server_flag::IN_USE;
                }),
                Step::Packet(
                    Datagram::tcp(CLIENT, VIP, ACK).bytes(),
                    Outcome::Drop(Counter::DropRealServerGone),
                ),
                to_client(
                    Datagram::tcp(REAL, CLIENT, ACK | SYN).bytes(),
                    Datagram::tcp(VIP, CLIENT, ACK | SYN).returned().bytes(),
                ),
            ],
        },
        Case {
            description: "the time to live may be the least that goes on",
            world: nat(Service::udp(VIP), REAL),
            steps: vec![to_server(
                Datagram::udp(CLIENT, VIP).ttl(2).bytes(),
                Datagram::udp(CLIENT, REAL).ttl(2).forwarded(0).bytes(),
            )],
        },
    ]
}

fn nat(service: Service, real: &str) -> World {
    let mut world = world();
    world.add(service, &[Server::new(Method::NAT, real)]);
    world
}

/// A TCP connection with data both ways that the client closes.
fn connection(client: &str, vip: &str, real: &str) -> Vec<Step> {
    let up = |flags: u8, length: usize| {
        let segment = Datagram::tcp(client, vip, flags).payload(length);
        to_server(
            segment.bytes(),
            segment.clone().to(real).forwarded(0).bytes(),
        )
    };
    let down = |flags: u8, length: usize| {
        let segment = Datagram::tcp(real, client, flags).payload(length);
        to_client(
            segment.bytes(),
            segment.clone().from(vip).returned().bytes(),
        )
    };
    let syn = Datagram::syn(client, vip);
    vec![
        to_server(syn.bytes(), syn.clone().to(real).forwarded(0).bytes()),
        down(SYN | ACK, 0),
        up(ACK, 0),
        up(ACK, 333),
        down(ACK, 1400),
        down(ACK, 1401),
        up(FIN | ACK, 0),
        down(FIN | ACK, 7),
        up(ACK, 0),
    ]
}

/// Datagrams there, back, and there again.
fn datagrams(client: &str, vip: &str, real: &str) -> Vec<Step> {
    let up = Datagram::udp(client, vip).payload(100);
    let down = Datagram::udp(real, client).payload(501);
    let there = || to_server(up.bytes(), up.clone().to(real).forwarded(0).bytes());
    let back = || to_client(down.bytes(), down.clone().from(vip).returned().bytes());
    vec![there(), back(), there(), back(), there()]
}

/// A datagram to `to` whose checksum is 0 before it is written as 0xffff, when `to` is [`REAL`].
fn zero_sum(to: &str) -> Datagram {
    let plain = Datagram::udp(CLIENT, REAL).payload(2).bytes();
    let sum = u16::from_be_bytes([plain[40], plain[41]]);
    let payload = u16::from_be_bytes([plain[42], plain[43]]);
    // One's complement: what the sum lacks goes to the payload.
    let (sum, carry) = payload.overflowing_add(sum);
    let mut datagram = Datagram::udp(CLIENT, to);
    datagram.payload = (sum + u16::from(carry)).to_be_bytes().to_vec();
    datagram
}

/// The frame with bytes behind the packet, as short frames have on the wire.
fn padded(datagram: &Datagram) -> Vec<u8> {
    let mut frame = datagram.bytes();
    frame.resize(60, 0xee);
    frame
}
