//! GUE, whose source port is ours to choose.

use std::net::IpAddr;

use xvs_wire::checksum;

use super::director::Director;
use crate::{
    Verdict,
    abi::RealServer,
    native::{Datagram, Frame, Server, Service, World, datagram::pseudo, run},
};

const VIP: &str = "192.0.2.1:80";
const VIP6: &str = "[2001:db8::1]:80";
const PORT: u16 = 6080;

/// What a datagram becomes on its way through a GUE tunnel to `real`.
fn tunnelled(datagram: &Datagram, near: &str, real: &str, change: fn(&mut RealServer)) -> Vec<u8> {
    let mut world = World::new();
    for vip in [VIP, VIP6] {
        world.add(Service::udp(vip), &[Server::tunnel(near, real)]);
    }
    let director = Director::new(&world);
    for server in 0..2 {
        director.cpu.tables().real_servers.edit(server, |server| {
            server.tunnel_kind = 1;
            server.tunnel_port = PORT.to_be();
            change(server);
        });
    }
    let mut frame = Frame::new(&datagram.bytes(), World::CLIENTS, &director.routes);
    assert_eq!(
        run(&mut frame, &director.cpu),
        Verdict::redirect(World::SERVERS)
    );
    frame.bytes()
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[test]
fn either_family_goes_in_either_with_udp_and_gue_between() {
    let near = [
        ("10.0.0.254", "10.0.0.1:80"),
        ("2001:db8:5::fe", "[2001:db8:5::1]:80"),
    ];
    let clients = [("198.51.100.7:40000", VIP), ("[2001:db8:c::7]:40000", VIP6)];
    for (near, real) in near {
        for (client, vip) in clients {
            for length in [0, 1, 300, 1300] {
                let datagram = Datagram::udp(client, vip).payload(length);
                let inner = &datagram.clone().forwarded(0).bytes()[14..];
                for change in [
                    (|_| {}) as fn(&mut RealServer),
                    |server| server.tunnel_checksum = 1,
                    |server| server.tunnel_checksum = 2,
                ] {
                    let frame = tunnelled(&datagram, near, real, change);
                    check(&frame, near, inner);
                }
            }
        }
    }
}

/// The outer datagram around `inner` is right.
fn check(frame: &[u8], near: &str, inner: &[u8]) {
    let v6 = near.contains(':');
    let (protocol, at) = if v6 { (frame[20], 54) } else { (frame[23], 34) };
    let udp = &frame[at..];
    assert_eq!(protocol, 17);
    assert!(word(udp, 0) >= 49_152, "a port of no service");
    assert_eq!(word(udp, 2), PORT);
    assert_eq!(usize::from(word(udp, 4)), udp.len());
    let kind = if inner[0] >> 4 == 6 { 41 } else { 4 };
    assert_eq!(udp[8..12], [0, kind, 0, 0]);
    assert_eq!(&udp[12..], inner);
    if word(udp, 6) != 0 {
        let real = if v6 { "2001:db8:5::1" } else { "10.0.0.1" };
        let [from, to] = [near, real].map(|ip| ip.parse::<IpAddr>().expect("an address"));
        assert_eq!(
            checksum::fold(checksum::sum(udp) + pseudo(from, to, 17, udp)),
            0xffff
        );
    }
}

#[test]
fn a_checksum_is_there_where_it_was_asked_for() {
    let datagram = Datagram::udp("198.51.100.7:40000", VIP).payload(9);
    for (asked, there) in [(0, false), (1, true), (2, false)] {
        let change: fn(&mut RealServer) = match asked {
            1 => |server| server.tunnel_checksum = 1,
            2 => |server| server.tunnel_checksum = 2,
            _ => |_| {},
        };
        let frame = tunnelled(&datagram, "10.0.0.254", "10.0.0.1:80", change);
        assert_eq!(word(&frame, 40) != 0, there, "flag {asked}");
    }
}

#[test]
fn packets_of_one_flow_have_one_source_port_and_flows_have_many() {
    let port = |client: u16| {
        let client = format!("198.51.100.7:{client}");
        let datagram = Datagram::udp(&client, VIP).payload(9);
        word(
            &tunnelled(&datagram, "10.0.0.254", "10.0.0.1:80", |_| {}),
            34,
        )
    };
    assert_eq!(port(40_000), port(40_000));
    let mut ports: Vec<u16> = (40_000..40_064).map(port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.len() > 48, "{} ports for 64 flows", ports.len());
}
