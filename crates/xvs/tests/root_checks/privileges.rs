//! What a daemon with a configuration may still do, and what its programs may.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    bed::Bed,
    support::{can_run, wait_until},
};

/// CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID, NET_BIND_SERVICE, NET_ADMIN, NET_RAW, IPC_LOCK, SYS_NICE,
/// PERFMON and BPF, by their bits in `linux/capability.h`.
const KEPT: [u32; 12] = [0, 1, 5, 6, 7, 10, 12, 13, 14, 23, 38, 39];

/// The capabilities of a line in a `/proc/PID/status`.
fn capabilities(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let number = line.split_whitespace().nth(1).unwrap();
    u64::from_str_radix(number, 16).unwrap()
}

#[test]
fn root_a_daemon_with_a_configuration_keeps_what_it_needs_and_its_programs_what_they_had() {
    if !can_run() {
        return;
    }
    let ours = fs::read_to_string("/proc/self/status").unwrap();
    let kept = KEPT.iter().fold(0, |all, bit| all | 1 << bit) & capabilities(&ours, "CapEff");
    let bed = Bed::new("");
    let told = bed.folder("told");
    // Outside of what only root can enter, and open to the user below.
    fs::set_permissions(&told, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(told.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = bed.other(
        "script",
        &format!(
            "#!/bin/sh\ncat /proc/self/status >{}/$1.new && mv {0}/$1.new {0}/$1\n",
            told.display()
        ),
    );
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let (script, fifo) = (script.display(), told.join("fifo"));
    bed.write(&format!(
        "global_defs {{\n lvs_notify_fifo {} nobody\n}}\n\
         virtual_server 192.0.2.1 80 {{\n delay_loop 1\n lb_kind NAT\n protocol TCP\n \
         quorum_up \"{script} root\" root\n real_server 127.0.0.1 9001 {{\n \
         MISC_CHECK {{\n misc_path \"{script} nobody\"\n user nobody\n }}\n }}\n}}\n\
         vrrp_instance V {{\n interface server\n virtual_router_id 7\n version 3\n advert_int 0.1\n \
         use_vmac\n virtual_ipaddress {{\n 10.0.0.99/24\n }}\n}}\n",
        fifo.display()
    ));
    let daemon = bed.daemon();
    for who in ["root", "nobody"] {
        wait_until(who, || told.join(who).exists());
    }
    wait_until("the master", || {
        bed.place.done(&["vrrp", "status"]).contains("MASTER")
    });
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let mut names = Vec::new();
    for thread in threads {
        let thread = thread.unwrap().path();
        let status = fs::read_to_string(thread.join("status")).unwrap();
        for set in ["CapPrm", "CapEff"] {
            assert_eq!(capabilities(&status, set), kept, "{set} of\n{status}");
        }
        names.push(fs::read_to_string(thread.join("comm")).unwrap());
    }
    assert!(names.iter().any(|name| name == "checks\n"), "{names:?}");
    assert!(
        names.iter().any(|name| name.starts_with("vrrp")),
        "{names:?}"
    );
    let of = |who: &str| {
        let status = fs::read_to_string(told.join(who)).unwrap();
        capabilities(&status, "CapEff")
    };
    assert_eq!(of("root"), capabilities(&ours, "CapEff"));
    assert_eq!(of("nobody"), 0);
    // What is rarer still works: another user's FIFO, its end, and a virtual MAC that goes again.
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains("ermitted"), "{log}");
    assert!(!log.contains("ermission"), "{log}");
    assert!(!bed.place.ip("link").contains("vrrp.7"), "{log}");
}
