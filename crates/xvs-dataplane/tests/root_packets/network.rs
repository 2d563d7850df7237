//! A network namespace in which the kernel routes as the worlds of the packet tables say.

use std::{fs, net::IpAddr, process::Command};

use xvs_datapath::{
    FibAnswer,
    native::{Route, World},
};

/// The links of the worlds.
const CLIENTS: &str = "xvs-clients";
const SERVERS: &str = "xvs-servers";

/// Moves this thread into a network namespace of its own with the links and routes of the worlds. It
/// ends with the thread.
pub(crate) fn enter<'a>(routes: impl Iterator<Item = &'a Route>) {
    // SAFETY: the call has no precondition; only this thread is moved.
    let moved = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(moved, 0, "enter a network namespace of our own");
    let (clients, servers) = (World::CLIENTS.to_string(), World::SERVERS.to_string());
    let (clients_mac, servers_mac) = (mac(World::CLIENTS_MAC), mac(World::SERVERS_MAC));
    ip(&[
        "link",
        "add",
        "name",
        CLIENTS,
        "index",
        &clients,
        "address",
        &clients_mac,
        "type",
        "veth",
        "peer",
        "name",
        SERVERS,
        "index",
        &servers,
        "address",
        &servers_mac,
    ]);
    for link in ["lo", CLIENTS, SERVERS] {
        ip(&["link", "set", link, "up"]);
    }
    for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        fs::write(format!("/proc/sys/net/{setting}"), "1").expect("turn forwarding on");
    }
    ip(&["-4", "route", "add", "unreachable", "default"]);
    ip(&[
        "-6",
        "route",
        "add",
        "unreachable",
        "default",
        "metric",
        "1",
    ]);
    for route in routes {
        let family = if route.destination.is_ipv6() {
            "-6"
        } else {
            "-4"
        };
        let destination = route.destination.to_string();
        ip(&[family, "route", "replace", &destination, "dev", CLIENTS]);
        if route.answer.code == FibAnswer::KNOWN {
            neighbour(route.destination, route.answer.mac0);
        }
    }
}

fn neighbour(address: IpAddr, mac0: u64) {
    let [a, b, c, d, e, f, ..] = mac0.to_ne_bytes();
    ip(&[
        "neigh",
        "replace",
        &address.to_string(),
        "lladdr",
        &mac([a, b, c, d, e, f]),
        "dev",
        CLIENTS,
        "nud",
        "permanent",
    ]);
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip")
        .args(arguments)
        .status()
        .expect("run `ip` (package iproute2)");
    assert!(status.success(), "`ip {}` failed", arguments.join(" "));
}
