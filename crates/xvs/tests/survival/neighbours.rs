//! Neighbours that move and routes that change, with a daemon and without.

use std::{fs, net::SocketAddr, thread, time::Duration};

use crate::{
    bed::{Bed, DR, Daemon, NAT, WEBS, can_run, wait_until},
    traffic::{ECHO, Pulse, serve_udp_at},
};

/// Seconds without a sign of life after which the programs ask the kernel.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// What the kernel takes at most to notice a neighbour that moved without a word, with the settings
/// that the director makes; and what a loaded machine may add.
const DETECTION: Duration = Duration::from_secs(10);

/// One real server at `address`, by both methods, and a flow to each.
fn pulses(bed: &Bed, address: &str) -> [Pulse; 2] {
    [(NAT, "-m"), (DR, "-g")].map(|(vip, method)| {
        bed.done(&format!("ipvsadm -A -u {vip}:{ECHO} -s rr"));
        bed.done(&format!(
            "ipvsadm -a -u {vip}:{ECHO} -r {address}:{ECHO} {method} -w 1"
        ));
        Pulse::start(&bed.client, SocketAddr::new(vip.parse().unwrap(), ECHO))
    })
}

fn wait_for_answers(pulses: &[Pulse; 2]) {
    // What was on its way when things changed does not count.
    thread::sleep(Duration::from_millis(50));
    for pulse in pulses {
        pulse.beats();
    }
    for pulse in pulses {
        wait_until("answers", || pulse.beats());
    }
}

fn finish(pulses: [Pulse; 2]) -> Duration {
    let [nat, dr] = pulses.map(Pulse::finish);
    nat.max(dr)
}

fn assert_quick_detection(bed: &Bed) {
    let read = |setting: &str| {
        let path = format!("/proc/sys/net/ipv4/neigh/eth1/{setting}");
        let text = bed.director.namespace().enter(|| fs::read_to_string(path));
        text.unwrap().unwrap().trim().to_owned()
    };
    assert_eq!(read("base_reachable_time_ms"), "1000");
    assert_eq!(read("delay_first_probe_time"), "1");
    assert_eq!(read("mcast_resolicit"), "3");
    assert_eq!(read("ucast_solicit"), "1");
}

/// The outage of flows to a real server whose MAC address changes; `told` by a gratuitous ARP or not,
/// with the daemon `alive` or killed in the moment before.
fn outage_of_a_move(bed: &Bed, daemon: Daemon, mac: &str, told: bool, alive: bool) -> Duration {
    let pulses = pulses(bed, WEBS[0]);
    assert_quick_detection(bed);
    let web = &bed.webs[0];
    let notify = if told { "1" } else { "0" };
    web.sysctl("net.ipv4.conf.eth0.arp_notify", notify).unwrap();
    let running = if alive {
        Some(daemon)
    } else {
        daemon.kill();
        None
    };
    web.mac("eth0", mac).unwrap();
    wait_for_answers(&pulses);
    drop(running);
    finish(pulses)
}

fn moves(hook: &str) {
    if !can_run() {
        return;
    }
    let bed = Bed::new(&format!("move-{hook}"), hook == "xdp");
    for (web, address) in bed.webs.iter().zip(WEBS) {
        serve_udp_at(web, address);
        serve_udp_at(web, DR);
    }
    let arguments = ["--hook", hook, "--connections", "1024"];
    let mut number = 0;
    for alive in [true, false] {
        for told in [true, false] {
            number += 1;
            let daemon = bed.daemon(&arguments);
            bed.done("ipvsadm -C");
            let mac = format!("02:00:00:00:07:{number:02x}");
            let outage = outage_of_a_move(&bed, daemon, &mac, told, alive);
            eprintln!(
                "{hook}: a real server's MAC address changes {} gratuitous ARP, the daemon is {}: \
                 {outage:.2?} without answers",
                if told { "with" } else { "without" },
                if alive { "alive" } else { "dead" },
            );
            let bound = match (alive, told) {
                (true, true) => Duration::from_secs(1),
                (true, false) => DETECTION,
                (false, true) => HEARTBEAT + Duration::from_secs(1),
                (false, false) => HEARTBEAT + DETECTION,
            };
            assert!(outage <= bound, "{outage:?} is over {bound:?}");
        }
    }
}

#[test]
fn root_a_moved_real_server_is_found_on_tcx() {
    moves("tcx");
}

#[test]
fn root_a_moved_real_server_is_found_on_xdp() {
    moves("xdp");
}

#[test]
fn root_flows_follow_a_route_that_changes_with_a_daemon_and_without() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("route", false);
    // One address behind either host: whoever the route leads to answers.
    let address = "10.9.0.1";
    for web in &bed.webs {
        web.address("lo", &format!("{address}/32")).unwrap();
        serve_udp_at(web, address);
        serve_udp_at(web, DR);
    }
    let lead_to = |web: &str| {
        bed.director
            .ip(&["route", "replace", &format!("{address}/32"), "via", web])
            .unwrap();
    };
    // The host that the route leads to no longer answers on its old way.
    let silence = |web: usize, state: &str| {
        bed.webs[web].ip(&["link", "set", "eth0", state]).unwrap();
    };
    lead_to(WEBS[0]);
    let daemon = bed.daemon(&["--connections", "1024"]);
    let flows = pulses(&bed, address);
    lead_to(WEBS[1]);
    silence(0, "down");
    wait_for_answers(&flows);
    let living = finish(flows);
    silence(0, "up");
    bed.webs[0].route("default", "10.2.0.1").unwrap();
    bed.done("ipvsadm -C");
    let flows = pulses(&bed, address);
    daemon.kill();
    lead_to(WEBS[0]);
    silence(1, "down");
    wait_for_answers(&flows);
    // The next daemon must not send old flows by the way that the last one knew.
    let next = bed.daemon(&[]);
    wait_for_answers(&flows);
    thread::sleep(Duration::from_secs(1));
    wait_for_answers(&flows);
    let dead = finish(flows);
    silence(1, "up");
    bed.webs[1].route("default", "10.2.0.1").unwrap();
    // The next daemon comes before the programs lose patience: they know the old way only.
    bed.done("ipvsadm -C");
    let flows = pulses(&bed, address);
    next.kill();
    lead_to(WEBS[1]);
    silence(0, "down");
    let _daemon = bed.daemon(&[]);
    wait_for_answers(&flows);
    let between = finish(flows);
    eprintln!(
        "a route changes: {living:.2?} without answers, {dead:.2?} when the daemon is dead, \
         {between:.2?} between two daemons"
    );
    assert!(between < HEARTBEAT + Duration::from_secs(1), "{between:?}");
    assert!(living < Duration::from_secs(1), "{living:?}");
    assert!(dead < HEARTBEAT + Duration::from_secs(1), "{dead:?}");
}
