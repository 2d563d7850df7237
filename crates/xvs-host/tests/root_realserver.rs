//! Real servers in namespaces: what reaches an unmodified server after `up`, and what is left after
//! `down`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::{IpAddr, SocketAddr};

use common::{
    Wire, assert_same,
    frames::ip,
    tcp::{Client, PATIENCE, Seen, serve},
};
use xvs_host::{
    Decapsulation, Down, RealserverCommand, RealserverMethod, RealserverStatus, RealserverUp,
    Report, SetupError, realserver,
};
use xvs_wire::toa;

/// The two ends of every tunnel.
const OUTER: [(&str, &str); 2] = [("10.9.0.1", "10.9.0.5"), ("2001:db8:9::1", "2001:db8:9::5")];

fn up_command(wire: &Wire, method: RealserverMethod, vips: &[&str]) -> RealserverUp {
    RealserverUp {
        vips: vips.iter().map(|vip| vip.parse().unwrap()).collect(),
        method,
        interfaces: Vec::new(),
        decapsulation: Decapsulation::Program,
        connections: 1_024,
        common: wire.common(),
    }
}

fn up(wire: &Wire, method: RealserverMethod, vips: &[&str]) -> Report {
    let report = realserver(&RealserverCommand::Up(up_command(wire, method, vips))).unwrap();
    assert!(report.as_wanted(), "{report}");
    report
}

fn down(wire: &Wire) -> Report {
    realserver(&RealserverCommand::Down(Down {
        vips: Vec::new(),
        method: None,
        interfaces: Vec::new(),
        common: wire.common(),
    }))
    .unwrap()
}

fn status(wire: &Wire) -> Result<Report, SetupError> {
    realserver(&RealserverCommand::Status(RealserverStatus {
        vips: Vec::new(),
        method: None,
        interfaces: Vec::new(),
        decapsulation: Decapsulation::Program,
        common: wire.common(),
    }))
}

/// Puts a packet into a tunnel to the real server.
fn tunnel((source, destination): (&str, &str), class: u8, packet: &[u8]) -> Vec<u8> {
    let protocol = if packet[0] >> 4 == 4 { 4 } else { 41 };
    let address = |text: &str| -> IpAddr { text.parse().unwrap() };
    ip(
        address(source),
        address(destination),
        protocol,
        class,
        packet,
    )
}

/// Puts a packet into a GUE or a GRE tunnel; a checksum is there or not, never looked at.
fn shimmed((source, destination): (&str, &str), shim: &str, packet: &[u8]) -> Vec<u8> {
    let v4 = packet[0] >> 4 == 4;
    let ether: [u8; 2] = if v4 { [0x08, 0x00] } else { [0x86, 0xdd] };
    let (protocol, head) = match shim {
        "gre" => (47, [[0, 0], ether].concat()),
        "grecsum" => (47, [&[0x80, 0][..], &ether, &[0x12, 0x34, 0, 0]].concat()),
        _ => {
            let length = u16::try_from(packet.len() + 12).unwrap().to_be_bytes();
            let kind = if v4 { 4 } else { 41 };
            let udp = [0xc0, 0x01, 0x17, 0xc0, length[0], length[1], 0, 0];
            (17, [&udp[..], &[0, kind, 0, 0]].concat())
        }
    };
    let address = |text: &str| -> IpAddr { text.parse().unwrap() };
    let inside = [&head[..], packet].concat();
    ip(address(source), address(destination), protocol, 0, &inside)
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn root_tunnels_of_every_family_end_at_the_server() {
    let Some(wire) = Wire::make("tun") else {
        return;
    };
    wire.peer("192.0.2.7");
    wire.peer("2001:db8:c::7");
    up(
        &wire,
        RealserverMethod::Tun,
        &["198.51.100.9", "2001:db8:51::9"],
    );
    for (port, (client, vip)) in (8_000..).zip([
        ("192.0.2.7:4000", "198.51.100.9"),
        ("[2001:db8:c::7]:4000", "2001:db8:51::9"),
    ]) {
        for (offset, outer) in (0..).zip(OUTER) {
            let server = SocketAddr::new(vip.parse().unwrap(), port + offset * 10);
            let seen = serve(&wire, server);
            let client = Client::new(&wire, socket(client), server, |packet| {
                tunnel(outer, 0, &packet)
            });
            assert_eq!(client.exchange(b"question").unwrap(), b"hello", "{outer:?}");
            let seen = seen.recv_timeout(PATIENCE).unwrap();
            assert_eq!(seen.accepted, SocketAddr::from(client.local));
            assert_eq!(seen.data, b"question");
        }
    }
    let counts = status(&wire).unwrap().counts.unwrap();
    assert_eq!((counts.decapsulated, counts.dropped_unable), (12, 0));
    down(&wire);
}

#[test]
fn root_gue_and_gre_tunnels_end_at_the_server() {
    let Some(wire) = Wire::make("shim") else {
        return;
    };
    wire.peer("192.0.2.7");
    wire.peer("2001:db8:c::7");
    up(
        &wire,
        RealserverMethod::Tun,
        &["198.51.100.9", "2001:db8:51::9"],
    );
    let mut port = 8_000;
    for shim in ["gue", "gre", "grecsum"] {
        for (client, vip) in [
            ("192.0.2.7:4000", "198.51.100.9"),
            ("[2001:db8:c::7]:4000", "2001:db8:51::9"),
        ] {
            for outer in OUTER {
                port += 1;
                let server = SocketAddr::new(vip.parse().unwrap(), port);
                let _seen = serve(&wire, server);
                let client = Client::new(&wire, socket(client), server, |packet| {
                    shimmed(outer, shim, &packet)
                });
                let answer = client.exchange(b"question");
                assert_eq!(answer.unwrap(), b"hello", "{shim} {outer:?}");
            }
        }
    }
    assert_eq!(status(&wire).unwrap().counts.unwrap().dropped_unable, 0);
    down(&wire);
}

#[test]
fn root_the_kernels_devices_take_tunnels_where_they_exist() {
    let Some(wire) = Wire::make("device") else {
        return;
    };
    wire.peer("192.0.2.7");
    wire.peer("2001:db8:c::7");
    for (device, outer, client, vip) in [
        ("tunl0", OUTER[0], "192.0.2.7:4000", "198.51.100.9"),
        (
            "ip6tnl0",
            OUTER[1],
            "[2001:db8:c::7]:4000",
            "2001:db8:51::9",
        ),
    ] {
        let mut command = up_command(&wire, RealserverMethod::Tun, &[vip]);
        command.decapsulation = Decapsulation::Kernel;
        let outcome = realserver(&RealserverCommand::Up(command));
        if !wire.has_device(device) {
            let error = outcome.unwrap_err();
            assert!(error.to_string().contains(device), "{error}");
            continue;
        }
        let report = outcome.unwrap();
        assert!(report.as_wanted(), "{report}");
        let server = SocketAddr::new(vip.parse().unwrap(), 8_000);
        let seen = serve(&wire, server);
        let client = Client::new(&wire, socket(client), server, |packet| {
            tunnel(outer, 0, &packet)
        });
        assert_eq!(client.exchange(b"question").unwrap(), b"hello", "{device}");
        assert_eq!(
            seen.recv_timeout(PATIENCE).unwrap().accepted,
            SocketAddr::from(client.local)
        );
        down(&wire);
    }
}

#[test]
fn root_a_tunnel_for_others_is_left_alone() {
    let Some(wire) = Wire::make("other") else {
        return;
    };
    wire.peer("192.0.2.7");
    up(&wire, RealserverMethod::Tun, &["198.51.100.9"]);
    wire.run(&format!(
        "ip -n {} addr add 198.51.100.10/32 dev lo",
        wire.netns("s")
    ));
    let elsewhere = ("10.9.0.1", "10.9.0.77");
    for (vip, outer, forward) in [
        // an address of the host that is no VIP
        ("198.51.100.10", OUTER[0], "0"),
        // an outer packet on its way to another host
        ("198.51.100.9", elsewhere, "1"),
    ] {
        wire.set("s", "ipv4/ip_forward", forward);
        let server = SocketAddr::new(vip.parse().unwrap(), 8_000);
        let _unseen = serve(&wire, server);
        let client = Client::new(&wire, socket("192.0.2.7:4000"), server, |packet| {
            tunnel(outer, 0, &packet)
        });
        assert!(!client.syn_is_answered(), "{vip} by {outer:?}");
    }
    down(&wire);
}

#[test]
fn root_congestion_marks_come_out_of_the_tunnel() {
    let Some(wire) = Wire::make("ecn") else {
        return;
    };
    wire.peer("192.0.2.7");
    wire.peer("2001:db8:c::7");
    up(
        &wire,
        RealserverMethod::Tun,
        &["198.51.100.9", "2001:db8:51::9"],
    );
    for (client, server) in [
        ("192.0.2.7:4000", "198.51.100.9:8000"),
        ("[2001:db8:c::7]:4000", "[2001:db8:51::9]:8000"),
    ] {
        let _seen = serve(&wire, socket(server));
        let mut client = Client::new(&wire, socket(client), socket(server), |packet| {
            tunnel(OUTER[0], xvs_wire::ecn::CE, &packet)
        });
        assert!(!client.syn_is_answered(), "no mark can be carried on");
        // a wrong checksum after the mark would leave the SYN without an answer
        client.class = xvs_wire::ecn::ECT_0;
        assert_eq!(client.exchange(b"question").unwrap(), b"hello");
    }
    let counts = status(&wire).unwrap().counts.unwrap();
    assert_eq!((counts.dropped_congestion, counts.decapsulated), (2, 6));
    down(&wire);
}

#[test]
fn root_servers_learn_their_clients_behind_fullnat() {
    let Some(wire) = Wire::make("fullnat") else {
        return;
    };
    wire.peer("10.9.0.1");
    wire.peer("2001:db8:9::1");
    up(&wire, RealserverMethod::Fullnat, &[]);
    let v4 = toa::option_v4([202, 100, 1, 2], 3_478).to_vec();
    let v6 = toa::option_v6(
        "2001:db8:c::7"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
        3_478,
    );
    for (local, server, listen, options, expected) in [
        (
            "10.9.0.1:5000",
            "10.9.0.5:8000",
            "10.9.0.5:8000",
            v4.clone(),
            "202.100.1.2:3478",
        ),
        (
            "[2001:db8:9::1]:5000",
            "[2001:db8:9::5]:8001",
            "[2001:db8:9::5]:8001",
            v6.to_vec(),
            "[2001:db8:c::7]:3478",
        ),
        // a server of both families on one socket
        (
            "10.9.0.1:5001",
            "10.9.0.5:8002",
            "[::]:8002",
            v4.clone(),
            "[::ffff:202.100.1.2]:3478",
        ),
        // an IPv6 client behind an IPv4 real server, whose socket can name it
        (
            "10.9.0.1:5002",
            "10.9.0.5:8003",
            "[::]:8003",
            v6.to_vec(),
            "[2001:db8:c::7]:3478",
        ),
        // the same, and it cannot
        (
            "10.9.0.1:5003",
            "10.9.0.5:8004",
            "10.9.0.5:8004",
            v6.to_vec(),
            "10.9.0.1:5003",
        ),
        // behind other options
        (
            "10.9.0.1:5004",
            "10.9.0.5:8005",
            "10.9.0.5:8005",
            [&[2, 4, 5, 0xb4, 1, 1][..], &v4].concat(),
            "202.100.1.2:3478",
        ),
        // no client named
        (
            "10.9.0.1:5005",
            "10.9.0.5:8006",
            "10.9.0.5:8006",
            Vec::new(),
            "10.9.0.1:5005",
        ),
    ] {
        let seen = serve(&wire, socket(listen));
        let mut client = Client::new(&wire, socket(local), socket(server), |packet| packet);
        client.options = options;
        assert_eq!(client.exchange(b"question").unwrap(), b"hello", "{local}");
        assert_eq!(
            seen.recv_timeout(PATIENCE).unwrap(),
            Seen {
                accepted: socket(expected),
                peer: socket(expected),
                data: b"question".to_vec(),
            }
        );
    }
    down(&wire);
}

#[test]
fn root_a_client_lasts_as_long_as_its_connection() {
    let Some(wire) = Wire::make("reuse") else {
        return;
    };
    wire.peer("10.9.0.1");
    up(&wire, RealserverMethod::Fullnat, &[]);
    let (local, server) = (socket("10.9.0.1:5000"), socket("10.9.0.5:8000"));
    // a SYN that no server ever answers for ...
    let mut client = Client::new(&wire, local, server, |packet| packet);
    client.options = toa::option_v4([202, 100, 1, 2], 3_478).to_vec();
    assert!(!client.syn_is_answered());
    // ... names nobody for the next connection between the same ends
    client.options.clear();
    let seen = serve(&wire, server);
    assert_eq!(client.exchange(b"question").unwrap(), b"hello");
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap().accepted, local);
    // after `down` an option means nothing
    down(&wire);
    let server = socket("10.9.0.5:8001");
    let seen = serve(&wire, server);
    let mut client = Client::new(&wire, local, server, |packet| packet);
    client.options = toa::option_v4([202, 100, 1, 2], 3_478).to_vec();
    assert_eq!(client.exchange(b"question").unwrap(), b"hello");
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap().accepted, local);
}

#[test]
fn root_down_restores_everything_byte_for_byte() {
    let Some(wire) = Wire::make("restore") else {
        return;
    };
    wire.set("s", "ipv4/conf/all/rp_filter", "1");
    wire.set("s", "ipv4/conf/all/arp_ignore", "2");
    let before = wire.snapshot();
    for method in [
        RealserverMethod::Dr,
        RealserverMethod::Tun,
        RealserverMethod::Fullnat,
    ] {
        let vips = ["198.51.100.9", "2001:db8:51::9"];
        up(&wire, method, &vips);
        up(&wire, method, &vips);
        assert!(status(&wire).unwrap().as_wanted());
        let report = down(&wire);
        assert!(report.items.is_empty());
        assert_same(&wire.snapshot(), &before);
        assert!(matches!(status(&wire), Err(SetupError::NothingRecorded)));
        let left = std::fs::read_dir(wire.runtime_directory().join("realserver.d")).unwrap();
        assert_eq!(left.count(), 1, "the lock alone is left");
    }
}

#[test]
fn root_status_names_what_somebody_changed_and_up_mends_it() {
    let Some(wire) = Wire::make("status") else {
        return;
    };
    up(&wire, RealserverMethod::Tun, &["198.51.100.9"]);
    wire.run(&format!(
        "ip -n {} addr del 198.51.100.9/32 dev lo",
        wire.netns("s")
    ));
    let report = status(&wire).unwrap();
    assert!(!report.as_wanted());
    let text = report.to_string();
    assert!(
        text.contains("WRONG  address 198.51.100.9/32 on lo: absent, wanted present"),
        "{text}"
    );
    up(&wire, RealserverMethod::Tun, &["198.51.100.9"]);
    down(&wire);
}

#[test]
fn root_a_namespace_that_is_gone_leaves_no_program_behind() {
    let Some(wire) = Wire::make("gone") else {
        return;
    };
    let before = wire.snapshot();
    up(&wire, RealserverMethod::Fullnat, &[]);
    let s = wire.netns("s");
    wire.run(&format!("ip netns delete {s}"));
    wire.run(&format!("ip netns add {s}"));
    // the next command of any kind clears what the dead namespace left
    assert!(matches!(status(&wire), Err(SetupError::NothingRecorded)));
    let left = std::fs::read_dir(wire.runtime_directory().join("realserver.d")).unwrap();
    assert_eq!(left.count(), 1, "the lock alone is left");
    assert!(!before.is_empty());
}

#[test]
fn root_a_failed_up_leaves_nothing_behind() {
    let Some(wire) = Wire::make("failed") else {
        return;
    };
    let before = wire.snapshot();
    let mut command = up_command(&wire, RealserverMethod::Tun, &["198.51.100.9"]);
    command.interfaces = vec!["veth7".to_owned()];
    let error = realserver(&RealserverCommand::Up(command)).unwrap_err();
    assert!(error.to_string().contains("`veth7`"));
    assert_same(&wire.snapshot(), &before);
}

#[test]
fn root_a_mount_namespace_where_pins_would_die_is_refused() {
    let Some(wire) = Wire::make("mount") else {
        return;
    };
    let before = wire.snapshot();
    let command = up_command(&wire, RealserverMethod::Fullnat, &[]);
    let outcome = std::thread::spawn(move || {
        // SAFETY: the call takes a number and moves this thread alone.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
        realserver(&RealserverCommand::Up(command))
    })
    .join()
    .unwrap();
    assert!(matches!(outcome, Err(SetupError::ForeignMountNamespace)));
    assert_same(&wire.snapshot(), &before);
    let left = std::fs::read_dir(wire.runtime_directory().join("realserver.d")).unwrap();
    assert_eq!(left.count(), 1, "the lock alone is left");
}
