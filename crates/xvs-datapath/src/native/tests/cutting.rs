//! Packets that are cut: what a receiver puts together is what was sent.

use crate::{
    Verdict,
    abi::{Method, setting_flag},
    native::{Buffer, Datagram, Server, Service, World, checksums_are_valid, run},
};

const CLIENT: &str = "198.51.100.7:40000";
const VIP: &str = "192.0.2.1:80";
const REAL: &str = "10.0.0.1:8080";
const LINK: usize = 14;
const HEADER: usize = 20;

/// What leaves for a datagram with so many bytes of payload, which may be fragmented or not.
fn sent(world: &World, payload: usize, may_fragment: bool) -> (Verdict, Vec<Vec<u8>>) {
    let datagram = Datagram::udp(CLIENT, VIP).payload(payload);
    let datagram = if may_fragment {
        datagram.may_fragment()
    } else {
        datagram
    };
    let cpu = world.cpu();
    let mut buffer = Buffer::new(&datagram.bytes(), World::CLIENTS, &world.routes());
    let verdict = run(&mut buffer, &cpu);
    let copies = buffer.copies().iter().map(|(_, copy)| copy.clone());
    (verdict, copies.chain([buffer.bytes()]).collect())
}

/// The IP packet that fragments are parts of.
fn together(fragments: &[Vec<u8>]) -> Vec<u8> {
    let mut whole = fragments[0][LINK..].to_vec();
    whole.truncate(HEADER);
    for (place, fragment) in fragments.iter().enumerate() {
        let field = u16::from_be_bytes([fragment[LINK + 6], fragment[LINK + 7]]);
        let more = place + 1 != fragments.len();
        assert_eq!(field & 0x2000 != 0, more, "more fragments, at {place}");
        assert_eq!(usize::from(field & 0x1fff) * 8, whole.len() - HEADER);
        let length = u16::from_be_bytes([fragment[LINK + 2], fragment[LINK + 3]]);
        assert_eq!(usize::from(length), fragment.len() - LINK);
        let sum = xvs_wire::checksum::sum(&fragment[LINK..LINK + HEADER]);
        assert_eq!(xvs_wire::checksum::fold(sum), 0xffff, "header checksum");
        whole.extend(&fragment[LINK + HEADER..]);
    }
    let length = u16::try_from(whole.len()).unwrap().to_be_bytes();
    whole[2..4].copy_from_slice(&length);
    whole[6..8].fill(0);
    whole[10..12].fill(0);
    let sum = xvs_wire::checksum::finish(&whole[..HEADER], 0);
    whole[10..12].copy_from_slice(&sum.to_ne_bytes());
    whole
}

#[test]
fn a_packet_over_the_mtu_is_cut() {
    for method in [Method::DIRECT, Method::NAT] {
        let mut world = World::new();
        world.add(Service::udp(VIP), &[Server::new(method, REAL).mtu(600)]);
        let to = if method == Method::NAT { REAL } else { VIP };
        for payload in [572, 573, 580, 1144, 1145, 1472, 6000] {
            let (verdict, frames) = sent(&world, payload, true);
            assert_eq!(verdict, Verdict::redirect(World::SERVERS));
            assert!(frames.iter().all(|frame| frame.len() <= LINK + 600));
            let fits = payload + 28 <= 600;
            let count = if fits { 1 } else { (payload + 8).div_ceil(576) };
            assert_eq!(frames.len(), count, "{payload} bytes");
            let whole = Datagram::udp(CLIENT, to).payload(payload).may_fragment();
            let expected = whole.forwarded(0).bytes();
            assert_eq!(together(&frames), expected[LINK..], "{payload} bytes");
        }
    }
}

#[test]
fn what_stands_for_several_or_is_too_large_to_be_saved_is_not_cut() {
    let mut world = World::new();
    world.add(
        Service::udp(VIP),
        &[Server::new(Method::DIRECT, REAL).mtu(600)],
    );
    let (verdict, frames) = sent(&world, 9_000, true);
    assert_eq!((verdict, frames.len()), (Verdict::DROP, 1));
    let (verdict, frames) = sent(&world, 1_000, false);
    assert_eq!((verdict, frames.len()), (Verdict::REPLY, 1));
}

#[test]
fn a_tunnel_packet_is_cut_where_the_one_inside_may_be_or_the_setting_says_so() {
    for (may_fragment, flags) in [(true, 0), (false, setting_flag::NO_PMTU_DISC)] {
        let mut world = World::new();
        world.add(
            Service::udp(VIP),
            &[Server::tunnel("10.0.0.254", "10.0.0.1:80").mtu(600)],
        );
        world.settings.flags |= flags;
        for payload in [1_000, 553, 600, 1_125, 2_300] {
            let (verdict, frames) = sent(&world, payload, may_fragment);
            assert_eq!(verdict, Verdict::redirect(World::SERVERS));
            assert!(frames.iter().all(|frame| frame.len() <= LINK + 600));
            assert!(frames[frames.len() - 1].len() >= LINK + HEADER + 96);
            let outer = together(&frames);
            let inner = Datagram::udp(CLIENT, VIP).payload(payload);
            let inner = if may_fragment {
                inner.may_fragment()
            } else {
                inner
            };
            assert_eq!(outer[HEADER..], inner.forwarded(0).bytes()[LINK..]);
            let frame = [&frames[0][..LINK], &outer].concat();
            assert_eq!(checksums_are_valid(&frame), Some(true));
        }
    }
}
