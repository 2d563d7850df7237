//! Walks put together from made-up sightings: client - director - switch - web1, web2.

use std::net::IpAddr;

use super::*;
use crate::frame::{Ip, Tcp};

const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 1]);
const FRONT: Mac = Mac([2, 0, 0, 0, 0, 2]);
const INSIDE: Mac = Mac([2, 0, 0, 0, 0, 3]);
const WEB1: Mac = Mac([2, 0, 0, 0, 0, 4]);
const WEB2: Mac = Mac([2, 0, 0, 0, 0, 5]);

fn port(name: &str) -> Port {
    let (host, link) = name.split_once('.').unwrap();
    Port {
        host: host.to_owned(),
        link: link.to_owned(),
    }
}

fn wiring() -> Wiring {
    let mut wiring = Wiring::default();
    let mut wire = |one: (&str, Mac), other: (&str, Mac)| {
        for (near, far) in [(one, other), (other, one)] {
            let end = End {
                mac: near.1,
                far: port(far.0),
                switched: near.0.starts_with("switch"),
            };
            wiring.add(port(near.0), end);
        }
    };
    wire(("client.eth0", CLIENT), ("director.eth0", FRONT));
    wire(("director.eth1", INSIDE), ("switch.p0", Mac([9; 6])));
    wire(("web1.eth0", WEB1), ("switch.p1", Mac([8; 6])));
    wire(("web2.eth0", WEB2), ("switch.p2", Mac([7; 6])));
    wiring
}

fn syn(from: (&str, Mac), to: (&str, Mac), ttl: u8) -> Frame {
    let (source, destination): (SocketAddr, SocketAddr) =
        (from.0.parse().unwrap(), to.0.parse().unwrap());
    Frame {
        source_mac: from.1,
        destination_mac: to.1,
        outer: None,
        ip: Ip {
            source: source.ip(),
            destination: destination.ip(),
            ttl,
        },
        tcp: Tcp {
            source_port: source.port(),
            destination_port: destination.port(),
            sequence: u32::MAX,
            acknowledgement: 0,
            syn: true,
            ack: false,
            mss: Some(1_460),
            toa: None,
        },
    }
}

fn answer(mut frame: Frame) -> Frame {
    frame.tcp.ack = true;
    frame.tcp.sequence = 77;
    // The sequence number of the SYN is the greatest there is: the acknowledgement wraps to 0.
    frame.tcp.acknowledgement = 0;
    frame
}

fn seen(at: &str, leaving: bool, time_us: u64, frame: &Frame) -> Sighting {
    Sighting {
        time: Duration::from_micros(1_000_000 + time_us),
        port: port(at),
        leaving,
        frame: frame.clone(),
    }
}

/// A request through NAT, as packet sockets see it with XDP on the director: nothing in the director.
fn nat() -> Vec<Sighting> {
    let outside = syn(("10.0.0.1:4000", CLIENT), ("10.0.0.2:80", FRONT), 64);
    let inside = syn(("10.0.0.1:4000", INSIDE), ("10.1.0.4:80", WEB1), 63);
    let reply = answer(syn(("10.1.0.4:80", WEB1), ("10.0.0.1:4000", INSIDE), 64));
    let masked = answer(syn(("10.0.0.2:80", FRONT), ("10.0.0.1:4000", CLIENT), 63));
    vec![
        seen("client.eth0", true, 0, &outside),
        seen("switch.p0", false, 5, &inside),
        seen("switch.p1", true, 6, &inside),
        // Flooded: web2 does not take it.
        seen("switch.p2", true, 6, &inside),
        seen("web2.eth0", false, 7, &inside),
        seen("web1.eth0", false, 7, &inside),
        seen("web1.eth0", true, 9, &reply),
        seen("switch.p1", false, 10, &reply),
        seen("switch.p0", true, 11, &reply),
        seen("client.eth0", false, 15, &masked),
    ]
}

fn places(hops: &[Hop]) -> Vec<(&str, &str)> {
    hops.iter()
        .map(|hop| (hop.from.as_str(), hop.to.as_str()))
        .collect()
}

#[test]
fn every_wire_is_one_hop_though_both_ends_see_it() {
    let walk = Walk::assemble(&nat(), &wiring(), 4_000);
    assert_eq!(
        places(&walk.forward),
        [
            ("client", "director"),
            ("director", "switch"),
            ("switch", "web1")
        ]
    );
    assert_eq!(
        places(&walk.back),
        [
            ("web1", "switch"),
            ("switch", "director"),
            ("director", "client")
        ]
    );
    assert_eq!(walk.gap("client"), None);
    assert!(walk.returns_through("director"));
}

#[test]
fn a_hop_names_what_was_rewritten_since_the_one_before() {
    let walk = Walk::assemble(&nat(), &wiring(), 4_000);
    let changes: Vec<_> = walk
        .forward
        .iter()
        .map(|hop| hop.rewritten.join(","))
        .collect();
    assert_eq!(changes, ["", "destination,TTL 64 > 63,MACs", ""]);
    assert_eq!(
        walk.forward[1].destination_mac.port.as_deref(),
        Some("web1.eth0")
    );
    assert_eq!(walk.back[2].rewritten, ["source", "TTL 64 > 63", "MACs"]);
    assert_eq!(walk.back[2].time_us, 15);
}

#[test]
fn another_connection_is_not_taken_for_the_request() {
    let mut sightings = nat();
    let mut other = sightings[0].clone();
    other.frame.tcp.source_port = 5_000;
    other.frame.tcp.sequence = 1;
    other.port = port("director.eth0");
    other.leaving = false;
    sightings.insert(0, other);
    let walk = Walk::assemble(&sightings, &wiring(), 4_000);
    assert_eq!(walk.forward.len(), 3);
    assert_eq!(walk.forward[0].source.port(), 4_000);
}

#[test]
fn a_missing_hop_is_named() {
    let mut sightings = nat();
    sightings.retain(|sighting| sighting.port.link != "p0");
    let walk = Walk::assemble(&sightings, &wiring(), 4_000);
    assert_eq!(
        walk.gap("client").as_deref(),
        Some("the SYN was not seen between director and switch")
    );
    let nothing = Walk::assemble(&[], &wiring(), 4_000);
    assert_eq!(
        nothing.gap("client").as_deref(),
        Some("the SYN was not seen on any wire")
    );
}

#[test]
fn a_tunnel_and_a_named_client_are_shown() {
    let plain = syn(("10.0.0.1:4000", CLIENT), ("10.0.0.2:80", FRONT), 64);
    let mut wrapped = syn(("10.0.0.1:4000", INSIDE), ("10.0.0.2:80", WEB1), 63);
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    wrapped.outer = Some(Ip {
        source: address("10.1.0.1"),
        destination: address("10.1.0.4"),
        ttl: 64,
    });
    let sightings = [
        seen("client.eth0", true, 0, &plain),
        seen("switch.p0", false, 1, &wrapped),
    ];
    let walk = Walk::assemble(&sightings, &wiring(), 4_000);
    assert_eq!(
        walk.forward[1].encapsulation.as_deref(),
        Some("IPIP 10.1.0.1 > 10.1.0.4")
    );
    assert_eq!(walk.forward[1].rewritten, ["outer header added", "MACs"]);

    let mut toa = plain.clone();
    toa.tcp.toa = Some("10.0.0.1:4000".parse().unwrap());
    let walk = Walk::assemble(&[seen("client.eth0", true, 0, &toa)], &wiring(), 4_000);
    assert_eq!(
        walk.forward[0].encapsulation.as_deref(),
        Some("TOA 10.0.0.1:4000")
    );
}
