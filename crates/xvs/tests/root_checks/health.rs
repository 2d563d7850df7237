//! A dead real server leaves and comes back; the sorry server comes and goes; all is told.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::{
    bed::Bed,
    support::{can_run, wait_until},
};

const PAIR: &str = "\
virtual_server 192.0.2.1 80 {
 delay_loop 0.3
 delay_before_retry 0.1
 lb_algo rr
 lb_kind NAT
 protocol TCP
 persistence_timeout 60
 sorry_server 127.0.0.1 9099
 real_server 127.0.0.1 9001 {
  TCP_CHECK {
   connect_timeout 1
  }
 }
 real_server 127.0.0.1 9002 {
  TCP_CHECK {
   connect_timeout 1
  }
 }
}
";

#[test]
fn root_a_dead_server_leaves_and_comes_back_and_the_sorry_server_leaves_last() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(PAIR);
    let (first, second) = (bed.server("127.0.0.1:9001"), bed.server("127.0.0.1:9002"));
    let daemon = bed.daemon();
    assert_eq!(bed.real_servers(), ["127.0.0.1:9001 1", "127.0.0.1:9002 1"]);
    wait_until("the first answers", || {
        bed.status("/checks/runs").as_u64() >= Some(2)
    });
    drop(first);
    bed.wait_for(&["127.0.0.1:9002 1"]);
    let checker = "/checks/virtual_servers/0/real_servers/0/checkers/0";
    assert_eq!(bed.status(&format!("{checker}/up")), false);
    let failure = bed.status(&format!("{checker}/last/failure"));
    assert!(failure.as_str().unwrap().contains("refused"), "{failure}");
    drop(second);
    bed.wait_for(&["127.0.0.1:9099 1"]);
    assert_eq!(bed.status("/checks/virtual_servers/0/sorry"), true);
    let first = bed.server("127.0.0.1:9001");
    bed.wait_for(&["127.0.0.1:9001 1"]);
    let table = bed.place.done(&["status"]);
    assert!(table.contains("LAST RESULT"), "{table}");
    drop(first);
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    for line in [
        "Gained quorum 1+0=1 <= 2 for VS [192.0.2.1]:tcp:80",
        "TCP_CHECK on service [127.0.0.1]:tcp:9001 failed after 1 retries.",
        "Removing service [127.0.0.1]:tcp:9001 from VS [192.0.2.1]:tcp:80",
        "Lost quorum 1-0=1 > 0 for VS [192.0.2.1]:tcp:80",
        "Adding sorry server [127.0.0.1]:tcp:9099 to VS [192.0.2.1]:tcp:80",
        "Adding service [127.0.0.1]:tcp:9001 to VS [192.0.2.1]:tcp:80",
        "Removing sorry server [127.0.0.1]:tcp:9099 from VS [192.0.2.1]:tcp:80",
        "Shutting down service",
    ] {
        assert!(log.contains(line), "no {line:?} in\n{log}");
    }
}

#[test]
fn root_the_virtual_servers_leave_with_the_daemon_and_those_of_others_stay() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(PAIR);
    let daemon = bed.daemon();
    bed.place.done(&["ipvsadm", "-A", "-t", "192.0.2.9:80"]);
    assert_eq!(daemon.terminate().0, Some(0));
    let _without = bed.place.daemon(&[]);
    let listing = bed.place.done(&["ipvsadm-save", "-n"]);
    assert_eq!(listing, "-A -t 192.0.2.9:80 -s wlc\n");
}

#[test]
fn root_a_daemon_after_a_crash_takes_its_virtual_servers_over() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(PAIR);
    bed.daemon().kill();
    let moved = PAIR.replace("192.0.2.1", "192.0.2.2");
    bed.write(&moved.replace("9002", "9003"));
    let _next = bed.daemon();
    // What the file has no longer is gone, though no daemon was told to end.
    let rules = bed.place.done(&["ipvsadm-save", "-n"]);
    assert!(!rules.contains("192.0.2.1:80"), "{rules}");
    assert_eq!(bed.real_servers(), ["127.0.0.1:9001 1", "127.0.0.1:9003 1"]);
}

#[test]
fn root_each_transition_is_one_event_of_the_stream() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(PAIR);
    let first = bed.server("127.0.0.1:9001");
    let _second = bed.server("127.0.0.1:9002");
    let _daemon = bed.daemon();
    wait_until("the first answers", || {
        bed.status("/checks/runs").as_u64() >= Some(2)
    });
    let mut reader = bed
        .place
        .command(&["events", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    // The stream has begun when the next thing that happens is in it.
    bed.place.done(&["reload"]);
    drop(first);
    let mut told = Vec::new();
    while told.is_empty() {
        let line = lines.next().unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        if event["kind"] == "real-server" {
            told.push(event);
        }
    }
    reader.kill().unwrap();
    reader.wait().unwrap();
    assert_eq!(
        told[0]["text"],
        "RS [127.0.0.1]:tcp:9001 [192.0.2.1]:tcp:80 DOWN"
    );
    assert_eq!(told[0]["up"], false);
}
