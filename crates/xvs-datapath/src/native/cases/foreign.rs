//! What is not ours passes as it came.

use xvs_wire::tcp::{ACK, RST, SYN};

use super::{
    CLIENT, CLIENT6, Case, Outcome, REAL, REAL6, Step, VIP, VIP6, mended, to_server, world,
};
use crate::{
    abi::{Counter, Method, setting_flag},
    native::{Datagram, Server, Service, World},
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            description: "packets to and from others pass",
            world: both(),
            steps: vec![
                pass(Datagram::syn(CLIENT, "192.0.2.99:80").bytes()),
                pass(Datagram::syn(CLIENT, "192.0.2.1:81").bytes()),
                pass(Datagram::udp(CLIENT, VIP).bytes()),
                pass(Datagram::syn(CLIENT6, "[2001:db8::99]:80").bytes()),
                pass(Datagram::udp(CLIENT6, VIP6).bytes()),
                // from a real server, yet of no connection
                pass(Datagram::tcp(REAL, CLIENT, SYN | ACK).bytes()),
                pass(Datagram::tcp(REAL6, CLIENT6, SYN | ACK).bytes()),
            ],
        },
        Case {
            description: "a stray segment opens no connection",
            world: both(),
            steps: [ACK, RST, RST | ACK, SYN | RST]
                .into_iter()
                .flat_map(|flags| {
                    [
                        pass(Datagram::tcp(CLIENT, VIP, flags).payload(3).bytes()),
                        pass(Datagram::tcp(CLIENT6, VIP6, flags).payload(3).bytes()),
                    ]
                })
                .collect(),
        },
        Case {
            description: "with sloppy TCP a stray segment opens one, a reset does not",
            world: {
                let mut world = both();
                world.settings.flags = setting_flag::SLOPPY_TCP;
                world
            },
            steps: vec![
                pass(Datagram::tcp(CLIENT, VIP, RST).bytes()),
                to_server(
                    Datagram::tcp(CLIENT, VIP, ACK).payload(3).bytes(),
                    Datagram::tcp(CLIENT, REAL, ACK)
                        .payload(3)
                        .forwarded(0)
                        .bytes(),
                ),
            ],
        },
        Case {
            description: "a flooded frame opens no connection",
            world: both(),
            steps: vec![
                Step::Packet(
                    Datagram::syn(CLIENT, VIP)
                        .macs([2, 0, 0, 0, 0, 0x99], World::ROUTER_MAC)
                        .bytes(),
                    Outcome::PassCounting(Counter::NotOurMac),
                ),
                Step::Packet(
                    Datagram::syn(CLIENT6, VIP6)
                        .macs([0xff; 6], World::ROUTER_MAC)
                        .bytes(),
                    Outcome::PassCounting(Counter::NotOurMac),
                ),
            ],
        },
        Case {
            description: "transit to a VIP that another host has opens no connection",
            world: {
                let mut world = world();
                let server = [Server::new(Method::NAT, REAL)];
                world.add(Service::tcp(VIP).elsewhere(), &server);
                world
            },
            steps: vec![Step::Packet(
                Datagram::syn(CLIENT, VIP).bytes(),
                Outcome::PassCounting(Counter::NotLocal),
            )],
        },
        Case {
            description: "lone fragments, malformed headers and other protocols pass",
            world: both(),
            steps: altered().into_iter().map(pass).collect(),
        },
        Case {
            description: "frames that end too early pass",
            world: both(),
            steps: [Datagram::syn(CLIENT, VIP), Datagram::syn(CLIENT6, VIP6)]
                .iter()
                .flat_map(|datagram| {
                    let frame = datagram.bytes();
                    let ip = if datagram.source.is_ipv6() { 40 } else { 20 };
                    [14, 15, 33, 14 + ip, 14 + ip + 3, 14 + ip + 19]
                        .map(|length| pass(frame[..length.min(14 + ip + 19)].to_vec()))
                })
                .collect(),
        },
    ]
}

/// Frames to the VIPs that the datapath leaves to the kernel.
fn altered() -> Vec<Vec<u8>> {
    let v4 = Datagram::syn(CLIENT, VIP).bytes();
    let v6 = Datagram::syn(CLIENT6, VIP6).bytes();
    let mut frames = Vec::new();
    let mut change = |frame: &[u8], at: usize, value: u8| {
        let mut changed = frame.to_vec();
        changed[at] = value;
        frames.push(mended(changed));
    };
    // a later fragment; what are no options; version 6 in an IPv4 frame
    change(&v4, 21, 0x01);
    change(&v4, 14, 0x46);
    change(&v4, 14, 0x65);
    // ICMP, SCTP, IPIP
    change(&v4, 23, 1);
    change(&v4, 23, 132);
    change(&v4, 23, 4);
    // what are neither hop-by-hop options nor a fragment header; ICMPv6
    change(&v6, 20, 0);
    change(&v6, 20, 44);
    change(&v6, 20, 58);
    // ARP, a VLAN, IPv6 announced and IPv4 inside
    change(&v4, 13, 0x06);
    change(&v4, 12, 0x81);
    change(&v6, 12, 0x08);
    frames
}

fn both() -> World {
    let mut world = world();
    world.add(Service::tcp(VIP), &[Server::new(Method::NAT, REAL)]);
    world.add(Service::tcp(VIP6), &[Server::new(Method::NAT, REAL6)]);
    world
}

fn pass(frame: Vec<u8>) -> Step {
    Step::Packet(frame, Outcome::Pass)
}
