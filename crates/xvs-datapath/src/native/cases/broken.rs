//! Packets whose headers are not sound: what the kernel drops before IPVS sees it opens nothing and goes
//! nowhere, and what is only cut short goes on where nothing of it is rewritten.

use xvs_wire::tcp::ACK;

use super::{
    CLIENT, CLIENT6, Case, Outcome, REAL, REAL6, Step, VIP, VIP6, mended, to_server, world,
};
use crate::{
    abi::{Counter, Method},
    native::{Datagram, Server, Service, World},
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            description: "a wrong header checksum opens nothing and carries nothing",
            world: by(Method::DIRECT),
            steps: vec![
                pass(wrong_sum(Datagram::syn(CLIENT, VIP))),
                opened(),
                pass(wrong_sum(Datagram::tcp(CLIENT, VIP, ACK).payload(9))),
            ],
        },
        Case {
            description: "a packet longer than its frame goes nowhere",
            world: by(Method::NAT),
            steps: vec![
                pass(of_length(Datagram::syn(CLIENT, VIP), 200)),
                pass(of_length(Datagram::syn(CLIENT6, VIP6), 200)),
            ],
        },
        Case {
            description: "sources that no packet has open nothing",
            world: by(Method::DIRECT).owning("10.9.9.9"),
            steps: [
                ("0.0.0.1:1", VIP),
                ("127.0.0.1:1", VIP),
                ("224.0.0.5:1", VIP),
                ("255.255.255.255:1", VIP),
                ("10.9.9.9:1", VIP),
                ("[::1]:1", VIP6),
                ("[ff02::1]:1", VIP6),
            ]
            .map(|(from, to)| pass(Datagram::syn(from, to).bytes()))
            .into(),
        },
        Case {
            description: "a segment cut within its header goes on by direct routing",
            world: by(Method::DIRECT),
            steps: vec![
                pass(cut(Datagram::syn(CLIENT, VIP), 19)),
                opened(),
                to_server(
                    cut(Datagram::tcp(CLIENT, VIP, ACK), 4),
                    cut(Datagram::tcp(CLIENT, VIP, ACK).forwarded(0), 4),
                ),
                pass(cut(Datagram::tcp(CLIENT, VIP, ACK), 3)),
            ],
        },
        Case {
            description: "a segment cut within its header is dropped by NAT",
            world: by(Method::NAT),
            steps: vec![
                to_server(
                    Datagram::syn(CLIENT6, VIP6).bytes(),
                    Datagram::syn(CLIENT6, REAL6).forwarded(1).bytes(),
                ),
                Step::Packet(
                    cut(Datagram::tcp(CLIENT6, VIP6, ACK), 19),
                    Outcome::Drop(Counter::DropCut),
                ),
            ],
        },
    ]
}

fn by(method: u8) -> World {
    let mut world = world();
    world.add(Service::tcp(VIP), &[Server::new(method, REAL)]);
    world.add(Service::tcp(VIP6), &[Server::new(method, REAL6)]);
    world
}

fn opened() -> Step {
    to_server(
        Datagram::syn(CLIENT, VIP).bytes(),
        Datagram::syn(CLIENT, VIP).forwarded(0).bytes(),
    )
}

fn pass(frame: Vec<u8>) -> Step {
    Step::Packet(frame, Outcome::Pass)
}

fn wrong_sum(datagram: Datagram) -> Vec<u8> {
    let mut frame = datagram.bytes();
    frame[25] ^= 1;
    frame
}

/// The datagram with another length in its IP header.
fn of_length(datagram: Datagram, length: u8) -> Vec<u8> {
    let mut frame = datagram.bytes();
    let place = if datagram.source.is_ipv6() { 19 } else { 17 };
    frame[place] = length;
    mended(frame)
}

/// The datagram with so many bytes of its L4 header.
fn cut(datagram: Datagram, length: u8) -> Vec<u8> {
    let ip = if datagram.source.is_ipv6() { 0 } else { 20 };
    let end = if ip == 0 { 54 } else { 34 } + usize::from(length);
    let mut frame = of_length(datagram, ip + length);
    frame.truncate(end);
    frame
}
