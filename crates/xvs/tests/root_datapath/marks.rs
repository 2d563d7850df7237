//! Virtual servers of firewall marks: real marks, and what is set up and taken down to bring them.

use crate::{
    clients::{Session, server_of},
    net::{Net, VIP, VIP6, WEBS, WEBS6, has, wait_until},
    servers::Server,
};

#[test]
fn root_marks_of_the_firewall_group_ports_and_outweigh_addresses() {
    let Some(mut net) = Net::new("marks") else {
        return;
    };
    if !has("nft") {
        return;
    }
    net.replies_by_director();
    let mut servers = Vec::new();
    for (web, addresses) in net.webs.iter().zip(WEBS.iter().zip(WEBS6)) {
        for port in [80, 81, 82] {
            servers.push(Server::tcp(web, addresses.0, port));
            servers.push(Server::tcp(web, addresses.1, port));
        }
    }
    // A service of the director's own, on the VIP.
    let _own = Server::tcp(&net.director, VIP, 99);
    net.on_director("nft add table inet m");
    net.on_director("nft add chain inet m p { type filter hook prerouting priority mangle ; }");
    net.on_director("nft add rule inet m p tcp dport { 80, 81 } meta mark set 7");
    let before = routing(&net);
    assert!(!before.1);
    net.daemon(&[]);
    // Addresses go to the second server alone, the mark to either.
    for (vip, webs, family) in [(VIP, WEBS, ""), (VIP6, WEBS6, " -6")] {
        let host = |address: &str| {
            if address.contains(':') {
                format!("[{address}]")
            } else {
                address.to_owned()
            }
        };
        for port in [81, 82] {
            net.line(&format!("ipvsadm -A -t {}:{port} -s rr", host(vip)));
            net.line(&format!(
                "ipvsadm -a -t {}:{port} -r {}:{port} -m",
                host(vip),
                host(webs[1])
            ));
        }
        net.line(&format!("ipvsadm -A -f 7{family} -s rr -p 60"));
        net.line(&format!(
            "ipvsadm -a -f 7{family} -r {}:0 -m",
            host(webs[0])
        ));
    }
    assert!(net.links().contains(&"xvs-marked:tcx".to_owned()));
    for vip in [VIP, VIP6] {
        for (port, server) in [(80, "web1"), (81, "web1"), (82, "web2")] {
            assert_eq!(server_of(&net.client, vip, port), server, "{vip}:{port}");
        }
        let mut session = Session::open(&net.client, vip, 80).unwrap();
        for _ in 0..3 {
            session.echo().unwrap();
        }
    }
    assert_eq!(server_of(&net.client, VIP, 99), "director");
    // What is routed goes with the last mark, and the host is as it was.
    for family in ["", " -6"] {
        net.line(&format!("ipvsadm -D -f 7{family}"));
    }
    wait_until("the rules of before", || routing(&net) == before);
    assert_eq!(server_of(&net.client, VIP, 81), "web2");
    assert_eq!(server_of(&net.client, VIP, 99), "director");
}

#[test]
fn root_marks_of_iptables_group_ports_with_persistence() {
    groups("markipt", "iptables", |net| {
        for tables in ["iptables", "ip6tables"] {
            net.on_director(&format!(
                "{tables} -t mangle -A PREROUTING -p tcp -m multiport --dports 80,81 -j MARK --set-mark 7"
            ));
        }
    });
}

#[test]
fn root_marks_of_nftables_group_ports_with_persistence() {
    groups("marknft", "nft", |net| {
        net.on_director("nft add table inet m");
        net.on_director("nft add chain inet m p { type filter hook prerouting priority mangle ; }");
        net.on_director("nft add rule inet m p tcp dport { 80, 81 } meta mark set 7");
    });
}

/// A client stays with one of two servers on both ports that `mark` gives a mark, as long as the mark's
/// virtual server is persistent; else each connection goes to another one.
fn groups(name: &str, tool: &str, mark: impl Fn(&Net)) {
    let Some(mut net) = Net::new(name) else {
        return;
    };
    if !has(tool) {
        return;
    }
    net.replies_by_director();
    let mut servers = Vec::new();
    for (web, addresses) in net.webs.iter().zip(WEBS.iter().zip(WEBS6)) {
        for port in [80, 81] {
            servers.push(Server::tcp(web, addresses.0, port));
            servers.push(Server::tcp(web, addresses.1, port));
        }
    }
    mark(&net);
    net.daemon(&[]);
    for (vip, webs, family) in [(VIP, WEBS, ""), (VIP6, WEBS6, " -6")] {
        net.line(&format!("ipvsadm -A -f 7{family} -s rr -p 60"));
        for web in webs {
            let address = if web.contains(':') {
                format!("[{web}]")
            } else {
                web.to_owned()
            };
            net.line(&format!("ipvsadm -a -f 7{family} -r {address}:0 -m"));
        }
        let asked = |port| server_of(&net.client, vip, port);
        let first = asked(80);
        for port in [81, 80, 81, 81] {
            assert_eq!(asked(port), first, "{vip}:{port}");
        }
        net.line(&format!("ipvsadm -E -f 7{family} -s rr"));
        let each = [asked(81), asked(81)];
        assert_ne!(each[0], each[1], "{vip}: in turn");
    }
}

#[test]
fn root_a_daemon_that_stops_takes_the_routing_of_marks_down() {
    let Some(mut net) = Net::new("markstop") else {
        return;
    };
    let before = routing(&net);
    net.daemon(&[]).line("ipvsadm -A -f 7 -s rr");
    assert_ne!(routing(&net), before);
    net.line("stop");
    wait_until("the rules of before", || routing(&net) == before);
}

/// The routing rules of both families, and whether the link for marked packets is there.
fn routing(net: &Net) -> ([String; 3], bool) {
    let state = ["ip -4 rule", "ip -6 rule", "sysctl net.ipv4.ip_early_demux"];
    // The namespaces' own names have the word too.
    let has_link = net.on_director("ip -o link").contains(": xvs-mark");
    (state.map(|command| net.on_director(command)), has_link)
}
