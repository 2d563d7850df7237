//! Where the datapath attaches.

use crate::{
    clients::{Session, ask, server_of, udp},
    net::{Net, VIP, WEBS, wait_until},
    servers::Server,
};

#[test]
fn root_links_carry_the_datapath_while_there_is_a_virtual_server() {
    let Some(mut net) = Net::new("links") else {
        return;
    };
    net.replies_by_director();
    net.daemon(&[]);
    assert_eq!(net.pinned_links(), Vec::<String>::new());
    net.line(&format!("vs add {VIP}:80"));
    assert_eq!(net.links(), ["eth0:tcx"]);
    assert_eq!(net.pinned_links(), ["eth0-tcx"]);
    // A link that comes later, and its end.
    net.topology
        .link((&net.director, "late"), (&net.switch, "late"))
        .unwrap();
    net.director.address("late", "198.51.100.1/24").unwrap();
    wait_until("the late link", || {
        net.pinned_links() == ["eth0-tcx", "late-tcx"]
    });
    assert_eq!(net.links(), ["eth0:tcx", "late:tcx"]);
    net.on_director("ip link del late");
    wait_until("its end", || net.pinned_links() == ["eth0-tcx"]);
    net.line(&format!("vs add {VIP}:81"));
    net.line(&format!("vs del {VIP}:80"));
    assert_eq!(net.pinned_links(), ["eth0-tcx"]);
    net.line(&format!("vs del {VIP}:81"));
    assert_eq!(net.pinned_links(), Vec::<String>::new());
    assert_eq!(net.links(), Vec::<String>::new());
}

#[test]
fn root_a_bridge_carries_it_and_its_ports_do_not() {
    let Some(mut net) = Net::new("bridge") else {
        return;
    };
    // The director's link becomes a port of a bridge that has its addresses; a tap is another port.
    net.replies_by_director();
    net.director.bridge("br0", &["eth0"]).unwrap();
    net.on_director("ip tuntap add tap0 mode tap");
    net.on_director("ip link set tap0 master br0");
    net.on_director("ip link set tap0 up");
    net.on_director("ip address flush dev eth0");
    for address in ["10.2.0.10/24", "10.2.0.100/32"] {
        net.director.address("br0", address).unwrap();
    }
    net.director.route("default", "10.2.0.1").unwrap();
    let _server = Server::udp(&net.webs[0], WEBS[0], 53);
    net.daemon(&[])
        .line(&format!("vs add udp/{VIP}:53"))
        .line(&format!("rs add udp/{VIP}:53 {} -m nat", WEBS[0]));
    assert_eq!(net.links(), ["br0:tcx"]);
    assert_eq!(net.pinned_links(), ["br0-tcx"]);
    let socket = udp(&net.client, VIP, 53);
    for _ in 0..5 {
        assert_eq!(ask(&socket, 10).unwrap().server, "web1");
    }
    // Each frame is seen once.
    wait_until("the counts", || {
        let listing = net.done(&["vs", "list", "--json"]);
        let listing: serde_json::Value = serde_json::from_str(&listing).unwrap();
        let counters = &listing[0]["counters"];
        assert!(counters["packets_in"].as_u64().unwrap() <= 5, "{counters}");
        counters["packets_in"] == 5 && counters["packets_out"] == 5
    });
    let refusal = net.refused("interface add tap0");
    assert_eq!(
        refusal,
        "xvs: `tap0` cannot carry the datapath: it is a port of `br0`, where its frames are seen\n"
    );
    assert_eq!(net.pinned_links(), ["br0-tcx"]);
}

#[test]
fn root_hook_and_interfaces_change_at_run_time_and_connections_go_on() {
    let Some(mut net) = Net::new("hook") else {
        return;
    };
    net.without_offloads().replies_by_director();
    let _server = Server::tcp(&net.webs[0], WEBS[0], 80);
    net.daemon(&["--hook", "xdp-generic", "--interface", "eth0"])
        .line(&format!("vs add {VIP}:80"))
        .line(&format!("rs add {VIP}:80 {} -m nat", WEBS[0]));
    assert_eq!(net.links(), ["eth0:xdp-generic"]);
    let mut session = Session::open(&net.client, VIP, 80).unwrap();
    for (hook, pinned, shown) in [
        ("xdp", &["eth0-tcx", "eth0-xdp"][..], Some(" xdp ")),
        ("tcx", &["eth0-tcx"], None),
        (
            "xdp-generic",
            &["eth0-tcx", "eth0-xdpgeneric"],
            Some(" xdpgeneric "),
        ),
        ("xdp", &["eth0-tcx", "eth0-xdp"], Some(" xdp ")),
        ("auto", &["eth0-tcx"], None),
    ] {
        net.line(&format!("hook set {hook}"));
        assert_eq!(net.pinned_links(), pinned, "{hook}");
        // The kernel's own word for it.
        let link = net.on_director("ip link show dev eth0");
        match shown {
            Some(word) => assert!(link.contains(word), "{hook}: {link}"),
            None => assert!(!link.contains("xdp"), "{hook}: {link}"),
        }
        session.echo().unwrap();
        assert_eq!(server_of(&net.client, VIP, 80), "web1", "{hook}");
    }
    net.topology
        .link((&net.director, "spare"), (&net.switch, "spare"))
        .unwrap();
    net.line("interface add spare");
    assert_eq!(net.links(), ["eth0:tcx", "spare:tcx"]);
    net.line("interface del spare");
    assert_eq!(net.links(), ["eth0:tcx"]);
    session.echo().unwrap();
}
