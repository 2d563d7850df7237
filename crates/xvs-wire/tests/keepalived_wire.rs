//! Every frame that keepalived was recorded sending is parsed and built again, byte for byte.
//!
//! The captures are of Debian's keepalived 2.2.7; each file is named after its configuration:
//! VRID 51, priority 150, addresses .100 and .101.

#![expect(clippy::unwrap_used, reason = "a test says what fails by its line")]

use std::net::Ipv6Addr;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use xvs_wire::{
    arp, ndisc,
    vrrp::{Authentication, Checksum, Envelope, Packet, Path, Repr, TTL, Variant, ah},
};

/// How many frames of each kind a capture must have, so that none goes unread.
struct Capture {
    pcap: &'static [u8],
    adverts: usize,
    announcements: usize,
    checksum: Checksum,
}

macro_rules! capture {
    ($name:literal, $adverts:literal, $announcements:literal, $checksum:ident) => {
        Capture {
            pcap: include_bytes!(concat!("fixtures/keepalived/", $name, ".pcap")),
            adverts: $adverts,
            announcements: $announcements,
            checksum: Checksum::$checksum,
        }
    };
}

#[test]
fn version_2_without_authentication() {
    rebuild(&capture!("v2_plain", 13, 30, Message));
    rebuild(&capture!("v2_unicast", 5, 10, Message));
}

#[test]
fn version_2_with_a_password() {
    rebuild(&capture!("v2_pass", 5, 10, Message));
    rebuild(&capture!("with_ipvs", 56, 30, Message));
}

#[test]
fn version_2_with_an_authentication_header() {
    rebuild(&capture!("v2_ah", 5, 10, Message));
}

#[test]
fn version_2_over_ipv6() {
    rebuild(&capture!("v2_ipv6_keepalived", 5, 10, PseudoHeader));
}

#[test]
fn version_3_over_ipv4() {
    rebuild(&capture!("v3_mcast", 18, 30, PseudoHeader));
    rebuild(&capture!("v3_cksum_as_v2", 12, 20, PseudoHeader));
    rebuild(&capture!("v3_owner_255", 9, 20, PseudoHeader));
    rebuild(&capture!("v3_vmac", 12, 20, PseudoHeader));
    rebuild(&capture!("v3_unicast", 24, 20, PseudoHeader));
}

#[test]
fn version_3_to_peers_with_the_old_checksum() {
    rebuild(&capture!("v3_unicast_oldcksum", 12, 20, OldUnicast));
}

#[test]
fn version_3_over_ipv6() {
    rebuild(&capture!("v3_ipv6", 12, 20, PseudoHeader));
}

/// Parses and builds every advertisement and announcement of `capture`.
fn rebuild(capture: &Capture) {
    let (mut adverts, mut announcements) = (0, 0);
    for frame in frames(capture.pcap) {
        let (header, payload) = frame.split_at(14);
        match (u16::from_be_bytes([header[12], header[13]]), payload) {
            (0x0800, ip) if ip[9] == 112 || ip[9] == 51 => {
                rebuild_ipv4_advert(ip, capture.checksum);
                adverts += 1;
            }
            (0x86dd, ip) if ip[6] == 112 => {
                rebuild_ipv6_advert(ip);
                adverts += 1;
            }
            (0x0806, packet) => announcements += usize::from(rebuild_gratuitous_arp(frame, packet)),
            (0x86dd, ip) if ip[6] == 58 => {
                rebuild_neighbor_advertisement(frame, ip);
                announcements += 1;
            }
            (_, ip) => assert_eq!(ip[9], 2, "only IGMP of the kernel is left"),
        }
    }
    assert_eq!(adverts, capture.adverts);
    assert_eq!(announcements, capture.announcements);
}

fn rebuild_ipv4_advert(datagram: &[u8], checksum: Checksum) {
    let (envelope, message) = Envelope::parse(datagram).unwrap();
    let path = envelope.path();
    assert_eq!(envelope.ttl, TTL);
    let packet = Packet::new_checked(message, path).unwrap();
    assert!(packet.verify(checksum, path));
    let repr = Repr::parse(&packet, path).unwrap();
    assert_eq!(repr.addresses.len(), 2);

    let mut built = vec![0xa5; envelope.buffer_length() + repr.buffer_length()];
    let mut packet = Packet::new_unchecked(envelope.emit(&mut built).unwrap());
    repr.emit(&mut packet, checksum, path).unwrap();
    if let Variant::V2 {
        authentication: Authentication::Header,
        ..
    } = repr.variant
    {
        ah::set_check_value(&mut built, [0xa5; ah::CHECK_VALUE]);
        let mut hmac = Hmac::<Md5>::new_from_slice(b"secret\0\0").unwrap();
        assert!(ah::authenticated(&built, false, |bytes| hmac.update(bytes)));
        let digest = hmac.finalize().into_bytes();
        ah::set_check_value(&mut built, *digest.first_chunk().unwrap());
    }
    assert_eq!(built, datagram);
}

fn rebuild_ipv6_advert(packet: &[u8]) {
    assert_eq!(packet[..2], [0x6c, 0x07], "traffic class 0xc0");
    assert_eq!(packet[7], TTL);
    let address = |at: usize| Ipv6Addr::from(*packet[at..].first_chunk::<16>().unwrap());
    let path = Path::V6 {
        source: address(8),
        destination: address(24),
    };
    let message = &packet[40..];
    let packet = Packet::new_checked(message, path).unwrap();
    assert!(packet.verify(Checksum::PseudoHeader, path));
    let repr = Repr::parse(&packet, path).unwrap();
    let mut built = Packet::new_unchecked(vec![0xa5; repr.buffer_length()]);
    repr.emit(&mut built, Checksum::PseudoHeader, path).unwrap();
    assert_eq!(built.into_inner(), message);
}

/// Whether the ARP packet is an announcement; what hosts ask each other is not.
fn rebuild_gratuitous_arp(frame: &[u8], packet: &[u8]) -> bool {
    let repr = arp::Repr::parse(&arp::Packet::new_checked(packet).unwrap()).unwrap();
    let announcement = repr.sender == repr.target;
    if announcement {
        let built = arp::Repr::gratuitous(arp::Operation::Request, repr.sender, repr.sender_mac);
        assert_eq!(built.broadcast_frame()[..], frame[..arp::FRAME]);
    }
    announcement
}

fn rebuild_neighbor_advertisement(frame: &[u8], ip: &[u8]) {
    let address = |at: usize| Ipv6Addr::from(*ip[at..].first_chunk::<16>().unwrap());
    let repr = ndisc::Repr::parse(&ip[40..], address(8), address(24)).unwrap();
    let built = ndisc::Repr::unsolicited(repr.target, repr.target_mac, false);
    assert_eq!(built.all_nodes_frame()[..], *frame);
}

/// The frames of a classic little-endian Ethernet capture.
fn frames(pcap: &[u8]) -> Vec<&[u8]> {
    let (header, mut rest) = pcap.split_at(24);
    assert_eq!(header[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
    let mut frames = Vec::new();
    while let Some((record, tail)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(*record[8..].first_chunk().unwrap());
        let (frame, tail) = tail.split_at(usize::try_from(length).unwrap());
        frames.push(frame);
        rest = tail;
    }
    frames
}
