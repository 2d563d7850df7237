//! IPv4 options, IPv6 extension headers, and fragments that follow their first one.

use xvs_wire::tcp::{ACK, SYN};

use super::{
    CLIENT, CLIENT6, Case, NEAR, Outcome, REAL, REAL6, Step, VIP, VIP6, to_client, to_server, world,
};
use crate::{
    abi::Method,
    native::{Datagram, Server, Service, World},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case {
            description: "IPv4 options go along by NAT, both ways",
            world: nat(Service::udp(VIP), REAL),
            steps: options()
                .into_iter()
                .flat_map(|options| both_ways(CLIENT, VIP, REAL, &|frame| optioned(frame, options)))
                .collect(),
        },
        Case {
            description: "source routes and malformed options are the kernel's",
            world: nat(Service::udp(VIP), REAL),
            steps: [
                [0x83, 7, 4, 10, 1, 0, 1, 0],
                [0x89, 7, 4, 10, 1, 0, 1, 0],
                [7, 39, 4, 0, 0, 0, 0, 0],
                [7, 1, 4, 0, 0, 0, 0, 0],
                [1, 1, 1, 1, 1, 1, 1, 7],
            ]
            .map(|options| {
                let frame = Datagram::udp(CLIENT, VIP).payload(9).bytes();
                Step::Packet(optioned(&frame, &options), Outcome::Pass)
            })
            .into(),
        },
        Case {
            description: "extension headers go along by NAT, both ways",
            world: nat(Service::udp(VIP6), REAL6),
            steps: chains()
                .into_iter()
                .flat_map(|chain| both_ways(CLIENT6, VIP6, REAL6, &|frame| extended(frame, &chain)))
                .collect(),
        },
        Case {
            description: "a TCP connection whose every segment has options",
            world: nat(Service::tcp(VIP), REAL),
            steps: handshake(CLIENT, VIP, REAL, &|frame| optioned(frame, &[1, 1, 1, 1])),
        },
        Case {
            description: "a TCP connection whose every segment has an extension header",
            world: nat(Service::tcp(VIP6), REAL6),
            steps: handshake(CLIENT6, VIP6, REAL6, &|frame| {
                extended(frame, &[(0, vec![1, 4, 0, 0, 0, 0])])
            }),
        },
        one_way(Server::new(Method::DIRECT, REAL), None),
        one_way(Server::tunnel(NEAR, REAL), Some(NEAR)),
    ];
    for (client, vip, real) in [(CLIENT, VIP, REAL), (CLIENT6, VIP6, REAL6)] {
        cases.push(Case {
            description: "fragments behind their first one take its way, in any order",
            world: nat(Service::udp(vip), real),
            steps: [[0, 1, 2], [0, 2, 1]]
                .iter()
                .zip(1_u8..)
                .flat_map(|(order, packet)| fragmented(client, vip, real, packet, order))
                .collect(),
        });
        cases.push(Case {
            description: "a fragment before its first one is held",
            world: nat(Service::udp(vip), real),
            steps: {
                let pieces = cut(&Datagram::udp(client, vip).payload(100).bytes(), 9);
                vec![
                    Step::Packet(pieces[1].clone(), Outcome::Held),
                    Step::Packet(pieces[2].clone(), Outcome::Held),
                ]
            },
        });
    }
    cases.push(Case {
        description: "fragments of others pass in any order",
        world: nat(Service::udp(VIP), REAL),
        steps: {
            let foreign = Datagram::udp(CLIENT, "203.0.113.9:53").payload(100);
            let pieces = cut(&foreign.bytes(), 9);
            let pass = |piece: usize| {
                let outcome = Outcome::Pass;
                Step::Packet(pieces[piece].clone(), outcome)
            };
            vec![pass(1), pass(0), pass(2)]
        },
    });
    cases
}

/// Options that say nothing to a router, or nothing that a receiver would miss.
fn options() -> [&'static [u8]; 5] {
    [
        &[1, 1, 1, 1],
        &[0, 0, 0, 0],
        &[0x94, 4, 0, 0],
        &[0x9e, 6, 1, 2, 3, 4, 1, 0],
        &[1; 40],
    ]
}

/// Extension headers: kind, and what stands behind next header and length.
fn chains() -> [Vec<(u8, Vec<u8>)>; 4] {
    let padding = vec![1, 4, 0, 0, 0, 0];
    [
        vec![(0, padding.clone())],
        vec![(60, padding.clone())],
        vec![(0, padding.clone()), (60, padding)],
        vec![(43, vec![0; 22])],
    ]
}

/// A datagram there and back, each as `change` makes it.
fn both_ways(client: &str, vip: &str, real: &str, change: &dyn Fn(&[u8]) -> Vec<u8>) -> [Step; 2] {
    let up = Datagram::udp(client, vip).payload(9);
    let down = Datagram::udp(real, client).payload(13);
    [
        to_server(
            change(&up.bytes()),
            change(&up.to(real).forwarded(0).bytes()),
        ),
        to_client(
            change(&down.bytes()),
            change(&down.from(vip).returned().bytes()),
        ),
    ]
}

fn handshake(client: &str, vip: &str, real: &str, change: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<Step> {
    let up = |flags| {
        let segment = Datagram::tcp(client, vip, flags).payload(5);
        let out = segment.clone().to(real).forwarded(0);
        to_server(change(&segment.bytes()), change(&out.bytes()))
    };
    let answer = Datagram::tcp(real, client, SYN | ACK);
    let out = answer.clone().from(vip).returned();
    vec![
        up(SYN),
        to_client(change(&answer.bytes()), change(&out.bytes())),
        up(ACK),
        up(ACK),
    ]
}

/// A datagram with options by DR or TUN.
fn one_way(server: Server, near: Option<&str>) -> Case {
    let mut world = world();
    world.add(Service::udp(VIP), &[server]);
    let datagram = Datagram::udp(CLIENT, VIP).payload(9);
    let inner = optioned(&datagram.clone().forwarded(0).bytes(), &[1, 1, 1, 1]);
    let out = match near {
        None => inner,
        Some(near) => {
            let outer = datagram
                .clone()
                .forwarded(0)
                .payload(13)
                .inside(near, "10.0.0.1");
            [&outer.bytes()[..34], &inner[14..]].concat()
        }
    };
    Case {
        description: "IPv4 options go along by DR and TUN",
        world,
        steps: vec![to_server(optioned(&datagram.bytes(), &[1, 1, 1, 1]), out)],
    }
}

/// The steps of a datagram in fragments that come in `order`.
fn fragmented(client: &str, vip: &str, real: &str, packet: u8, order: &[usize]) -> Vec<Step> {
    let up = Datagram::udp(client, vip).payload(100);
    let before = cut(&up.bytes(), packet);
    let after = cut(&up.to(real).forwarded(0).bytes(), packet);
    let down = Datagram::udp(real, client).payload(77);
    let reply = cut(&down.bytes(), packet);
    let got = cut(&down.from(vip).returned().bytes(), packet);
    order
        .iter()
        .map(|piece| to_server(before[*piece].clone(), after[*piece].clone()))
        .chain(
            order
                .iter()
                .map(|piece| to_client(reply[*piece].clone(), got[*piece].clone())),
        )
        .collect()
}

/// The frame's packet with these options.
fn optioned(frame: &[u8], options: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.splice(34..34, options.iter().copied());
    frame[14] = 0x45 + u8::try_from(options.len() / 4).expect("at most 40 bytes");
    frame[20] |= 0x40;
    relength(&mut frame);
    frame
}

/// The frame's packet with these extension headers.
fn extended(frame: &[u8], chain: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for (kind, body) in chain.iter().rev() {
        let length = u8::try_from((body.len() + 2) / 8 - 1).expect("a short header");
        let header: Vec<u8> = [frame[20], length]
            .into_iter()
            .chain(body.clone())
            .collect();
        frame[20] = *kind;
        frame.splice(54..54, header);
    }
    relength(&mut frame);
    frame
}

/// The frame's packet in three fragments, of which two carry 40 bytes.
pub(crate) fn cut(frame: &[u8], packet: u8) -> Vec<Vec<u8>> {
    let v6 = frame[12..14] == [0x86, 0xdd];
    let payload = &frame[if v6 { 54 } else { 34 }..];
    payload
        .chunks(40)
        .zip(0_u8..)
        .map(|(chunk, number)| {
            let more = usize::from(number + 1) * 40 < payload.len();
            let mut piece = frame[..frame.len() - payload.len()].to_vec();
            if v6 {
                let offset = (u16::from(number) * 40) | u16::from(more);
                let [high, low] = offset.to_be_bytes();
                piece.extend([piece[20], 0, high, low, 0, 0, 0, packet]);
                piece[20] = 44;
            } else {
                piece[18..20].copy_from_slice(&[0, packet]);
                piece[20..22].copy_from_slice(&[if more { 0x20 } else { 0 }, number * 5]);
            }
            piece.extend(chunk);
            relength(&mut piece);
            piece
        })
        .collect()
}

/// Puts length and header checksum right.
fn relength(frame: &mut [u8]) {
    let length = frame.len() - 14;
    if frame[12..14] == [0x86, 0xdd] {
        let payload = u16::try_from(length - 40).expect("a short packet");
        frame[18..20].copy_from_slice(&payload.to_be_bytes());
        return;
    }
    let length = u16::try_from(length).expect("a short packet");
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    let header = 14 + usize::from(frame[14] & 15) * 4;
    frame[24..26].fill(0);
    let sum = xvs_wire::checksum::finish(&frame[14..header], 0).to_ne_bytes();
    frame[24..26].copy_from_slice(&sum);
}

fn nat(service: Service, real: &str) -> World {
    let mut world = world();
    world.add(service, &[Server::new(Method::NAT, real)]);
    world
}
