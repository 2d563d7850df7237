//! For the configurations that keepalived was recorded with, the same bytes go out.

use std::net::Ipv6Addr;

use xvs_vrrp::{
    Action, AdverInterval, AuthenticationConfig, ChecksumPolicy, Config, Link, Peer, RouterConfig,
    Transmit, Transport, Version, VirtualAddresses, Vrrp, key,
};

use crate::bench::{Bench, INTERFACE, config, priority};

const RECORDINGS: &[(&str, &[u8])] = &[
    (
        "v2_ah",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v2_ah.pcap"),
    ),
    (
        "v2_pass",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v2_pass.pcap"),
    ),
    (
        "v2_plain",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v2_plain.pcap"),
    ),
    (
        "v2_unicast",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v2_unicast.pcap"),
    ),
    (
        "v3_mcast",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v3_mcast.pcap"),
    ),
    (
        "v3_owner_255",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v3_owner_255.pcap"),
    ),
    (
        "v3_unicast",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v3_unicast.pcap"),
    ),
    (
        "v3_unicast_oldcksum",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v3_unicast_oldcksum.pcap"),
    ),
    (
        "v3_vmac",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v3_vmac.pcap"),
    ),
    (
        "v2_ipv6",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v2_ipv6_keepalived.pcap"),
    ),
    (
        "v3_ipv6",
        include_bytes!("../../../xvs-wire/tests/fixtures/keepalived/v3_ipv6.pcap"),
    ),
];

/// What keepalived at 10.99.0.1 sent: datagrams of IPv4, messages of IPv6.
fn recorded(name: &str) -> Vec<Vec<u8>> {
    let (_, pcap) = RECORDINGS.iter().find(|(found, _)| *found == name).unwrap();
    let mut rest = &pcap[24..];
    let mut packets = Vec::new();
    while let Some((header, tail)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(*header[8..].first_chunk().unwrap());
        let (frame, tail) = tail.split_at(usize::try_from(length).unwrap());
        rest = tail;
        match (&frame[12..14], &frame[14..]) {
            ([0x08, 0x00], ip) if matches!(ip[9], 51 | 112) && ip[12..16] == [10, 99, 0, 1] => {
                packets.push(ip.to_vec());
            }
            ([0x86, 0xdd], ip) if ip[6] == 112 => packets.push(ip[40..].to_vec()),
            _ => {}
        }
    }
    packets
}

/// Plays a life as recorded: so many advertisements, then a graceful stop. All bytes must be equal.
fn plays(name: &str, mut config: RouterConfig) {
    let expected = recorded(name);
    config.source = Some(if config.addresses.is_v4() {
        "10.99.0.1".parse().unwrap()
    } else {
        LINK_LOCAL.into()
    });
    let released = expected.iter().filter(|packet| {
        let message = match config.addresses.is_v4() {
            false => 0,
            true if packet[9] == 51 => 44,
            true => 20,
        };
        packet[message + 2] == 0
    });
    let destinations = match &config.transport {
        Transport::Multicast => 1,
        Transport::Unicast { peers, .. } => peers.len(),
    };
    assert_eq!(
        released.count(),
        destinations,
        "{name}: a release at the end"
    );
    let mut vrrp = Vrrp::new(&Config::new(vec![config], vec![]).unwrap());
    let mut now = std::time::Instant::now();
    let link = Link {
        up: true,
        v4: None,
        v6: None,
    };
    vrrp.handle_link(now, INTERFACE, link);
    let mut sent = Vec::new();
    sent.extend(drain(&mut vrrp));
    while sent.len() < expected.len() - destinations {
        now = vrrp.poll_timeout().unwrap().max(now);
        vrrp.handle_timeout(now);
        sent.extend(drain(&mut vrrp));
    }
    vrrp.stop(false);
    sent.extend(drain(&mut vrrp));
    assert_eq!(sent, expected, "{name}");
}

fn drain(vrrp: &mut Vrrp) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| vrrp.poll_action())
        .filter_map(|action| match action {
            Action::Advertise { transmit, .. } => Some(match transmit {
                Transmit::V4 { datagram, .. } => datagram,
                Transmit::V6 { message, .. } => message,
            }),
            _ => None,
        })
        .collect()
}

const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0xc43b, 0x40ff, 0xfe34, 0x4c09);

fn version_2() -> RouterConfig {
    let mut settings = config("VI", 51);
    settings.priority = priority(150);
    settings.version = Version::V2;
    settings.interval = AdverInterval::DEFAULT;
    settings
}

fn version_3() -> RouterConfig {
    let mut settings = version_2();
    settings.version = Version::V3;
    settings.interval = AdverInterval::from_centiseconds(50).unwrap();
    settings
}

fn to_peers(mut settings: RouterConfig, peers: &[&str]) -> RouterConfig {
    settings.transport = Transport::Unicast {
        peers: peers
            .iter()
            .map(|peer| Peer::new(peer.parse().unwrap()))
            .collect(),
        ttl: 255,
        check_source: false,
    };
    settings
}

fn over_ipv6(mut settings: RouterConfig) -> RouterConfig {
    settings.addresses = VirtualAddresses::v6([
        "fe80::100".parse().unwrap(),
        "2001:db8::100".parse().unwrap(),
    ]);
    settings
}

#[test]
fn version_2_sends_keepalived_s_bytes() {
    plays("v2_plain", version_2());
    plays("v2_unicast", to_peers(version_2(), &["10.99.0.3"]));
    let mut settings = version_2();
    settings.authentication = AuthenticationConfig::Password(key("secret"));
    plays("v2_pass", settings.clone());
    settings.authentication = AuthenticationConfig::Header(key("secret"));
    plays("v2_ah", settings);
    plays("v2_ipv6", over_ipv6(version_2()));
}

#[test]
fn version_3_sends_keepalived_s_bytes() {
    plays("v3_mcast", version_3());
    plays("v3_vmac", version_3());
    plays(
        "v3_unicast",
        to_peers(version_3(), &["10.99.0.2", "10.99.0.3"]),
    );
    let mut old = to_peers(version_3(), &["10.99.0.3"]);
    old.checksum = ChecksumPolicy::OldUnicast;
    plays("v3_unicast_oldcksum", old);
    plays("v3_ipv6", over_ipv6(version_3()));
    let mut owner = version_3();
    owner.priority = xvs_vrrp::Priority::OWNER;
    owner.interval = AdverInterval::DEFAULT;
    plays("v3_owner_255", owner);
}

#[test]
fn a_recorded_master_is_followed_and_its_release_believed() {
    let expected = recorded("v2_ah");
    let mut settings = version_2();
    settings.priority = priority(100);
    settings.authentication = AuthenticationConfig::Header(key("secret"));
    let mut bench = Bench::new(settings);
    for datagram in &expected {
        bench.datagram(datagram);
        bench.pass(std::time::Duration::from_millis(609));
    }
    let counters = bench.status().counters;
    assert_eq!(counters.received, 5);
    assert_eq!(counters.releases_received, 1);
    assert_eq!(counters.rejected.total(), 0);
    bench.pass(std::time::Duration::from_millis(1));
    assert_eq!(bench.state(), xvs_vrrp::State::Master);
}
