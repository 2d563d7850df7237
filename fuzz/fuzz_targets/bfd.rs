//! A packet from anybody never panics a session, what parses is written as what parses the same, and
//! without the session's number nothing takes it down.

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use xvs_bfd::{Action, Bfd, SessionConfig, State};
use xvs_wire::bfd::Repr;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(repr) = Repr::parse(bytes) {
        assert_eq!(Repr::parse(&repr.emit()), Ok(repr));
    }
    let now = Instant::now();
    let neighbour = [192, 0, 2, 2].into();
    let mut bfd = Bfd::new(now, vec![SessionConfig::new("peer", neighbour)], 7);
    bfd.handle_timeout(now);
    let Some(Action::Send { packet, .. }) = bfd.poll_action() else {
        panic!("an active session speaks first");
    };
    let ours = Repr::parse(&packet).expect("what is sent can be read");
    let theirs = Repr {
        state: State::Init,
        mine: 9,
        yours: ours.mine,
        ..ours
    };
    bfd.handle_packet(now, neighbour, 255, false, &theirs.emit())
        .expect("the neighbour's answer");
    let knows = bytes.get(8..12) == Some(&ours.mine.to_be_bytes());
    let names_nobody = bytes.get(8..12) == Some(&[0; 4]);
    // Rejected or not, it does no harm.
    let _taken = bfd.handle_packet(now, neighbour, 255, false, bytes);
    bfd.handle_timeout(now + Duration::from_millis(1));
    let state = bfd.status().map(|(_, status)| status.state).next();
    assert!(knows || names_nobody || state == Some(State::Up));
});
