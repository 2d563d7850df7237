//! A datagram from anybody never panics a virtual router; what parses is written as what parses the
//! same; and without the key nothing moves a master.

#![no_main]

use std::{net::Ipv4Addr, sync::LazyLock, time::Instant};

use libfuzzer_sys::fuzz_target;
use xvs_vrrp::{
    AuthenticationConfig, Config, Ingress, Link, Priority, Received, RouterConfig, State,
    VirtualAddresses, Vrid, Vrrp, key,
};
use xvs_wire::vrrp::{Checksum, Envelope, Packet, Repr};

/// A master from the start, whose peers need a key.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let mut router = RouterConfig::new(
        "VI".into(),
        "eth0".into(),
        Vrid::new(51).expect("51 is not 0"),
        VirtualAddresses::v4([Ipv4Addr::new(10, 99, 0, 100)]),
    );
    router.priority = Priority::OWNER;
    router.authentication = AuthenticationConfig::Header(key("no one guesses this"));
    Config::new(vec![router], vec![]).expect("one router fits itself")
});

fuzz_target!(|datagram: &[u8]| {
    if let Ok((envelope, message)) = Envelope::parse(datagram) {
        round_trip(&envelope, message);
    }
    let now = Instant::now();
    let mut vrrp = Vrrp::new(&CONFIG);
    let link = Link {
        up: true,
        v4: Some(Ipv4Addr::new(10, 99, 0, 1)),
        v6: None,
    };
    vrrp.handle_link(now, "eth0", link);
    let received = Received {
        interface: "eth0",
        packet: Ingress::V4 { datagram },
    };
    vrrp.handle_packet(now, &received);
    assert!(vrrp.status().all(|status| status.state == State::Master));
});

fn round_trip(envelope: &Envelope, message: &[u8]) {
    let path = envelope.path();
    let Ok(packet) = Packet::new_checked(message, path) else {
        return;
    };
    let Ok(repr) = Repr::parse(&packet, path) else {
        return;
    };
    let mut built = Packet::new_unchecked(vec![0xa5; repr.buffer_length()]);
    repr.emit(&mut built, Checksum::PseudoHeader, path)
        .expect("what was parsed can be written");
    let bytes = built.into_inner();
    let packet = Packet::new_checked(&bytes[..], path).expect("what was written can be read");
    assert!(packet.verify(Checksum::PseudoHeader, path));
    assert_eq!(Repr::parse(&packet, path), Ok(repr));
}
