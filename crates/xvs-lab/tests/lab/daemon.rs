//! The daemon is killed under load and started again: packets do not notice, and nothing is forgotten.

use std::{
    collections::BTreeSet,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde_json::Value;
use xvs_lab::ProcessId;

use crate::xvs::{Xvs, listed_connections, nothing_is_left, wait_for_requests};

const REQUESTS: usize = 2_000;

#[test]
fn root_no_request_and_no_connection_is_lost_when_the_daemon_is_killed() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let mut command = xvs.command(&format!("nat --requests {REQUESTS} --keep --json"));
    let lab = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_requests(20);
    kill_daemon(&xvs);
    // Nobody is at home for a while.
    wait_for_requests(200);
    let mut second = start_daemon(&xvs);
    let output = lab.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = &document["labs"][0];
    assert_eq!(report["answers"]["answered"], REQUESTS);
    assert_eq!(listed_connections(report), REQUESTS);

    let tables = || (xvs.ask("ipvsadm -Ln"), connections(&xvs));
    let before = tables();
    let half = (REQUESTS / 2).to_string();
    let counted = |line: &&str| {
        let cells: Vec<_> = line.split_whitespace().collect();
        cells.first() == Some(&"->") && cells.get(4..) == Some(&["0", half.as_str()])
    };
    assert_eq!(before.0.lines().filter(counted).count(), 2, "{}", before.0);
    assert_eq!(before.1.len(), REQUESTS);
    kill_daemon(&xvs);
    second.wait().unwrap();
    let mut third = start_daemon(&xvs);
    wait_for_daemon(&xvs);
    assert_eq!(tables(), before);

    xvs.down();
    // The lab ends whatever lives in its namespaces.
    third.wait().unwrap();
    nothing_is_left();
}

/// Both ends, state and real server of every connection; not how long it still has.
fn connections(xvs: &Xvs) -> BTreeSet<String> {
    let table = xvs.ask("ipvsadm -Lnc");
    let lines = table.lines().filter(|line| line.starts_with("TCP "));
    lines
        .map(|line| {
            let cells: Vec<_> = line.split_whitespace().collect();
            cells[2..].join(" ")
        })
        .collect()
}

fn kill_daemon(xvs: &Xvs) {
    let status: Value = serde_json::from_str(&xvs.ask("status --json")).unwrap();
    let daemon = i32::try_from(status["pid"].as_i64().unwrap()).unwrap();
    let daemon = ProcessId::of(daemon).unwrap();
    daemon.end(Signal::SIGKILL, Duration::from_secs(5)).unwrap();
}

fn start_daemon(xvs: &Xvs) -> Child {
    Command::new(&xvs.program)
        .args(["run", "--instance", "lab-nat"])
        .args(["--netns", "xvs-lab-nat-director"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for_daemon(xvs: &Xvs) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let answers = || {
        let mut command = Command::new(&xvs.program);
        let output = command.args(["status", "--instance", "lab-nat"]).output();
        output.unwrap().status.success()
    };
    while !answers() {
        assert!(Instant::now() < deadline, "the daemon does not answer");
        thread::sleep(Duration::from_millis(50));
    }
}
