//! The local addresses of FULLNAT.

use std::collections::BTreeSet;

use crate::{
    clients::{Session, no_session, server_of},
    net::{Net, VIP, WEBS, output_of, wait_until},
    servers::Server,
};

#[test]
fn root_a_local_address_comes_and_goes_with_its_virtual_server() {
    let Some(mut net) = Net::new("laddr") else {
        return;
    };
    let _server = Server::tcp(&net.webs[0], WEBS[0], 8000);
    net.daemon(&[])
        .line(&format!("vs add {VIP}:80 --laddr 10.2.0.200"))
        .line(&format!("rs add {VIP}:80 {}:8000 -m fullnat", WEBS[0]));
    let addresses = || net.on_director("ip -4 address show dev eth0");
    assert!(addresses().contains("inet 10.2.0.200/32 "));
    let session = Session::open(&net.client, VIP, 80).unwrap();
    assert_eq!(session.seen_as.ip().to_string(), "10.2.0.200");
    assert!(session.seen_as.port() >= 5000);
    assert_eq!(net.counter("toa_added"), 1);
    // A second virtual server keeps it.
    net.line(&format!("vs add {VIP}:81 --laddr 10.2.0.200"))
        .line(&format!("rs add {VIP}:81 {}:8000 -m fullnat", WEBS[0]))
        .line(&format!("vs del {VIP}:80"));
    assert!(addresses().contains("10.2.0.200"));
    assert_eq!(server_of(&net.client, VIP, 81), "web1");
    net.line(&format!("vs del {VIP}:81"));
    assert!(!addresses().contains("10.2.0.200"));
}

#[test]
fn root_an_address_of_the_host_stays_and_keeps_the_ports_of_the_host() {
    let Some(mut net) = Net::new("ports") else {
        return;
    };
    let _server = Server::tcp(&net.webs[0], WEBS[0], 80);
    net.director
        .sysctl("net.ipv4.ip_local_port_range", "5002 65533")
        .unwrap();
    net.daemon(&[])
        .line(&format!("vs add {VIP}:80 --laddr 10.2.0.10"))
        .line(&format!("rs add {VIP}:80 {} -m fullnat", WEBS[0]));
    // 5000, 5001, 65534 and 65535 are left.
    let sessions: Vec<Session> = (0..4)
        .map(|_| Session::open(&net.client, VIP, 80).unwrap())
        .collect();
    let ports: BTreeSet<u16> = sessions.iter().map(|one| one.seen_as.port()).collect();
    assert_eq!(ports, BTreeSet::from([5000, 5001, 65_534, 65_535]));
    no_session(&net.client, VIP, 80);
    assert!(net.counter("no_local_port") > 0);
    // The host's own connections from that address are its own.
    let _own = Server::tcp(&net.webs[0], WEBS[0], 81);
    let own = Session::open(&net.director, WEBS[0], 81).unwrap();
    assert!((5002..=65_533).contains(&own.seen_as.port()));
    // A range that is changed is followed with the next change of the network.
    drop(sessions);
    net.director
        .sysctl("net.ipv4.ip_local_port_range", "1024 65535")
        .unwrap();
    net.line(&format!("rs edit {VIP}:80 {} -w 2", WEBS[0]));
    no_session(&net.client, VIP, 80);
    let warnings = net.status()["warnings"].to_string();
    assert!(
        warnings.contains("no port of local address `10.2.0.10` is left"),
        "{warnings}"
    );
    net.line(&format!("vs del {VIP}:80"));
    assert!(output_of(&net.director, "ip -4 address show dev eth0").contains("inet 10.2.0.10/24 "));
    wait_until("the end of the warning", || {
        net.status()["warnings"].as_array().unwrap().is_empty()
    });
}
