//! Persistence.

use super::{
    CLIENT, CLIENT6, Case, OTHER_CLIENT, OTHER_CLIENT6, Outcome, REAL, REAL2, REAL6, REAL6_2, Step,
    VIP, VIP6, to_server, world,
};
use crate::{
    abi::{Counter, Method, real_server_flag},
    native::{Datagram, Server, Service, World, icmp_error},
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            description: "a client's connections stay with its real server, others' do not",
            world: persistent(Service::tcp(VIP).persistent(32), [REAL, REAL2]),
            steps: vec![
                syn(CLIENT, VIP, REAL, 0),
                syn("198.51.100.7:40001", VIP, REAL, 0),
                syn(OTHER_CLIENT, VIP, REAL2, 1),
                syn("198.51.100.7:40002", VIP, REAL, 0),
            ],
        },
        Case {
            description: "clients of one prefix stay together, IPv6",
            world: persistent(Service::tcp(VIP6).persistent(64), [REAL6, REAL6_2]),
            steps: vec![
                syn(CLIENT6, VIP6, REAL6, 0),
                syn(OTHER_CLIENT6, VIP6, REAL6, 0),
                syn("[2001:db8:c:1::7]:40000", VIP6, REAL6_2, 1),
            ],
        },
        Case {
            description: "a virtual server for every port keeps a client over all ports",
            world: persistent(
                Service::tcp("192.0.2.1:0").persistent(32),
                ["10.0.0.1:0", "10.0.0.2:0"],
            ),
            steps: vec![
                syn(CLIENT, "192.0.2.1:80", "10.0.0.1:80", 0),
                syn(CLIENT, "192.0.2.1:443", "10.0.0.1:443", 0),
                syn(OTHER_CLIENT, "192.0.2.1:443", "10.0.0.2:443", 1),
            ],
        },
        Case {
            description: "a quiesced real server keeps its clients",
            world: persistent(Service::tcp(VIP).persistent(32), [REAL, REAL2]),
            steps: vec![
                syn(CLIENT, VIP, REAL, 0),
                Step::Edit(0, |server| server.weight = 0),
                syn("198.51.100.7:40001", VIP, REAL, 0),
            ],
        },
        Case {
            description: "a quiesced real server loses its clients where that is set",
            world: {
                let mut world = persistent(Service::tcp(VIP).persistent(32), [REAL, REAL2]);
                world.settings.flags = crate::abi::setting_flag::EXPIRE_QUIESCENT_TEMPLATE;
                world
            },
            steps: vec![
                syn(CLIENT, VIP, REAL, 0),
                Step::Edit(0, |server| server.weight = 0),
                syn("198.51.100.7:40001", VIP, REAL2, 1),
                syn("198.51.100.7:40002", VIP, REAL2, 1),
            ],
        },
        Case {
            description: "a deleted real server loses its clients to the others",
            world: persistent(Service::tcp(VIP).persistent(32), [REAL, REAL2]),
            steps: vec![
                syn(CLIENT, VIP, REAL, 0),
                Step::Edit(0, |server| {
                    server.flags = real_server_flag::IN_USE;
                    server.weight = 0;
                }),
                syn("198.51.100.7:40001", VIP, REAL2, 1),
            ],
        },
        Case {
            description: "without another real server the client is told so",
            world: persistent(Service::tcp(VIP).persistent(32), [REAL, REAL2]),
            steps: vec![
                syn(CLIENT, VIP, REAL, 0),
                Step::Edit(0, |server| {
                    server.flags = real_server_flag::IN_USE;
                    server.weight = 0;
                }),
                Step::Edit(1, |server| server.weight = 0),
                refused(Datagram::syn("198.51.100.7:40001", VIP)),
            ],
        },
        Case {
            description: "calls of SIP have real servers of their own, told by client and Call-ID",
            world: persistent(
                Service::udp(SIP).persistent(32).sip(),
                ["10.0.0.1:5060", "10.0.0.2:5060"],
            ),
            steps: vec![
                call(CLIENT, "Call-ID: one@host\r\n", 0),
                call("198.51.100.7:40001", "i: two\r\n", 1),
                call("198.51.100.7:40002", "CALL-ID : one@host\r\n", 0),
                call("198.51.100.7:40003", "Via: x\r\nCall-ID:two\n", 1),
                call(OTHER_CLIENT, "Call-ID: two\r\n", 0),
            ],
        },
        Case {
            description: "what is no message of SIP is dropped where calls are told apart",
            world: persistent(
                Service::udp(SIP).persistent(32).sip(),
                ["10.0.0.1:5060", "10.0.0.2:5060"],
            ),
            steps: vec![
                lost(Datagram::udp(CLIENT, SIP)),
                lost(message(CLIENT, SIP, "Call-ID: unended")),
                lost(message(CLIENT, SIP, " Call-ID: continued\r\n")),
                call(CLIENT, "Call-ID: one@host\r\n", 0),
            ],
        },
    ]
}

const SIP: &str = "192.0.2.1:5060";

/// A message of SIP with these header lines behind the first line.
fn message(from: &str, to: &str, headers: &str) -> Datagram {
    Datagram {
        payload: format!("OPTIONS sip:b@example.net SIP/2.0\r\n{headers}").into_bytes(),
        ..Datagram::udp(from, to)
    }
}

fn call(client: &str, headers: &str, server: u32) -> Step {
    let real = ["10.0.0.1:5060", "10.0.0.2:5060"][crate::abi::index(server)];
    to_server(
        message(client, SIP, headers).bytes(),
        message(client, real, headers).forwarded(server).bytes(),
    )
}

fn lost(datagram: Datagram) -> Step {
    Step::Packet(datagram.bytes(), Outcome::Drop(Counter::DropNoCallId))
}

fn refused(datagram: Datagram) -> Step {
    let frame = datagram.bytes();
    let answer = icmp_error(&frame, 3, 3, 0);
    Step::Packet(frame, Outcome::Answer(Counter::DropNoRealServer, answer))
}

fn persistent(service: Service, reals: [&str; 2]) -> World {
    let mut world = world().reaching("2001:db8:c:1::7", World::ROUTER_MAC);
    world.add(service, &reals.map(|real| Server::new(Method::NAT, real)));
    world
}

fn syn(client: &str, vip: &str, real: &str, server: u32) -> Step {
    to_server(
        Datagram::syn(client, vip).bytes(),
        Datagram::syn(client, real).forwarded(server).bytes(),
    )
}
