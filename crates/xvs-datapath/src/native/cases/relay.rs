//! ICMP errors about the director's own tunnels, IPIP and GRE.

use xvs_wire::checksum;

use super::{CLIENT, Case, NEAR, Outcome, Step, VIP, to_client, to_server, too_big, world};
use crate::{
    abi::{Counter, RealServer},
    native::{Datagram, IcmpError, Server, Service, World},
};

/// A real server's tunnel: kind and checksum as the kernel numbers them.
#[derive(Clone, Copy)]
struct Kind {
    change: fn(&mut RealServer),
    protocol: u8,
    /// What stands between the headers, without the checksum.
    shim: &'static [u8],
}

const SERVER: &str = "10.0.0.1";
/// GUE, whose source port is any, is compared with recordings alone.
const KINDS: [Kind; 3] = [
    Kind {
        change: |_| {},
        protocol: 4,
        shim: &[],
    },
    Kind {
        change: |server| server.tunnel_kind = 2,
        protocol: 47,
        shim: &[0, 0, 8, 0],
    },
    Kind {
        change: |server| {
            server.tunnel_kind = 2;
            server.tunnel_checksum = 1;
        },
        protocol: 47,
        shim: &[0x80, 0, 8, 0, 0, 0, 0, 0],
    },
];

pub(super) fn cases() -> Vec<Case> {
    KINDS
        .into_iter()
        .flat_map(|kind| [relayed(kind), learned(kind)])
        .collect()
}

/// A tunnelled datagram, then errors about it from a router.
fn relayed(kind: Kind) -> Case {
    let mut world = world();
    world.add(Service::udp(VIP), &[Server::tunnel(NEAR, "10.0.0.1:80")]);
    let datagram = Datagram::udp(CLIENT, VIP).payload(301);
    let inner = datagram.clone().forwarded(0).bytes();
    let outer = tunnelled(&inner, kind);
    let quoted = &outer[14..];
    let overhead = 20 + u32::try_from(kind.shim.len()).expect("a short header");
    let about = |length: usize| IcmpError::about(&quoted[..length]).from("10.0.0.99");
    let told = |length: usize| IcmpError {
        class: 0xc0,
        ..IcmpError::about(&inner[14..14 + length])
    };
    let behind = quoted.len() - (inner.len() - 14);
    let mut steps = vec![
        Step::Edit(0, kind.change),
        to_server(datagram.bytes(), outer.clone()),
    ];
    for (code, value, expected) in [(3, 0, 0), (4, 1200, 1200 - overhead)] {
        for length in [28, 64, 65, 101, inner.len() - 14] {
            let error = about(behind + length).saying(3, code, value);
            let answer = told(length).saying(3, code, expected);
            steps.push(to_client(error.bytes(), leaving(answer)));
        }
    }
    let whole = about(quoted.len());
    let mut broken = whole.bytes();
    if let Some(last) = broken.last_mut() {
        *last ^= 1;
    }
    steps.push(Step::Packet(
        broken,
        Outcome::Drop(Counter::DropIcmpChecksum),
    ));
    // cut before the ports inside; to another than who sent it; about another server's tunnel
    for error in [
        about(behind + 20),
        IcmpError {
            destination: "10.0.0.253".parse().expect("an address"),
            ..whole.clone()
        },
        IcmpError {
            quoted: readdressed(quoted),
            ..whole
        },
    ] {
        steps.push(Step::Packet(error.bytes(), Outcome::Pass));
    }
    Case {
        description: "an error about a tunnelled packet reaches the client as one about its own",
        world,
        steps,
    }
}

/// What a router says of the way's MTU is kept to, until it is ten minutes old.
fn learned(kind: Kind) -> Case {
    let mut world = world();
    world.add(Service::udp(VIP), &[Server::tunnel(NEAR, "10.0.0.1:80")]);
    let small = Datagram::udp(CLIENT, VIP).payload(1);
    let large = Datagram::udp(CLIENT, VIP).payload(1100);
    let outer = |datagram: &Datagram| tunnelled(&datagram.clone().forwarded(0).bytes(), kind);
    let overhead = 20 + u32::try_from(kind.shim.len()).expect("a short header");
    let inner = large.clone().forwarded(0).bytes();
    let quoted = outer(&large);
    let behind = quoted.len() - inner.len();
    let error = IcmpError::about(&quoted[14..14 + behind + 64]).from("10.0.0.99");
    let told = IcmpError {
        class: 0xc0,
        ..IcmpError::about(&inner[14..14 + 64])
    };
    Case {
        description: "the MTU of the way behind a router is learned, and forgotten when it is old",
        world,
        steps: vec![
            Step::Edit(0, kind.change),
            to_server(large.bytes(), quoted),
            to_client(
                error.saying(3, 4, 1000).bytes(),
                leaving(told.saying(3, 4, 1000 - overhead)),
            ),
            too_big(&large, 1000 - overhead),
            to_server(small.bytes(), outer(&small)),
            Step::Edit(0, |server| {
                let age = 600 * World::HZ + 1;
                server.path_mtu_stamp = server.path_mtu_stamp.wrapping_sub(age);
            }),
            to_server(large.bytes(), outer(&large)),
        ],
    }
}

/// As the director sends its own errors: not one hop further.
fn leaving(error: IcmpError) -> Vec<u8> {
    let ttl = error.ttl;
    IcmpError {
        ttl: ttl + 1,
        ..error
    }
    .returned()
    .bytes()
}

/// The frame's packet in an outer one.
fn tunnelled(frame: &[u8], kind: Kind) -> Vec<u8> {
    let mut shim = kind.shim.to_vec();
    if shim.len() == 8 {
        let sum = checksum::finish(&[&shim, &frame[14..]].concat(), 0);
        shim[4..6].copy_from_slice(&sum.to_ne_bytes());
    }
    let outer = Datagram::tcp("0.0.0.0:0", "0.0.0.0:0", 0)
        .ttl(frame[22])
        .ip_header(
            NEAR.parse().expect("an address"),
            SERVER.parse().expect("an address"),
            kind.protocol,
            shim.len() + frame.len() - 14,
            0,
        );
    [&frame[..14], &outer, &shim, &frame[14..]].concat()
}

/// The packet to another real server.
fn readdressed(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[19] ^= 2;
    packet
}
