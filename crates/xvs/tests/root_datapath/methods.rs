//! UDP by every forwarding method, the time to live, and all ports of an address.

use nix::sys::socket::{setsockopt, sockopt};

use crate::{
    clients::{Session, ask, server_of, udp},
    net::{Net, VIP, VIP6, WEBS, WEBS6, output_of},
    servers::Server,
};

/// The local addresses of FULLNAT.
const LOCAL: [&str; 2] = ["10.2.0.200", "fd00:2::200"];

/// Sends datagrams through `method` on both hooks over both families, with time to live enough and
/// not.
fn udp_works(method: &str) {
    let Some(mut net) = Net::new(method) else {
        return;
    };
    net.without_offloads();
    let own_vip = match method {
        "nat" => {
            net.replies_by_director();
            false
        }
        "fullnat" => false,
        _ => {
            net.real_servers(if method == "ipip" { "tun" } else { method });
            true
        }
    };
    net.daemon(&[]);
    let mut servers = Vec::new();
    for (place, vip) in [VIP, VIP6].into_iter().enumerate() {
        let name = if place == 0 {
            format!("udp/{vip}:53")
        } else {
            format!("udp/[{vip}]:53")
        };
        let local = match method {
            "fullnat" => format!(" --laddr {}", LOCAL[place]),
            _ => String::new(),
        };
        net.line(&format!("vs add {name} -s rr{local}"));
        for (web, addresses) in net
            .webs
            .iter()
            .zip([[WEBS[0], WEBS6[0]], [WEBS[1], WEBS6[1]]])
        {
            net.line(&format!("rs add {name} {} -m {method}", addresses[place]));
            let address = if own_vip { vip } else { addresses[place] };
            servers.push(Server::udp(web, address, 53));
        }
    }
    for hook in ["tcx", "xdp"] {
        net.line(&format!("hook set {hook}"));
        for (vip, local) in [VIP, VIP6].into_iter().zip(LOCAL) {
            let what = format!("{method} on {hook} to {vip}");
            let mut answered = Vec::new();
            for _ in 0..2 {
                let socket = udp(&net.client, vip, 53);
                for _ in 0..3 {
                    let answer =
                        ask(&socket, 100).unwrap_or_else(|error| panic!("{what}: {error}"));
                    // 64 at the client, less the router, less the director.
                    assert_eq!(answer.ttl, 62, "{what}");
                    let source = if method == "fullnat" {
                        assert!(answer.seen_as.port() >= 5000, "{what}");
                        local.parse().unwrap()
                    } else {
                        assert_eq!(
                            answer.seen_as.port(),
                            socket.local_addr().unwrap().port(),
                            "{what}"
                        );
                        socket.local_addr().unwrap().ip()
                    };
                    assert_eq!(answer.seen_as.ip(), source, "{what}");
                    answered.push(answer.server);
                }
            }
            answered.sort();
            let expected = ["web1", "web1", "web1", "web2", "web2", "web2"];
            assert_eq!(answered, expected, "{what}");
            expires(&net, vip, &what);
        }
    }
}

/// A datagram that reaches the director with its last hop is answered, not sent on.
fn expires(net: &Net, vip: &str, what: &str) {
    let before = net.counter("ttl_exceeded");
    let socket = udp(&net.client, vip, 53);
    ask(&socket, 10).unwrap_or_else(|error| panic!("{what}: {error}"));
    if vip.contains(':') {
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true).unwrap();
        setsockopt(&socket, sockopt::Ipv6Ttl, &2).unwrap();
    } else {
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true).unwrap();
        setsockopt(&socket, sockopt::Ipv4Ttl, &2).unwrap();
    }
    // The client's kernel believes it only with checksums right.
    let error = ask(&socket, 10).unwrap_err();
    assert_eq!(
        error.raw_os_error(),
        Some(libc::EHOSTUNREACH),
        "{what}: {error}"
    );
    assert_eq!(net.counter("ttl_exceeded"), before + 1, "{what}");
}

#[test]
fn root_udp_works_through_nat() {
    udp_works("nat");
}

#[test]
fn root_udp_works_through_full_nat() {
    udp_works("fullnat");
}

#[test]
fn root_udp_works_through_direct_routing() {
    udp_works("dr");
}

#[test]
fn root_udp_works_through_a_tunnel() {
    udp_works("ipip");
}

#[test]
fn root_all_ports_need_persistence_which_keeps_a_client_on_its_server() {
    let Some(mut net) = Net::new("persist") else {
        return;
    };
    net.replies_by_director();
    net.daemon(&[]);
    // As ipvsadm and the kernel do.
    let output = net.xvs(&["ipvsadm", "-A", "-t", "10.2.0.100:0", "-s", "rr"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "Zero port specified for non-persistent service\n"
    );
    let refusal = net.refused(&format!("vs add {VIP}:0 -s rr"));
    assert!(refusal.contains("persist"), "{refusal}");
    assert_eq!(net.done(&["vs", "list", "--json"]), "[]\n");
    net.line(&format!("ipvsadm -A -t {VIP}:0 -s rr -p 60"));
    let mut servers = Vec::new();
    for (web, address) in net.webs.iter().zip(WEBS) {
        net.line(&format!("ipvsadm -a -t {VIP}:0 -r {address}:0 -m"));
        servers.push(Server::tcp(web, address, 80));
        servers.push(Server::tcp(web, address, 8080));
    }
    let first = server_of(&net.client, VIP, 80);
    for port in [8080, 80, 8080, 80] {
        assert_eq!(server_of(&net.client, VIP, port), first);
    }
    // Another client has its own, and a port without a server is refused by the real server.
    output_of(
        &net.router,
        &format!("ip route add {VIP} dev eth1 src 10.1.0.1"),
    );
    let other = Session::open(&net.router, VIP, 80).unwrap();
    assert_ne!(other.server, first);
    assert_eq!(
        crate::clients::no_session(&net.client, VIP, 81),
        std::io::ErrorKind::ConnectionRefused
    );
}
