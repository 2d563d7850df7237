//! Control connections of FTP and the data connections that they announce.

use super::{CLIENT, CLIENT6, Case, OTHER_CLIENT, Outcome, Step, to_client, to_server, world};
use crate::{
    abi::Method,
    native::{Datagram, Server, Service, World},
};
use xvs_wire::{
    checksum,
    tcp::{ACK, SYN},
};

const FTP: &str = "192.0.2.1:21";
const REAL: &str = "10.0.0.1:21";
const FTP6: &str = "[2001:db8::1]:21";
const REAL6: &str = "[2001:db8:5::1]:21";
/// A selective acknowledgement of one block, and the same as no-operations.
const SELECTIVE: [u8; 12] = [1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 99];
const NOTHING: [u8; 12] = [1; 12];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            description: "the port that a client announces without need is found by the server's SYN",
            world: director(FTP, REAL),
            steps: [
                opened(CLIENT, FTP, REAL),
                vec![
                    said(CLIENT, FTP, REAL, "EPRT |1|198.51.100.7|40002|\r\n"),
                    called_back("10.0.0.1:20", "192.0.2.1:20", "198.51.100.7:40002"),
                    to_server(
                        Datagram::tcp("198.51.100.7:40002", "192.0.2.1:20", SYN | ACK).bytes(),
                        Datagram::tcp("198.51.100.7:40002", "10.0.0.1:20", SYN | ACK)
                            .forwarded(0)
                            .bytes(),
                    ),
                ],
            ]
            .concat(),
        },
        Case {
            description: "IPv6 announces by EPRT and EPSV, and nothing is written anew",
            world: director(FTP6, REAL6),
            steps: [
                opened(CLIENT6, FTP6, REAL6),
                vec![
                    said(CLIENT6, FTP6, REAL6, "EPRT |2|2001:db8:c::7|40002|\r\n"),
                    called_back(
                        "[2001:db8:5::1]:20",
                        "[2001:db8::1]:20",
                        "[2001:db8:c::7]:40002",
                    ),
                    answered(CLIENT6, FTP6, REAL6, "229 ok (|||5001|)\r\n"),
                    data(
                        "[2001:db8:c::7]:40003",
                        "[2001:db8::1]:5001",
                        "[2001:db8:5::1]:5001",
                    ),
                ],
            ]
            .concat(),
        },
        Case {
            description: "the server's address becomes the VIP, numbers follow, however often it is sent",
            world: director(FTP, REAL),
            steps: [
                opened(CLIENT, FTP, REAL),
                vec![
                    passive(
                        "227 Mode (10,0,0,1,19,137).\r\n",
                        "227 Mode (192,0,2,1,19,137).\r\n",
                    ),
                    passive(
                        "227 Mode (10,0,0,1,19,137).\r\n",
                        "227 Mode (192,0,2,1,19,137).\r\n",
                    ),
                    data("198.51.100.7:40003", "192.0.2.1:5001", "10.0.0.1:5001"),
                    // Of one SYN is made one connection: the next port finds none.
                    Step::Packet(
                        Datagram::syn("198.51.100.7:40004", "192.0.2.1:5001").bytes(),
                        Outcome::Pass,
                    ),
                ],
            ]
            .concat(),
        },
        Case {
            description: "selective acknowledgements are forgotten once numbers differ",
            world: director(FTP, REAL),
            steps: [
                opened(CLIENT, FTP, REAL),
                vec![
                    options(SELECTIVE, SELECTIVE, 0),
                    passive("227 (10,0,0,1,19,137)\r\n", "227 (192,0,2,1,19,137)\r\n"),
                    options(SELECTIVE, NOTHING, 1),
                ],
            ]
            .concat(),
        },
        Case {
            description: "a line without end announces nothing and goes on",
            world: director(FTP, REAL),
            steps: [
                opened(CLIENT, FTP, REAL),
                vec![
                    said(CLIENT, FTP, REAL, &format!("PORT {}", "1,".repeat(600))),
                    said(CLIENT, FTP, REAL, &format!("PORT {}", " ".repeat(600))),
                    answered(CLIENT, FTP, REAL, &format!("227 {}\r\n", "-".repeat(600))),
                    answered(CLIENT, FTP, REAL, "227 (10,0,0,1,19,137"),
                    Step::Packet(
                        Datagram::syn("198.51.100.7:40003", "192.0.2.1:5001").bytes(),
                        Outcome::Pass,
                    ),
                ],
            ]
            .concat(),
        },
        Case {
            description: "data that nobody announced is the host's, and so is what comes from port 20",
            world: director(FTP, REAL),
            steps: vec![
                unknown(CLIENT, "192.0.2.1:5001"),
                unknown(CLIENT, "192.0.2.1:20"),
                unknown(CLIENT, "192.0.2.1:80"),
                unknown("198.51.100.7:20", FTP),
            ],
        },
        Case {
            description: "a persistent virtual server takes data to the client's real server",
            world: {
                let mut world = world();
                world.add(
                    Service::tcp(FTP).persistent(32),
                    &[REAL, "10.0.0.2:21"].map(|real| Server::new(Method::NAT, real)),
                );
                world
            },
            steps: vec![
                syn(CLIENT, FTP, REAL, 0),
                syn(OTHER_CLIENT, FTP, "10.0.0.2:21", 1),
                syn("198.51.100.7:40003", "192.0.2.1:5001", "10.0.0.1:5001", 0),
                syn("198.51.100.8:40003", "192.0.2.1:1024", "10.0.0.2:1024", 1),
                unknown("198.51.100.8:40003", "192.0.2.1:1023"),
            ],
        },
    ]
}

fn director(vip: &str, real: &str) -> World {
    let mut world = world();
    world.add(Service::tcp(vip), &[Server::new(Method::NAT, real)]);
    world
}

fn syn(client: &str, vip: &str, real: &str, server: u32) -> Step {
    to_server(
        Datagram::syn(client, vip).bytes(),
        Datagram::syn(client, real).forwarded(server).bytes(),
    )
}

fn unknown(client: &str, to: &str) -> Step {
    Step::Packet(Datagram::syn(client, to).bytes(), Outcome::Pass)
}

/// A control connection is opened.
fn opened(client: &str, vip: &str, real: &str) -> Vec<Step> {
    vec![
        syn(client, vip, real, 0),
        to_client(
            Datagram::tcp(real, client, SYN | ACK).bytes(),
            Datagram::tcp(vip, client, SYN | ACK).returned().bytes(),
        ),
        said(client, vip, real, ""),
    ]
}

/// The client says something, which reaches the server as it is.
fn said(client: &str, vip: &str, real: &str, text: &str) -> Step {
    to_server(
        text_of(client, vip, text).bytes(),
        text_of(client, real, text).forwarded(0).bytes(),
    )
}

/// The server says something, which reaches the client as it is.
fn answered(client: &str, vip: &str, real: &str, text: &str) -> Step {
    to_client(
        text_of(real, client, text).bytes(),
        text_of(vip, client, text).returned().bytes(),
    )
}

/// The server says something, which reaches the client otherwise.
fn passive(text: &str, otherwise: &str) -> Step {
    to_client(
        text_of(REAL, CLIENT, text).bytes(),
        text_of(FTP, CLIENT, otherwise).returned().bytes(),
    )
}

/// The server opens a data connection.
fn called_back(server: &str, vip: &str, client: &str) -> Step {
    to_client(
        Datagram::tcp(server, client, SYN).bytes(),
        Datagram::tcp(vip, client, SYN).returned().bytes(),
    )
}

/// The client opens a data connection.
fn data(client: &str, vip: &str, real: &str) -> Step {
    syn(client, vip, real, 0)
}

/// The client acknowledges with options, which reach the server so, and with as many bytes less.
fn options(sent: [u8; 12], seen: [u8; 12], less: u32) -> Step {
    let frame = Datagram::tcp(CLIENT, REAL, ACK)
        .options(&seen)
        .forwarded(0)
        .bytes();
    to_server(
        Datagram::tcp(CLIENT, FTP, ACK).options(&sent).bytes(),
        acknowledging_less(frame, less),
    )
}

/// The frame of an IPv4 segment that acknowledges fewer bytes.
fn acknowledging_less(mut frame: Vec<u8>, less: u32) -> Vec<u8> {
    let number = u32::from_be_bytes([frame[42], frame[43], frame[44], frame[45]]);
    let sum = u16::from_ne_bytes([frame[50], frame[51]]);
    let fewer = number.wrapping_sub(less);
    let delta = checksum::delta32(number.to_be(), fewer.to_be());
    frame[42..46].copy_from_slice(&fewer.to_be_bytes());
    frame[50..52].copy_from_slice(&checksum::update(sum, delta).to_ne_bytes());
    frame
}

fn text_of(from: &str, to: &str, text: &str) -> Datagram {
    Datagram {
        payload: text.as_bytes().to_vec(),
        ..Datagram::tcp(from, to, ACK)
    }
}
