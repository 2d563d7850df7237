//! What `global_defs` changes beside virtual servers: timeouts, sync daemons, what is flushed, the programs
//! at both ends.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    bed::Bed,
    support::{can_run, wait_until},
};

const SERVER: &str = "\
virtual_server 192.0.2.1 80 {
 lb_algo rr
 lb_kind NAT
 protocol TCP
 real_server 127.0.0.1 9001 {
 }
}
";

/// A configuration with these lines in `global_defs`.
fn with(global: &str) -> String {
    format!("global_defs {{\n{global}\n}}\n{SERVER}")
}

fn timeouts(bed: &Bed) -> String {
    bed.place.done(&["ipvsadm", "-L", "--timeout"])
}

#[test]
fn root_timeouts_are_set_and_taken_back() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(&with("lvs_timeouts tcp 700 udp 40"));
    let daemon = bed.daemon();
    assert_eq!(timeouts(&bed), "Timeout (tcp tcpfin udp): 700 120 40\n");
    bed.write(&with("lvs_timeouts tcpfin 7"));
    bed.place.done(&["reload"]);
    assert_eq!(timeouts(&bed), "Timeout (tcp tcpfin udp): 900 7 300\n");
    bed.write(SERVER);
    bed.place.done(&["reload"]);
    assert_eq!(timeouts(&bed), "Timeout (tcp tcpfin udp): 900 120 300\n");
    bed.write(&with("lvs_timeouts tcp 800"));
    bed.place.done(&["reload"]);
    assert_eq!(daemon.terminate().0, Some(0));
    let _without = bed.place.daemon(&[]);
    assert_eq!(timeouts(&bed), "Timeout (tcp tcpfin udp): 900 120 300\n");
}

#[test]
fn root_flushing_takes_away_what_others_made() {
    if !can_run() {
        return;
    }
    let rules = |bed: &Bed| bed.place.done(&["ipvsadm-save", "-n"]);
    let others = ["ipvsadm", "-A", "-t", "192.0.2.9:80"];
    let bed = Bed::new(&with("lvs_flush\n lvs_flush_on_stop"));
    let before = bed.place.daemon(&[]);
    bed.place.done(&others);
    drop(before.terminate());
    let daemon = bed.daemon();
    assert!(!rules(&bed).contains("192.0.2.9"), "{}", rules(&bed));
    assert_eq!(bed.real_servers(), ["127.0.0.1:9001 1"]);
    // What comes later is flushed at the stop, and not by a reload.
    bed.place.done(&others);
    bed.place.done(&["reload"]);
    assert!(rules(&bed).contains("192.0.2.9"), "{}", rules(&bed));
    drop(daemon.terminate());
    let without = bed.place.daemon(&[]);
    assert_eq!(rules(&bed), "");
    // `VS` means our own alone.
    drop(without.terminate());
    bed.write(&with("lvs_flush_onstop VS"));
    let daemon = bed.daemon();
    bed.place.done(&others);
    drop(daemon.terminate());
    let _without = bed.place.daemon(&[]);
    assert_eq!(rules(&bed), "-A -t 192.0.2.9:80 -s wlc\n");
}

#[test]
fn root_a_sync_daemon_has_the_role_of_its_instance() {
    if !can_run() {
        return;
    }
    let instance = "vrrp_instance V {\n interface server\n virtual_router_id 7\n version 3\n advert_int 0.1\n \
                    virtual_ipaddress {\n 192.0.2.99\n }\n}\n";
    let global = "lvs_sync_daemon client V maxlen 1400";
    let bed = Bed::new(&format!("{}{instance}", with(global)));
    let daemon = bed.daemon();
    let listing = || bed.place.done(&["ipvsadm", "-L", "--daemon"]);
    wait_until("the master", || listing().contains("master sync daemon"));
    assert!(
        listing().contains("mcast=client, syncid=7"),
        "{}",
        listing()
    );
    assert!(!listing().contains("backup"), "{}", listing());
    bed.place.ip("link set server down");
    wait_until("the backup", || listing().contains("backup sync daemon"));
    assert!(!listing().contains("master"), "{}", listing());
    // Without an instance both run, and without the keyword none.
    bed.write(&with("lvs_sync_daemon client id 9"));
    bed.place.done(&["reload"]);
    assert!(listing().contains("master sync daemon"), "{}", listing());
    assert!(listing().contains("backup sync daemon"), "{}", listing());
    bed.write(SERVER);
    bed.place.done(&["reload"]);
    assert_eq!(listing(), "");
    drop(daemon);
}

#[test]
fn root_programs_run_at_both_ends_and_for_their_time_alone() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("");
    let told = bed.other("told", "");
    let script = |name: &str, then: &str| {
        let text = format!("#!/bin/sh\necho {name} $1 >>{}\n{then}\n", told.display());
        let path = bed.other(name, &text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    // The first one makes the interface that the file needs, the last one never ends.
    let start = script("starts", "ip link add early type dummy");
    let stop = script("stops", "exec sleep 1000");
    let instance = "vrrp_instance V {\n interface early\n virtual_router_id 7\n \
                    virtual_ipaddress {\n 192.0.2.99\n }\n}\n";
    let global = format!(
        "dynamic_interfaces\n script_user root\n startup_script \"{start} now\"\n \
         shutdown_script {stop}\n shutdown_script_timeout 1"
    );
    bed.write(&format!("{}{instance}", with(&global)));
    let daemon = bed.daemon();
    assert_eq!(fs::read_to_string(&told).unwrap(), "starts now\n");
    let routers = bed.place.done(&["vrrp", "status"]);
    assert!(routers.contains("early"), "{routers}");
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(fs::read_to_string(&told).unwrap(), "starts now\nstops\n");
    assert!(log.contains("startup_script `"), "{log}");
    assert!(log.contains("ran longer than 1s and was ended"), "{log}");
}
