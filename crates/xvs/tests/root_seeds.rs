//! Scripts that LVS users published, unchanged: they do with xvs what they did with ipvsadm and the
//! kernel, slips included.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

mod support;

use std::{fs, path::Path};

use support::{Stage, can_run, has};

/// A host as the scripts expect it.
fn host() -> Option<Stage> {
    if !can_run() || !has("ifconfig") || !has("route") {
        return None;
    }
    let stage = Stage::new();
    for folder in ["/etc", "/usr/sbin", "/var/lock"] {
        stage.own_folder(folder);
    }
    stage.shell("mkdir -p /etc/init.d /etc/sysconfig /var/lock/subsys");
    stage.shell("rm -f /etc/sysconfig/ipvsadm; : >/etc/init.d/functions");
    stage.shell("rm -f /usr/sbin/ipvsadm; : >/usr/sbin/ipvsadm");
    stage.lay_over(
        Path::new(env!("CARGO_BIN_EXE_xvs")),
        Path::new("/usr/sbin/ipvsadm"),
    );
    for name in ["logger", "systemctl", "vim"] {
        let program = stage.folder().join("bin").join(name);
        let program = program.display();
        stage.shell(&format!("echo '#!/bin/sh' >{program}; chmod 755 {program}"));
    }
    stage.shell("ip link add eth0 type veth peer name eth1; ip link set eth1 up");
    stage.shell("ip addr add 192.168.1.101/24 dev eth0; ip link set eth0 up");
    Some(stage)
}

/// Runs a script of the fixtures and compares what it says with what is recorded under `name`.
fn replay(stage: &Stage, script: &str, arguments: &str, name: &str) {
    let folder = format!("{}/tests/fixtures/seeds", env!("CARGO_MANIFEST_DIR"));
    let line = format!("cd {folder} && exec bash {script} {arguments}");
    let output = stage.run(&["bash", "-c", &line], "");
    let recorded = |kind: &str| fs::read_to_string(format!("{folder}/{name}.{kind}")).unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        recorded("stdout"),
        "stdout of {name}"
    );
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        recorded("stderr"),
        "stderr of {name}"
    );
    assert_eq!(
        output.status.code(),
        recorded("status").trim().parse().ok(),
        "{name}"
    );
    assert_eq!(stage.shell("ipvsadm -Sn"), recorded("table"), "{name}");
}

#[test]
fn root_command_lists_do_what_they_did() {
    let Some(stage) = host() else { return };
    let _daemon = stage.daemon();
    for name in [
        "000-nat", "000-dr", "001-nat", "001-dr", "002-nat", "002-dr", "003-nat",
    ] {
        stage.shell("rm -f /etc/sysconfig/ipvsadm; ipvsadm -C");
        replay(&stage, &format!("{name}.sh"), "", name);
    }
}

#[test]
fn root_lvs_dr_starts_stops_and_tells() {
    let Some(stage) = host() else { return };
    let _daemon = stage.daemon();
    let addresses = || stage.shell("ip -br -4 addr show eth0");
    replay(&stage, "lvs_dr.sh", "start", "lvs_dr-start");
    assert!(addresses().contains("192.168.1.181/32"));
    assert_eq!(
        stage.shell("ipvsadm -L --timeout"),
        "Timeout (tcp tcpfin udp): 30 5 60\n"
    );
    replay(&stage, "lvs_dr.sh", "status", "lvs_dr-status");
    replay(&stage, "lvs_dr.sh", "stop", "lvs_dr-stop");
    assert!(!addresses().contains("192.168.1.181"));
    replay(&stage, "lvs_dr.sh", "status", "lvs_dr-status-stopped");
    replay(&stage, "lvs_dr.sh", "bogus", "lvs_dr-bogus");
}
