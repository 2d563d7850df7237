//! Tunnelling in all pairs of families.

use xvs_wire::tcp::ACK;

use super::{CLIENT, CLIENT6, Case, NEAR, NEAR6, REAL, REAL6, VIP, VIP6, to_server, world};
use crate::native::{Datagram, Server, Service, World};

/// A pair of families: client, VIP, director, real server.
struct Pair {
    description: &'static str,
    too_big: &'static str,
    client: &'static str,
    vip: &'static str,
    near: &'static str,
    real: &'static str,
}

const PAIRS: [Pair; 4] = [
    Pair {
        description: "IPv4 in IPv4",
        too_big: "IPv4 that does not fit IPv4",
        client: CLIENT,
        vip: VIP,
        near: NEAR,
        real: REAL,
    },
    Pair {
        description: "IPv6 in IPv6",
        too_big: "IPv6 that does not fit IPv6",
        client: CLIENT6,
        vip: VIP6,
        near: NEAR6,
        real: REAL6,
    },
    Pair {
        description: "IPv4 in IPv6",
        too_big: "IPv4 that does not fit IPv6",
        client: CLIENT,
        vip: VIP,
        near: NEAR6,
        real: REAL6,
    },
    Pair {
        description: "IPv6 in IPv4",
        too_big: "IPv6 that does not fit IPv4",
        client: CLIENT6,
        vip: VIP6,
        near: NEAR,
        real: REAL,
    },
];

pub(super) fn cases() -> Vec<Case> {
    PAIRS
        .iter()
        .flat_map(|pair| [carried(pair), too_big(pair)])
        .collect()
}

fn tunnel(pair: &Pair, service: Service) -> World {
    let mut world = world();
    world.add(service, &[Server::tunnel(pair.near, pair.real)]);
    world
}

/// A connection, with every codepoint of ECN and without "don't fragment".
fn carried(pair: &Pair) -> Case {
    let ip = pair.real.rsplit_once(':').map_or("", |(ip, _)| ip);
    let ip = ip.trim_matches(['[', ']']);
    let plain = Datagram::tcp(pair.client, pair.vip, ACK);
    let packets = [
        Datagram::syn(pair.client, pair.vip),
        plain.clone(),
        plain.clone().payload(1001).class(0xb9),
        plain.clone().payload(8).class(0xba),
        plain.clone().payload(8).class(0xbb).ttl(2),
        plain.payload(8).may_fragment(),
    ];
    Case {
        description: pair.description,
        world: tunnel(pair, Service::tcp(pair.vip)),
        steps: packets
            .into_iter()
            .map(|packet| {
                let outer = packet.clone().forwarded(0).inside(pair.near, ip);
                to_server(packet.bytes(), outer.bytes())
            })
            .collect(),
    }
}

/// Packets of just the size that fits, and of one byte more.
fn too_big(pair: &Pair) -> Case {
    let ip = pair.real.rsplit_once(':').map_or("", |(ip, _)| ip);
    let ip = ip.trim_matches(['[', ']']);
    let inner: usize = if pair.client.starts_with('[') { 40 } else { 20 };
    let outer: u16 = if pair.real.starts_with('[') { 40 } else { 20 };
    let room = 1500 - usize::from(outer) - inner - 8;
    let fits = Datagram::udp(pair.client, pair.vip).payload(room);
    let exceeds = Datagram::udp(pair.client, pair.vip).payload(room + 1);
    let mtu = u32::from(1500 - outer);
    Case {
        description: pair.too_big,
        world: tunnel(pair, Service::udp(pair.vip)),
        steps: vec![
            to_server(
                fits.bytes(),
                fits.clone().forwarded(0).inside(pair.near, ip).bytes(),
            ),
            super::too_big(&exceeds, mtu),
        ],
    }
}
