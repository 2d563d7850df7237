//! ICMP errors about packets of known connections, as recorded from the kernel's IPVS.

use super::{
    CLIENT, CLIENT6, Case, NEAR, NEAR6, Outcome, REAL, REAL6, Step, VIP, VIP6, to_client,
    to_server, world,
};
use crate::{
    abi::{Counter, Method},
    native::{Datagram, IcmpError, Server, Service, World},
};

/// Type, code and second word of the errors that are related.
pub(super) const KINDS4: [(u8, u8, u32); 5] =
    [(3, 3, 0), (3, 4, 1000), (3, 13, 0), (4, 0, 0), (11, 0, 0)];
pub(super) const KINDS6: [(u8, u8, u32); 4] = [(1, 4, 0), (2, 0, 1280), (3, 0, 0), (4, 0, 6)];

/// A connection as its two ends see it.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    client: &'static str,
    vip: &'static str,
    real: &'static str,
    /// The client as the real server sees it.
    near: &'static str,
}

pub(super) const NAT4: Ends = Ends {
    client: CLIENT,
    vip: VIP,
    real: REAL,
    near: CLIENT,
};
pub(super) const NAT6: Ends = Ends {
    client: CLIENT6,
    vip: VIP6,
    real: REAL6,
    near: CLIENT6,
};
const FULL4: Ends = Ends {
    near: "10.0.0.100:5000",
    ..NAT4
};
const FULL6: Ends = Ends {
    near: "[2001:db8:5::100]:5000",
    ..NAT6
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (ends, kinds) in [(NAT4, &KINDS4[..]), (NAT6, &KINDS6[..])] {
        cases.push(Case {
            description: "errors from the client's side reach the real server by NAT",
            world: nat(ends),
            steps: after_opening(ends, kinds.iter().map(|kind| from_client(ends, *kind, 40))),
        });
        cases.push(Case {
            description: "errors from the real server's side reach the client by NAT",
            world: nat(ends),
            steps: after_opening(ends, kinds.iter().map(|kind| from_server(ends, *kind, 40))),
        });
        cases.push(Case {
            description: "the quoted packet may be of any length, or end behind its ports",
            world: nat(ends),
            steps: after_opening(
                ends,
                [0, 1, 2, 3, 400, 485, 486, 487, 488, 1000, 1200]
                    .into_iter()
                    .map(|length| from_client(ends, kinds[0], length))
                    .chain([cut_behind_ports(ends)]),
            ),
        });
        cases.push(Case {
            description: "an error with a wrong checksum is dropped, as by the kernel",
            world: nat(ends),
            steps: after_opening(ends, [broken(from_client(ends, kinds[0], 40))]),
        });
        cases.push(Case {
            description: "an error whose time to live ends is dropped without another error",
            world: nat(ends),
            steps: after_opening(
                ends,
                [0, 1].map(|ttl| {
                    let error = IcmpError {
                        ttl,
                        ..IcmpError::about(&reply(ends, 40))
                    };
                    Step::Packet(error.bytes(), Outcome::Drop(Counter::DropTtl))
                }),
            ),
        });
        cases.push(foreign(ends));
    }
    cases.extend(routers());
    cases.extend([FULL4, FULL6].map(full_nat));
    cases.extend(one_way());
    cases.push(odd_quotes());
    cases
}

/// A router on the way is kept as the source towards a real server; towards the client the VIP takes
/// its place.
fn routers() -> [Case; 2] {
    [
        (NAT4, "203.0.113.9", KINDS4[4]),
        (NAT6, "2001:db8:9::9", KINDS6[2]),
    ]
    .map(|(ends, router, kind)| {
        let (up, up_out) = to_real(ends, kind, 40);
        let (down, down_out) = to_far(ends, kind, 40);
        Case {
            description: "errors of routers on the way",
            world: nat(ends),
            steps: after_opening(
                ends,
                [
                    to_server(up.from(router).bytes(), up_out.from(router).bytes()),
                    to_client(down.from(router).bytes(), down_out.bytes()),
                ],
            ),
        }
    })
}

/// What is about no known connection passes as it came.
fn foreign(ends: Ends) -> Case {
    let (other, elsewhere, informational) = if ends.client.starts_with('[') {
        ("[2001:db8:c::7]:40256", "2001:db8::2", (128, 0, 0))
    } else {
        ("198.51.100.7:40256", "192.0.2.2", (8, 0, 0))
    };
    let unknown = Datagram::udp(ends.vip, other).payload(40).bytes();
    let known = IcmpError::about(&reply(ends, 40));
    let (kind, code, value) = informational;
    let away = IcmpError {
        destination: elsewhere.parse().expect("an address"),
        ..known.clone()
    };
    let mut steps = vec![
        pass(&IcmpError::about(&unknown[14..])),
        pass(&known.clone().saying(kind, code, value)),
        pass(&away),
        pass(&IcmpError {
            quoted: known.quoted[..known.quoted.len() - 46].to_vec(),
            ..known.clone()
        }),
    ];
    if !ends.client.starts_with('[') {
        // redirect and parameter problem: the kernel relates neither
        steps.push(pass(&known.clone().saying(5, 1, 0x0a00_00fe)));
        steps.push(pass(&known.saying(12, 0, 8 << 24)));
    }
    Case {
        description: "errors about other packets, and no errors, pass",
        world: nat(ends),
        steps: after_opening(ends, steps),
    }
}

/// FULLNAT: both sides are told of the addresses that they know.
fn full_nat(ends: Ends) -> Case {
    let mut world = world();
    let (local, port) = ends.near.rsplit_once(':').expect("an endpoint");
    let local = local.trim_matches(['[', ']']);
    let port = port.parse().expect("a port");
    world.add(
        Service::udp(ends.vip).local(local, port, port),
        &[Server::new(Method::FULLNAT, ends.real)],
    );
    let kind = if ends.client.starts_with('[') {
        KINDS6[0]
    } else {
        KINDS4[0]
    };
    Case {
        description: "errors of both sides by FULLNAT",
        world,
        steps: after_opening(
            ends,
            [from_client(ends, kind, 40), from_server(ends, kind, 40)],
        ),
    }
}

/// DR and TUN: the error goes to the real server as it is.
fn one_way() -> Vec<Case> {
    let mut cases = Vec::new();
    for (ends, near) in [(NAT4, NEAR), (NAT6, NEAR6)] {
        let address = |endpoint: &str| {
            let (address, _) = endpoint.rsplit_once(':').expect("an endpoint");
            address.trim_matches(['[', ']']).to_owned()
        };
        let tunnel = Server::tunnel(near, ends.real);
        for (server, outer) in [
            (Server::new(Method::DIRECT, ends.real), None),
            (tunnel, Some(near)),
        ] {
            let mut world = world();
            world.add(Service::udp(ends.vip), &[server]);
            let error = IcmpError::about(&reply(ends, 40));
            let forwarded = error.clone().forwarded(0).bytes();
            let request = Datagram::udp(ends.client, ends.vip)
                .payload(9)
                .may_fragment();
            let sent = request.clone().forwarded(0);
            let (sent, forwarded) = match outer {
                None => (sent, forwarded),
                Some(near) => {
                    let real = address(ends.real);
                    (sent.inside(near, &real), tunnelled(&forwarded, near, &real))
                }
            };
            cases.push(Case {
                description: "an error goes to the real server as it is by DR and TUN",
                world,
                steps: vec![
                    to_server(request.bytes(), sent.bytes()),
                    to_server(error.bytes(), forwarded),
                ],
            });
        }
    }
    cases
}

/// A quoted header with options, with a wrong checksum, of a later fragment.
fn odd_quotes() -> Case {
    let ends = NAT4;
    let (error, out) = to_real(ends, KINDS4[0], 40);
    let with_options = |error: &IcmpError| {
        let mut quoted = error.quoted.clone();
        quoted.splice(20..20, [1, 1, 1, 1]);
        quoted[0] = 0x46;
        IcmpError {
            quoted: checked(quoted, 24),
            ..error.clone()
        }
    };
    let mut wrong = error.clone();
    wrong.quoted[10] ^= 0x11;
    let mut later = error.clone();
    later.quoted[7] = 3;
    later.quoted = checked(later.quoted, 20);
    Case {
        description: "odd quoted headers",
        world: nat(ends),
        steps: after_opening(
            ends,
            [
                to_server(with_options(&error).bytes(), with_options(&out).bytes()),
                to_server(wrong.bytes(), out.bytes()),
                pass(&later),
            ],
        ),
    }
}

pub(super) fn nat(ends: Ends) -> World {
    let mut world = world();
    world.add(
        Service::udp(ends.vip),
        &[Server::new(Method::NAT, ends.real)],
    );
    world
}

/// A request and a reply, then `steps`.
fn after_opening(ends: Ends, steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let request = Datagram::udp(ends.client, ends.vip).payload(9);
    let sent = request.clone().from(ends.near).to(ends.real).forwarded(0);
    let reply = Datagram::udp(ends.real, ends.near).payload(9);
    let got = reply.clone().from(ends.vip).to(ends.client).returned();
    [
        to_server(request.bytes(), sent.bytes()),
        to_client(reply.bytes(), got.bytes()),
    ]
    .into_iter()
    .chain(steps)
    .collect()
}

/// The IP packet that the client got.
fn reply(ends: Ends, length: usize) -> Vec<u8> {
    Datagram::udp(ends.vip, ends.client).payload(length).bytes()[14..].to_vec()
}

/// An error about a reply, and what the real server must get.
fn to_real(ends: Ends, kind: (u8, u8, u32), length: usize) -> (IcmpError, IcmpError) {
    let seen = reply(ends, length);
    let mine = Datagram::udp(ends.real, ends.near).payload(length).bytes();
    related(&seen, &mine[14..], kind, |out| IcmpError::forwarded(out, 0))
}

/// An error about a request that the real server got, and what the client must get.
fn to_far(ends: Ends, kind: (u8, u8, u32), length: usize) -> (IcmpError, IcmpError) {
    let seen = Datagram::udp(ends.near, ends.real).payload(length).bytes();
    let mine = Datagram::udp(ends.client, ends.vip).payload(length).bytes();
    related(&seen[14..], &mine[14..], kind, IcmpError::returned)
}

/// The quoted packet gets back its addresses and ports; its L4 checksum stays, for a quote need not
/// have one.
fn related(
    seen: &[u8],
    mine: &[u8],
    (kind, code, value): (u8, u8, u32),
    leave: impl Fn(IcmpError) -> IcmpError,
) -> (IcmpError, IcmpError) {
    let l4 = if seen[0] == 0x45 { 20 } else { 40 };
    let mut mine = mine.to_vec();
    mine[l4 + 6..l4 + 8].copy_from_slice(&seen[l4 + 6..l4 + 8]);
    let [error, out] =
        [seen, &mine].map(|quoted| IcmpError::about(quoted).saying(kind, code, value));
    (error, leave(out))
}

pub(super) fn from_client(ends: Ends, kind: (u8, u8, u32), length: usize) -> Step {
    let (error, out) = to_real(ends, kind, length);
    to_server(error.bytes(), out.bytes())
}

fn from_server(ends: Ends, kind: (u8, u8, u32), length: usize) -> Step {
    let (error, out) = to_far(ends, kind, length);
    to_client(error.bytes(), out.bytes())
}

/// Four bytes of the quoted L4 header are enough.
fn cut_behind_ports(ends: Ends) -> Step {
    let kind = if ends.client.starts_with('[') {
        KINDS6[0]
    } else {
        KINDS4[0]
    };
    let (error, out) = to_real(ends, kind, 40);
    let [error, out] = [error, out].map(|error| IcmpError {
        quoted: error.quoted[..error.quoted.len() - 44].to_vec(),
        ..error
    });
    to_server(error.bytes(), out.bytes())
}

/// The step's frame with another last byte.
fn broken(step: Step) -> Step {
    match step {
        Step::Packet(mut frame, _) => {
            if let Some(last) = frame.last_mut() {
                *last ^= 1;
            }
            Step::Packet(frame, Outcome::Drop(Counter::DropIcmpChecksum))
        }
        other => other,
    }
}

fn pass(error: &IcmpError) -> Step {
    Step::Packet(error.bytes(), Outcome::Pass)
}

/// An IPv4 packet whose header of `length` bytes has a right checksum.
fn checked(mut packet: Vec<u8>, length: usize) -> Vec<u8> {
    packet[10..12].fill(0);
    let sum = xvs_wire::checksum::finish(&packet[..length], 0).to_ne_bytes();
    packet[10..12].copy_from_slice(&sum);
    packet
}

/// A frame's packet in an outer header.
fn tunnelled(frame: &[u8], source: &str, destination: &str) -> Vec<u8> {
    let v6 = frame[12..14] == [0x86, 0xdd];
    let [ttl, next] = if v6 { [frame[21], 41] } else { [frame[22], 4] };
    let header = Datagram::tcp("0.0.0.0:0", "0.0.0.0:0", 0)
        .ttl(ttl)
        .may_fragment();
    let (source, destination) = (
        source.parse().expect("an address"),
        destination.parse().expect("an address"),
    );
    let outer = header.ip_header(source, destination, next, frame.len() - 14, 0);
    [&frame[..14], &outer, &frame[14..]].concat()
}
