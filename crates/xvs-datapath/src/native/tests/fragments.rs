//! Fragments before their first: held, and released when it comes.

use super::director::Director;
use crate::{
    Verdict,
    abi::{Counter, HELD, Method},
    native::{Buffer, Datagram, Server, Service, World, cases::cut, run},
};

const CLIENT: &str = "198.51.100.7:40000";
const VIP: &str = "192.0.2.1:53";
const REAL: &str = "10.0.0.1:53";

fn director() -> Director {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    world.add(Service::udp(VIP), &[Server::new(Method::NAT, REAL)]);
    Director::new(&world)
}

/// Sends a frame in at tcx: what became of it, its bytes, and the frames that come in once more.
fn send(director: &Director, frame: &[u8]) -> (Verdict, Vec<u8>, Vec<Vec<u8>>) {
    let mut buffer = Buffer::new(frame, World::CLIENTS, &director.routes);
    let verdict = run(&mut buffer, &director.cpu);
    (verdict, buffer.bytes(), buffer.returning())
}

#[test]
fn fragments_that_wait_come_behind_their_first_one_and_leave_as_if_in_order() {
    let director = director();
    let up = Datagram::udp(CLIENT, VIP).payload(100);
    let (pieces, leaving) = (
        cut(&up.bytes(), 9),
        cut(&up.to(REAL).forwarded(0).bytes(), 9),
    );
    for early in [2, 1] {
        let (verdict, _, again) = send(&director, &pieces[early]);
        assert_eq!((verdict, again), (Verdict::HELD, vec![]));
    }
    let (verdict, _, again) = send(&director, &pieces[0]);
    assert_eq!(verdict, Verdict::HELD);
    let expected = [0, 2, 1].map(|piece| pieces[piece].clone());
    assert_eq!(again, expected);
    let left: Vec<Vec<u8>> = again.iter().map(|frame| send(&director, frame).1).collect();
    assert_eq!(left, [0, 2, 1].map(|piece| leaving[piece].clone()));
    assert_eq!(director.counted(Counter::FragmentHeld), 2);
    assert_eq!(director.counted(Counter::FragmentReleased), 2);
    assert!(director.cpu.tables().held.entries().is_empty());
    // One datagram of 128 bytes, whatever the pieces.
    assert_eq!(director.server(0).connections, 1);
    director.audit();
}

#[test]
fn what_waits_goes_to_the_host_with_a_first_one_that_is_the_hosts() {
    let director = director();
    let pieces = cut(
        &Datagram::udp(CLIENT, "192.0.2.1:99").payload(100).bytes(),
        9,
    );
    assert_eq!(send(&director, &pieces[1]).0, Verdict::HELD);
    let (_, _, again) = send(&director, &pieces[0]);
    let passed: Vec<Verdict> = again.iter().map(|frame| send(&director, frame).0).collect();
    assert_eq!(passed, [Verdict::PASS, Verdict::PASS]);
    assert_eq!(
        send(&director, &pieces[2]).0,
        Verdict::PASS,
        "the last one follows"
    );
}

#[test]
fn what_waited_for_too_long_is_dropped_when_the_first_one_comes() {
    let director = director();
    let pieces = cut(&Datagram::udp(CLIENT, VIP).payload(100).bytes(), 9);
    assert_eq!(send(&director, &pieces[1]).0, Verdict::HELD);
    director.cpu.wait(31 * World::HZ);
    let (_, _, again) = send(&director, &pieces[0]);
    assert_eq!(again, [pieces[0].clone()]);
    assert_eq!(director.counted(Counter::FragmentReleased), 0);
}

#[test]
fn a_fragment_of_a_packet_that_is_long_past_is_held_and_comes_in_no_more() {
    let director = director();
    let pieces = cut(&Datagram::udp(CLIENT, VIP).payload(100).bytes(), 9);
    // What the first one left is remembered until its place is needed.
    let (_, _, _) = send(&director, &pieces[0]);
    director.cpu.wait(31 * World::HZ);
    let (verdict, _, again) = send(&director, &pieces[1]);
    assert_eq!((verdict, again), (Verdict::HELD, vec![]));
    assert_eq!(director.counted(Counter::FragmentReleased), 0);
}

#[test]
fn no_packet_has_more_than_64_fragments_held_and_no_frame_is_too_large() {
    let director = director();
    let pieces = cut(&Datagram::udp(CLIENT, VIP).payload(100).bytes(), 9);
    for _ in 0..70 {
        let _held_or_passed = send(&director, &pieces[1]);
    }
    assert_eq!(director.counted(Counter::FragmentHeld), 64);
    assert_eq!(director.counted(Counter::FragmentUnknown), 6);
    let large = Datagram::udp(CLIENT, VIP).payload(HELD).bytes();
    let mut later = large.clone();
    // Behind the first 8 bytes: the header's sum is not looked at here.
    later[21] = 1;
    assert_eq!(send(&director, &later).0, Verdict::PASS);
}
