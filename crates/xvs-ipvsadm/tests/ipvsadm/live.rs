//! Listings of a director with traffic, recorded from ipvsadm 1.31, made again from data.

use std::time::Duration;

use xvs_types::{
    ConnectionListing, ConnectionState, Counters, EffectiveMethod, Endpoint, Family,
    ForwardingMethod, Persistence, PersistenceEngine, PersistenceMask, Protocol, Rates, RealServer,
    Scheduler, VirtualServer, VirtualServerId, VirtualServerListing, Weight,
};

use crate::support::{Answer, Files, Host, call, idle_real_server};

/// A real server: endpoint, weight, [active, inactive, persistent], counters, rates.
type Row = (&'static str, u32, [u32; 3], [u64; 5], [u64; 5]);

#[test]
fn tables_of_virtual_servers_are_as_recorded() {
    for (options, expected) in [
        ("-Ln", include_str!("../fixtures/live-L-n.txt")),
        (
            "-Ln --stats",
            include_str!("../fixtures/live-L-n-stats.txt"),
        ),
        ("-Ln --rate", include_str!("../fixtures/live-L-n-rate.txt")),
        (
            "-Ln --thresholds",
            include_str!("../fixtures/live-L-n-thresholds.txt"),
        ),
        (
            "-Ln --persistent-conn",
            include_str!("../fixtures/live-L-n-persistent-conn.txt"),
        ),
    ] {
        assert_eq!(listed(&mut director(), options), expected, "{options}");
    }
}

#[test]
fn exact_counts_are_as_recorded() {
    let mut host = director();
    // A retransmission went through between the two recordings.
    for virtual_server in host.listing.iter_mut().flatten() {
        if virtual_server.config.id.port() == 81 {
            let counters = count([1, 4, 3, 240, 264]);
            virtual_server.counters = counters;
            virtual_server.real_servers[0].counters = counters;
        }
    }
    assert_eq!(
        listed(&mut host, "-Ln --stats --exact"),
        include_str!("../fixtures/live-L-n-stats-exact.txt")
    );
}

#[test]
fn connections_are_as_recorded() {
    for (options, expected) in [
        ("-Lnc", include_str!("../fixtures/live-L-n-c.txt")),
        ("-Lc", include_str!("../fixtures/live-L-c.txt")),
        (
            "-Lnc --persistent-conn",
            include_str!("../fixtures/live-L-nc-persistent-conn.txt"),
        ),
    ] {
        let mut host = director();
        host.connections = connections(expected);
        assert_eq!(listed(&mut host, options), expected, "{options}");
    }
}

#[test]
fn large_counts_are_scaled_unless_exact() {
    let mut host = director();
    let big = count([123_456_789, 12_345_678_901, 1_234_567_890_123, u64::MAX, 7]);
    host.listing.as_mut().unwrap().truncate(1);
    host.listing.as_mut().unwrap()[0].counters = big;
    let scaled = listed(&mut host, "-Ln --stats");
    assert!(
        scaled.contains("  123456K   12345M    1234G18446744T        7\n"),
        "{scaled}"
    );
    let exact = listed(&mut host, "-Ln --stats --exact");
    assert!(
        exact.contains(" 123456789 12345678901 1234567890123 18446744073709551615        7\n"),
        "{exact}"
    );
}

fn listed(host: &mut Host, options: &str) -> String {
    let argv: Vec<&str> = ["ipvsadm"]
        .into_iter()
        .chain(options.split_whitespace())
        .collect();
    let Answer {
        status,
        stdout,
        stderr,
    } = call(host, &Files::new(), &argv, "");
    assert_eq!((status, stderr.as_str()), (0, ""));
    stdout
}

/// The director that was recorded, in the order of the kernel's hash buckets.
fn director() -> Host {
    let persistent = |seconds, mask| Persistence {
        timeout: Duration::from_secs(seconds),
        mask,
    };
    let v4 = |mask: &str| PersistenceMask::V4(mask.parse().unwrap());
    let all = v4("255.255.255.255");
    let tcp = |vip: &str| round_robin(VirtualServerId::tcp(vip.parse().unwrap()));
    let udp = |vip: &str| round_robin(VirtualServerId::udp(vip.parse().unwrap()));
    let mut host = Host::new();
    host.listing = Some(vec![
        listing(
            VirtualServer {
                persistence: Some(persistent(60, PersistenceMask::V6(64))),
                ..udp("[2001:db8:1::10]:53")
            },
            [1, 1, 1, 78, 78],
            [0, 0, 0, 5, 5],
            &[(
                "[2001:db8:2::12]:53",
                1,
                [0, 1, 1],
                [1, 1, 1, 78, 78],
                [0, 0, 0, 5, 5],
            )],
        ),
        listing(
            VirtualServer {
                persistence: Some(persistent(60, all)),
                engine: Some(PersistenceEngine::Sip),
                ..udp("192.168.0.10:5060")
            },
            [1, 1, 1, 121, 149],
            [0, 0, 0, 8, 10],
            &[(
                "10.0.0.13:53",
                1,
                [0, 1, 1],
                [1, 1, 1, 121, 149],
                [0, 0, 0, 8, 10],
            )],
        ),
        listing(
            tcp("[2001:db8:1::10]:80"),
            [2, 6, 4, 448, 1304],
            [0, 0, 0, 31, 92],
            &[(
                "[2001:db8:2::11]:80",
                1,
                [2, 0, 0],
                [2, 6, 4, 448, 1304],
                [0, 0, 0, 31, 92],
            )],
        ),
        listing(
            VirtualServer {
                one_packet: true,
                ..udp("192.168.0.10:54")
            },
            [3, 3, 0, 87, 0],
            [0, 0, 0, 6, 0],
            &[(
                "10.0.0.11:53",
                1,
                [0, 0, 0],
                [3, 3, 0, 87, 0],
                [0, 0, 0, 6, 0],
            )],
        ),
        listing(
            VirtualServer {
                scheduler: Scheduler::Wrr,
                persistence: Some(persistent(120, v4("255.255.255.0"))),
                ..udp("192.168.0.10:53")
            },
            [1, 1, 1, 58, 58],
            [0, 0, 0, 4, 4],
            &[
                (
                    "10.0.0.12:53",
                    1,
                    [0, 1, 1],
                    [1, 1, 1, 58, 58],
                    [0, 0, 0, 4, 4],
                ),
                ("10.0.0.11:53", 3, [0, 0, 0], [0; 5], [0; 5]),
            ],
        ),
        listing(
            tcp("192.168.0.10:80"),
            [7, 27, 18, 1448, 4492],
            [0, 2, 1, 102, 316],
            &[
                (
                    "10.0.0.13:80",
                    1,
                    [0, 3, 0],
                    [3, 12, 8, 648, 1940],
                    [0, 1, 1, 46, 136],
                ),
                (
                    "10.0.0.12:80",
                    1,
                    [1, 1, 0],
                    [2, 7, 5, 368, 1276],
                    [0, 0, 0, 26, 90],
                ),
                (
                    "10.0.0.11:80",
                    1,
                    [1, 1, 0],
                    [2, 8, 5, 432, 1276],
                    [0, 1, 0, 30, 90],
                ),
            ],
        ),
        listing(
            tcp("192.168.0.10:81"),
            [1, 3, 0, 180, 0],
            [0, 0, 0, 23, 33],
            &[(
                "10.0.0.99:80",
                1,
                [1, 0, 0],
                [1, 3, 0, 180, 0],
                [0, 0, 0, 23, 33],
            )],
        ),
        listing(
            tcp("192.168.0.10:82"),
            [1, 1, 1, 60, 40],
            [0, 0, 0, 4, 3],
            &[(
                "10.0.0.11:82",
                1,
                [0, 1, 0],
                [1, 1, 1, 60, 40],
                [0, 0, 0, 4, 3],
            )],
        ),
        listing(
            VirtualServer {
                persistence: Some(persistent(90, all)),
                ..round_robin(MARK)
            },
            [2, 6, 4, 328, 1224],
            [0, 0, 0, 23, 86],
            &[(
                "10.0.0.12:80",
                1,
                [2, 0, 1],
                [2, 6, 4, 328, 1224],
                [0, 0, 0, 23, 86],
            )],
        ),
    ]);
    host
}

const MARK: VirtualServerId = VirtualServerId::Mark {
    family: Family::V4,
    mark: 7,
};

fn round_robin(id: VirtualServerId) -> VirtualServer {
    VirtualServer {
        scheduler: Scheduler::Rr,
        ..VirtualServer::new(id)
    }
}

fn listing(
    config: VirtualServer,
    counters: [u64; 5],
    rates: [u64; 5],
    rows: &[Row],
) -> VirtualServerListing {
    let real_server = |row: &Row| {
        let (endpoint, weight, [active, inactive, persistent], counters, rates) = *row;
        let mut listing = idle_real_server(&RealServer {
            method: ForwardingMethod::Nat,
            weight: Weight::new(weight).unwrap(),
            ..RealServer::new(endpoint.parse().unwrap())
        });
        listing.active = active;
        listing.inactive = inactive;
        listing.persistent = persistent;
        listing.counters = count(counters);
        listing.rates = rate(rates);
        listing
    };
    VirtualServerListing {
        config,
        counters: count(counters),
        rates: rate(rates),
        real_servers: rows.iter().map(real_server).collect(),
    }
}

fn count([connections, packets_in, packets_out, bytes_in, bytes_out]: [u64; 5]) -> Counters {
    Counters {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
    }
}

fn rate([connections, packets_in, packets_out, bytes_in, bytes_out]: [u64; 5]) -> Rates {
    Rates {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
    }
}

/// The connections that were recorded, each expiring as `recording` shows.
fn connections(recording: &str) -> Vec<ConnectionListing> {
    use ConnectionState::{
        Assured, Close, Established, FinWait, None as Nothing, SynRecv, TimeWait, Udp,
    };
    let tcp = Some(Protocol::Tcp);
    let udp = Some(Protocol::Udp);
    let vip = "192.168.0.10:80";
    let v6_client = ["[2001:db8:1::2]:42660", "[2001:db8:1::2]:42664"];
    let v6 = ("[2001:db8:1::10]:80", "[2001:db8:2::11]:80");
    let v6_udp = ("[2001:db8:1::10]:53", "[2001:db8:2::12]:53");
    let rows = [
        (tcp, v6_client[0], v6.0, v6.1, Established),
        (
            tcp,
            "192.168.0.2:45510",
            "192.168.0.10:81",
            "10.0.0.99:80",
            SynRecv,
        ),
        (tcp, v6_client[1], v6.0, v6.1, Established),
        (udp, "[2001:db8:1::2]:48010", v6_udp.0, v6_udp.1, Udp),
        (tcp, "192.168.0.2:57738", vip, "10.0.0.13:80", FinWait),
        (
            tcp,
            "192.168.0.2:44134",
            "192.168.0.10:82",
            "10.0.0.11:82",
            Close,
        ),
        (tcp, "192.168.0.2:57740", vip, "10.0.0.12:80", Close),
        (
            udp,
            "192.168.0.2:47547",
            "192.168.0.10:5060",
            "10.0.0.13:53",
            Udp,
        ),
        (tcp, "192.168.0.2:57742", vip, "10.0.0.11:80", TimeWait),
        (tcp, "192.168.0.2:57754", vip, "10.0.0.13:80", Close),
        (
            tcp,
            "192.168.0.2:32858",
            "10.30.1.1:80",
            "10.0.0.12:80",
            Established,
        ),
        (
            tcp,
            "192.168.0.2:32844",
            "10.30.1.1:80",
            "10.0.0.12:80",
            Established,
        ),
        (tcp, "192.168.0.2:57722", vip, "10.0.0.13:80", FinWait),
        (tcp, "192.168.0.2:57726", vip, "10.0.0.12:80", Established),
        (udp, "[2001:db8:1::]:0", v6_udp.0, v6_udp.1, Assured),
        (
            udp,
            "192.168.0.2:56086",
            "192.168.0.10:53",
            "10.0.0.12:53",
            Udp,
        ),
        (
            udp,
            "192.168.0.2:0",
            "192.168.0.10:5060",
            "10.0.0.13:53",
            Nothing,
        ),
        // The template of mark 7: the virtual server is seen as the mark.
        (
            None,
            "192.168.0.2:0",
            "10.30.1.1:80",
            "10.0.0.12:0",
            Assured,
        ),
        (
            udp,
            "192.168.0.0:0",
            "192.168.0.10:53",
            "10.0.0.12:53",
            Assured,
        ),
        (tcp, "192.168.0.2:57732", vip, "10.0.0.11:80", Established),
    ];
    let expiries = recording.lines().skip(2).map(|line| {
        let (minutes, seconds) = line[4..9].split_once(':').unwrap();
        let number = |text: &str| text.parse::<u64>().unwrap();
        Duration::from_secs(number(minutes) * 60 + number(seconds))
    });
    let endpoint = |text: &str| -> Endpoint { text.parse().unwrap() };
    rows.into_iter()
        .zip(expiries)
        .map(|((protocol, client, vip, server, state), expires)| {
            let template = endpoint(client).port == 0;
            let is_sip = template && vip.ends_with(":5060");
            ConnectionListing {
                protocol,
                client: endpoint(client),
                virtual_endpoint: endpoint(vip),
                virtual_server: protocol.is_none().then_some(MARK),
                real_endpoint: endpoint(server),
                method: EffectiveMethod::Configured(ForwardingMethod::Nat),
                local: None,
                state,
                expires,
                template,
                engine_data: is_sip.then(|| "abc123@host.example".to_owned()),
                packets_in: 0,
                packets_out: 0,
                bytes_in: 0,
                bytes_out: 0,
            }
        })
        .collect()
}
