//! Malformed, spoofed and replayed advertisements: rejected, counted by reason, told once, and no
//! sign of life.

use std::net::Ipv4Addr;

use proptest::prelude::*;
use xvs_vrrp::{
    AdverInterval, AuthenticationConfig, ChecksumPolicy, Ingress, Peer, Received, Reject,
    RouterConfig, State, Transport, Version, key,
};

use crate::bench::{ABOVE, BELOW, Bench, INTERFACE, OURS, advert, config, ms, tampered};

/// A director that rejects `datagram` for `reject`, again and again, and takes over in time.
fn rejects(config: &RouterConfig, datagram: &[u8], reject: Reject) {
    let mut bench = Bench::new(config.clone());
    let wait = bench.status().master_down_interval;
    let deadline = bench.now + wait;
    for _ in 0..10 {
        bench.datagram(datagram);
        bench.pass(wait / 11);
    }
    assert_eq!(bench.vrrp.poll_timeout(), Some(deadline), "{reject:?}");
    let status = bench.status();
    assert_eq!(status.counters.rejected.get(reject), 10, "{status:?}");
    assert_eq!(status.counters.received, 0);
    let told = bench
        .log()
        .iter()
        .filter(|line| line.contains("rejected"))
        .count();
    assert_eq!(told, 1, "{reject:?}");
    bench.pass(wait);
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn malformed_messages_are_no_sign_of_life() {
    let settings = config("VI", 51);
    let good = advert(&settings, BELOW, 150);
    let message = 20;
    for (reject, at, value) in [
        (Reject::Version, message, 0x41),
        (Reject::Type, message, 0x32),
        (Reject::Length, message + 3, 9),
        (Reject::Checksum, message + 2, 151),
        (Reject::Interval, message + 5, 0),
        (Reject::Ttl, 8, 254),
        (Reject::Destination, 19, 19), // 224.0.0.19
    ] {
        let bad = tampered(&good, |bytes| bytes[at] = value);
        rejects(&settings, &bad, reject);
    }
    let longer = tampered(&good, |bytes| bytes.push(0));
    rejects(&settings, &longer, Reject::Length);
}

#[test]
fn padding_of_the_link_is_no_part_of_the_message() {
    let settings = config("VI", 51);
    let mut padded = advert(&settings, BELOW, 150);
    padded.extend([0; 10]);
    let mut bench = Bench::new(settings);
    bench.datagram(&padded);
    assert_eq!(bench.status().counters.received, 1);
}

#[test]
fn what_is_no_datagram_is_counted_as_stray() {
    let settings = config("VI", 51);
    let good = advert(&settings, BELOW, 150);
    let mut bench = Bench::new(settings);
    bench.datagram(&good[..30]);
    bench.datagram(&[]);
    let mut broken = good;
    broken[10] ^= 1;
    bench.datagram(&broken);
    assert_eq!(bench.vrrp.stray().get(Reject::Envelope), 3);
}

#[test]
fn the_other_version_is_rejected() {
    let mut settings = config("VI", 51);
    settings.interval = AdverInterval::DEFAULT;
    let mut other = settings.clone();
    other.version = Version::V2;
    rejects(&settings, &advert(&other, BELOW, 150), Reject::Version);
    rejects(&other, &advert(&settings, BELOW, 150), Reject::Version);
}

#[test]
fn version_2_rejects_another_interval() {
    let mut settings = config("VI", 51);
    settings.version = Version::V2;
    settings.interval = AdverInterval::DEFAULT;
    let mut other = settings.clone();
    other.interval = AdverInterval::from_centiseconds(200).unwrap();
    rejects(&settings, &advert(&other, BELOW, 150), Reject::Interval);
}

#[test]
fn what_comes_back_from_our_own_address_is_ignored() {
    let settings = config("VI", 51);
    rejects(&settings, &advert(&settings, OURS, 150), Reject::OwnAddress);
}

fn with(authentication: AuthenticationConfig) -> RouterConfig {
    let mut settings = config("VI", 51);
    settings.version = Version::V2;
    settings.interval = AdverInterval::DEFAULT;
    settings.authentication = authentication;
    settings
}

#[test]
fn authentication_must_be_the_same_on_both_sides() {
    let none = with(AuthenticationConfig::None);
    let password = with(AuthenticationConfig::Password(key("secret")));
    let wrong = with(AuthenticationConfig::Password(key("Secret")));
    let header = with(AuthenticationConfig::Header(key("secret")));
    let forged = with(AuthenticationConfig::Header(key("Secret")));
    for (ours, theirs, reject) in [
        (&none, &password, Reject::AuthenticationType),
        (&password, &none, Reject::AuthenticationType),
        (&password, &wrong, Reject::Password),
        (&none, &header, Reject::AuthenticationHeader),
        (&header, &password, Reject::AuthenticationHeader),
        (&header, &forged, Reject::CheckValue),
    ] {
        rejects(ours, &advert(theirs, BELOW, 150), reject);
    }
}

#[test]
fn an_authentication_header_is_believed_once() {
    let settings = with(AuthenticationConfig::Header(key("secret")));
    let recorded = advert(&settings, BELOW, 150);
    let mut bench = Bench::new(settings.clone());
    bench.datagram(&recorded);
    assert_eq!(bench.status().counters.received, 1);
    for _ in 0..3 {
        bench.datagram(&recorded);
    }
    assert_eq!(bench.status().counters.rejected.get(Reject::Replayed), 3);
    // A master is not driven out by an old advertisement either.
    bench.pass(ms(4000));
    assert_eq!(bench.state(), State::Master);
    bench.datagram(&recorded);
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn an_authentication_header_of_another_sender_is_rejected() {
    let settings = with(AuthenticationConfig::Header(key("secret")));
    let spoofed = tampered(&advert(&settings, BELOW, 150), |bytes| bytes[15] = 7);
    rejects(&settings, &spoofed, Reject::AuthenticationHeader);
}

fn unicast(peers: &[Peer]) -> RouterConfig {
    let mut settings = config("VI", 51);
    settings.transport = Transport::Unicast {
        peers: peers.to_vec(),
        ttl: 64,
        check_source: true,
    };
    settings
}

#[test]
fn unicast_believes_its_peers_within_their_distance() {
    let theirs = unicast(&[Peer::new(OURS.into())]);
    let ours = |peer: Peer| unicast(&[peer]);
    let near = advert(&theirs, BELOW, 150);
    let mut bench = Bench::new(ours(Peer::new(BELOW.into())));
    bench.datagram(&near);
    assert_eq!(bench.status().counters.received, 1);

    rejects(&ours(Peer::new(ABOVE.into())), &near, Reject::Source);
    let far = Peer {
        min_ttl: 65,
        ..Peer::new(BELOW.into())
    };
    rejects(&ours(far), &near, Reject::Ttl);
    let too_near = Peer {
        max_ttl: 63,
        ..Peer::new(BELOW.into())
    };
    rejects(&ours(too_near), &near, Reject::Ttl);

    let group = advert(&config("VI", 51), BELOW, 150);
    rejects(&ours(Peer::new(BELOW.into())), &group, Reject::Destination);
    rejects(&config("VI", 51), &near, Reject::Ttl);
}

#[test]
fn without_a_source_check_everybody_is_a_peer() {
    let mut settings = unicast(&[Peer::new(ABOVE.into())]);
    if let Transport::Unicast { check_source, .. } = &mut settings.transport {
        *check_source = false;
    }
    let theirs = unicast(&[Peer::new(OURS.into())]);
    let mut bench = Bench::new(settings);
    bench.datagram(&advert(&theirs, BELOW, 150));
    assert_eq!(bench.status().counters.received, 1);
}

#[test]
fn every_checksum_of_version_3_is_accepted() {
    let ours = unicast(&[Peer::new(BELOW.into())]);
    let theirs = unicast(&[Peer::new(OURS.into())]);
    for policy in [
        ChecksumPolicy::OldUnicast,
        ChecksumPolicy::Rfc5798,
        ChecksumPolicy::Rfc5798Always,
        ChecksumPolicy::Rfc9568,
    ] {
        let mut sender = theirs.clone();
        sender.checksum = policy;
        let mut bench = Bench::new(ours.clone());
        bench.datagram(&advert(&sender, BELOW, 150));
        assert_eq!(bench.status().counters.received, 1, "{policy:?}");
        let turned = bench.log().iter().any(|line| line.contains("old version"));
        assert_eq!(turned, policy == ChecksumPolicy::OldUnicast);
    }
    let mut strict = ours;
    strict.checksum = ChecksumPolicy::Rfc5798Always;
    let mut old = theirs;
    old.checksum = ChecksumPolicy::OldUnicast;
    rejects(&strict, &advert(&old, BELOW, 150), Reject::Checksum);
}

#[test]
fn an_owner_may_be_told_to_ignore_others() {
    let mut settings = config("VI", 51);
    settings.priority = xvs_vrrp::Priority::OWNER;
    settings.owner_ignores_adverts = true;
    let mut bench = Bench::new(settings);
    bench.advert(&config("VI", 51), ABOVE, 255);
    assert_eq!(bench.state(), State::Master);
    let rejected = bench.status().counters.rejected;
    assert_eq!(rejected.get(Reject::OwnerIgnores), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_never_panic_nor_move_a_master(
        bytes in prop::collection::vec(any::<u8>(), 0..128),
        v6 in any::<bool>(),
    ) {
        let mut bench = Bench::master(config("VI", 51));
        let packet = if v6 {
            Ingress::V6 {
                source: "fe80::1".parse().unwrap(),
                destination: "ff02::12".parse().unwrap(),
                hop_limit: 255,
                message: &bytes,
            }
        } else {
            Ingress::V4 { datagram: &bytes }
        };
        bench.vrrp.handle_packet(bench.now, &Received { interface: INTERFACE, packet });
        prop_assert_eq!(bench.state(), State::Master);
    }

    #[test]
    fn a_changed_byte_never_makes_an_authenticated_advert_pass(
        at in 0usize..68,
        change in 1u8..,
    ) {
        let settings = with(AuthenticationConfig::Header(key("secret")));
        let mut datagram = sealed_advert().clone();
        datagram[at] ^= change;
        let mut bench = Bench::new(settings);
        bench.datagram(&datagram);
        let received = bench.status().counters.received;
        // The type of service and the header checksum's counterpart are free for routers to change,
        // but the header checksum then no longer fits.
        prop_assert_eq!(received, 0);
    }
}

fn sealed_advert() -> &'static Vec<u8> {
    static ADVERT: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    ADVERT.get_or_init(|| {
        let settings = with(AuthenticationConfig::Header(key("secret")));
        advert(&settings, Ipv4Addr::new(10, 99, 0, 1), 150)
    })
}
