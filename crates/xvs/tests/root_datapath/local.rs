//! The director as its own client, and as a real server.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use xvs_lab::Host;

use crate::{
    clients::{Session, ask, server_of, udp, warm_up},
    net::{Net, VIP, VIP6, WEBS, WEBS6},
    servers::Server,
};

/// The director's own addresses.
const OWN: [&str; 2] = ["10.2.0.10", "fd00:2::10"];
/// The local addresses of FULLNAT.
const LOCAL: [&str; 2] = ["10.2.0.200", "fd00:2::200"];

/// A virtual server's name.
fn name(protocol: &str, vip: &str, port: u16) -> String {
    if vip.contains(':') {
        format!("{protocol}/[{vip}]:{port}")
    } else {
        format!("{protocol}/{vip}:{port}")
    }
}

/// A real server's name.
fn endpoint(address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

/// The counts of a virtual server: connections, packets in, packets out.
fn counts(net: &Net, protocol: &str, vip: &str, port: u16) -> (u64, u64, u64) {
    let flag = if protocol == "tcp" { "-t" } else { "-u" };
    let vip = endpoint(vip, port);
    let listing = net.done(&["ipvsadm", "-Ln", flag, &vip, "--stats", "--exact"]);
    let line = listing.lines().nth(2).unwrap();
    let mut words = line.split_whitespace().skip(2);
    let mut number = || words.next().unwrap().parse().unwrap();
    (number(), number(), number())
}

/// TCP and UDP of the director's own through a translating method, over both families and on both
/// hooks.
fn the_director_is_a_client(method: &str) {
    let Some(mut net) = Net::new(&format!("own{method}")) else {
        return;
    };
    net.without_offloads().replies_by_director();
    net.daemon(&[]);
    let mut servers = Vec::new();
    for (place, vip) in [VIP, VIP6].into_iter().enumerate() {
        for (protocol, port) in [("tcp", 80), ("udp", 53)] {
            let vs = name(protocol, vip, port);
            let local = match method {
                "fullnat" => format!(" --laddr {}", LOCAL[place]),
                _ => String::new(),
            };
            net.line(&format!("vs add {vs} -s rr{local}"));
            for (web, addresses) in net.webs.iter().zip([0, 1].map(|n| [WEBS[n], WEBS6[n]])) {
                let (address, port) = (addresses[place], port + 8000);
                net.line(&format!(
                    "rs add {vs} {} -m {method}",
                    endpoint(address, port)
                ));
                servers.push(match protocol {
                    "tcp" => Server::tcp(web, address, port),
                    _ => Server::udp(web, address, port),
                });
            }
        }
    }
    for hook in ["tcx", "xdp"] {
        net.line(&format!("hook set {hook}"));
        for (vip, local) in [VIP, VIP6].into_iter().zip(LOCAL) {
            let what = format!("{method} on {hook} to {vip}");
            let mut seen = Vec::new();
            for _ in 0..2 {
                let mut session = Session::open(&net.director, vip, 80)
                    .unwrap_or_else(|error| panic!("{what}: {error}\n{}", net.status()));
                session
                    .echo_bulk(300_000)
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                // The kernel takes the VIP as source, for the VIP is its own.
                let source = if method == "fullnat" { local } else { vip };
                assert_eq!(session.seen_as.ip().to_string(), source, "{what}");
                seen.push(session.server);
            }
            seen.sort();
            assert_eq!(seen, ["web1", "web2"], "{what}");
            let before = counts(&net, "udp", vip, 53);
            let socket = udp(&net.director, vip, 53);
            warm_up(&socket);
            for _ in 0..3 {
                let answer = ask(&socket, 100).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(answer.ttl, 63, "{what}");
            }
            let after = counts(&net, "udp", vip, 53);
            assert_eq!(after.0, before.0 + 1, "{what}");
            assert!(after.1 >= before.1 + 4 && after.2 >= before.2 + 4, "{what}");
        }
    }
    // Without a real server the client hears so.
    for vip in [VIP, VIP6] {
        for addresses in [0, 1].map(|n| [WEBS[n], WEBS6[n]]) {
            let address = if vip == VIP {
                addresses[0]
            } else {
                addresses[1]
            };
            net.line(&format!(
                "rs edit {} {} -w 0",
                name("tcp", vip, 80),
                endpoint(address, 8080)
            ));
        }
        // The answer to the first SYN comes while connect() still has the socket; that to the next counts.
        let error = Session::open(&net.director, vip, 80).map(|session| session.server);
        let error = error.expect_err("no real server answers");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{vip}");
    }
}

#[test]
fn root_the_director_is_a_client_of_its_vip_through_nat() {
    the_director_is_a_client("nat");
}

#[test]
fn root_the_director_is_a_client_of_its_vip_through_full_nat() {
    the_director_is_a_client("fullnat");
}

/// A UDP socket of `host` from a port of `from` to `address:port`.
fn udp_from(host: &Host, from: &str, address: &str, port: u16) -> UdpSocket {
    let from = SocketAddr::new(from.parse().unwrap(), 0);
    let socket = host.namespace().enter(|| UdpSocket::bind(from));
    let socket = socket.unwrap().unwrap();
    socket
        .connect(SocketAddr::new(address.parse().unwrap(), port))
        .unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(2)))
        .unwrap();
    socket
}

/// Of DR and TUN replies come from the VIP, which IPv4 takes from nobody else where it is an address of
/// this host, with the kernel's IPVS too.
fn another_address_of_the_director_is_a_client(method: &str) {
    let Some(mut net) = Net::new(&format!("own{method}")) else {
        return;
    };
    net.real_servers(method);
    net.daemon(&[]);
    let vs = name("udp", VIP6, 53);
    net.line(&format!("vs add {vs} -s rr"));
    let word = if method == "tun" { "ipip" } else { method };
    let mut servers = Vec::new();
    for (web, address) in net.webs.iter().zip(WEBS6) {
        net.line(&format!("rs add {vs} [{address}]:53 -m {word}"));
        servers.push(Server::udp(web, VIP6, 53));
    }
    let mut seen = Vec::new();
    for _ in 0..2 {
        let socket = udp_from(&net.director, OWN[1], VIP6, 53);
        warm_up(&socket);
        seen.push(ask(&socket, 100).unwrap().server);
    }
    seen.sort();
    assert_eq!(seen, ["web1", "web2"]);
    let (connections, inward, _) = counts(&net, "udp", VIP6, 53);
    assert!(connections == 2 && inward >= 4, "{connections} {inward}");
}

#[test]
fn root_another_address_of_the_director_is_a_client_through_direct_routing() {
    another_address_of_the_director_is_a_client("dr");
}

#[test]
fn root_another_address_of_the_director_is_a_client_through_a_tunnel() {
    another_address_of_the_director_is_a_client("tun");
}

/// Real servers on the director itself answer both kinds of clients, on their own port and address by
/// NAT, and in the name of the VIP by DR.
#[test]
fn root_the_director_is_a_real_server() {
    let Some(mut net) = Net::new("ownrs") else {
        return;
    };
    net.without_offloads();
    net.daemon(&[]);
    let mut servers = Vec::new();
    for (vip, own) in [VIP, VIP6].into_iter().zip(OWN) {
        for (protocol, base) in [("tcp", 80), ("udp", 53)] {
            for (port, method) in [(base, "nat"), (base + 1, "dr")] {
                let vs = name(protocol, vip, port);
                let (at, there) = match method {
                    "nat" => (own, port + 8000),
                    _ => (vip, port),
                };
                net.line(&format!("vs add {vs} -s rr")).line(&format!(
                    "rs add {vs} {} -m {method}",
                    endpoint(own, if method == "nat" { there } else { port })
                ));
                servers.push(match protocol {
                    "tcp" => Server::tcp(&net.director, at, there),
                    _ => Server::udp(&net.director, at, there),
                });
            }
        }
    }
    for hook in ["tcx", "xdp"] {
        net.line(&format!("hook set {hook}"));
        for vip in [VIP, VIP6] {
            for host in [&net.client, &net.director] {
                for port in [80, 81] {
                    let what = format!("{} on {hook} to {vip} port {port}", host.name());
                    let before = counts(&net, "tcp", vip, port);
                    let mut session = Session::open(host, vip, port)
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                    session
                        .echo_bulk(100_000)
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                    let source = if host.name() == "client" {
                        "10.1.0.2"
                    } else {
                        VIP
                    };
                    let source6 = if host.name() == "client" {
                        "fd00:1::2"
                    } else {
                        VIP6
                    };
                    let source = if vip == VIP { source } else { source6 };
                    assert_eq!(session.seen_as.ip().to_string(), source, "{what}");
                    let after = counts(&net, "tcp", vip, port);
                    assert_eq!(after.0, before.0 + 1, "{what}");
                    assert!(after.1 > before.1 + 4, "{what}: {before:?} {after:?}");
                    assert!(after.2 > before.2 + 4, "{what}: {before:?} {after:?}");
                    let listing = net.done(&["ipvsadm", "-Lnc"]);
                    assert!(listing.contains("ESTABLISHED"), "{what}: {listing}");
                }
                for port in [53, 54] {
                    let what = format!("{} on {hook} to {vip} port {port}", host.name());
                    let socket = udp(host, vip, port);
                    warm_up(&socket);
                    let before = counts(&net, "udp", vip, port);
                    let answer = ask(&socket, 64).unwrap_or_else(|error| panic!("{what}: {error}"));
                    // A router on the way, and none on the director.
                    let hops = if host.name() == "client" { 1 } else { 0 };
                    assert_eq!(answer.ttl, 64 - hops, "{what}");
                    let after = counts(&net, "udp", vip, port);
                    assert_eq!((after.1, after.2), (before.1 + 1, before.2 + 1), "{what}");
                }
            }
        }
    }
    // Nobody listens: the error quotes what the client sent.
    net.line(&format!("vs add udp/{VIP}:99 -s rr"))
        .line(&format!("rs add udp/{VIP}:99 {}:9999 -m nat", OWN[0]));
    let socket = udp(&net.client, VIP, 99);
    let error = ask(&socket, 10).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(counts(&net, "udp", VIP, 99), (1, 1, 1));
}

/// What the host looks at, and what it was told, is as it was when the daemon ends.
#[test]
fn root_the_loopback_link_is_given_back() {
    let Some(mut net) = Net::new("ownlo") else {
        return;
    };
    let accepts = |net: &Net| net.on_director("cat /proc/sys/net/ipv4/conf/lo/accept_local");
    assert_eq!(accepts(&net), "0\n");
    net.daemon(&[]);
    net.line(&format!("vs add {VIP}:80"));
    assert!(net.carries_loopback());
    assert_eq!(accepts(&net), "1\n");
    // A VIP that is not here has no local clients.
    net.line(&format!("vs del {VIP}:80"))
        .line("vs add 10.9.9.9:80");
    assert!(!net.carries_loopback());
    let _server = Server::tcp(&net.director, "127.0.0.1", 81);
    assert_eq!(server_of(&net.director, "127.0.0.1", 81), "director");
}
