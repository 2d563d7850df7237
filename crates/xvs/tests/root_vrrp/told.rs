//! Who is told of transitions, and what rests while this director is backup.

use std::{fs, net::TcpListener, thread, time::Duration};

use crate::{
    inside::{Inside, fast},
    support::{can_run, wait_until},
};

#[test]
fn root_each_transition_is_told_exactly_once_and_in_order() {
    if !can_run() {
        return;
    }
    let inside = Inside::new();
    let told = inside.folder.path().join("told");
    let script = inside.folder.path().join("notify");
    // The arguments of each call, a line each.
    fs::write(
        &script,
        format!("#!/bin/sh\necho \"$*\" >> {}\n", told.display()),
    )
    .unwrap();
    make_executable(&script);
    let script = script.display();
    let lines = format!(
        "notify {script}\n notify_master \"{script} master\"\n notify_backup \"{script} backup\"\n \
         notify_stop \"{script} stop\"\n notify_fault \"{script} fault\""
    );
    let global = "global_defs {\n script_user root\n}\n";
    let daemon = inside.daemon(&format!("{global}{}", fast(150, &lines)));
    inside.wait_for_state("MASTER");
    // Handed over to nobody: it is backup, and master again when nobody took over.
    inside.place.done(&["vrrp", "failover", "VI"]);
    wait_until("the second time", || {
        inside.router()["counters"]["became_master"] == 2
    });
    inside.place.ip("link set server down");
    inside.wait_for_state("FAULT");
    inside.place.ip("link set server up");
    wait_until("the third time", || {
        inside.router()["counters"]["became_master"] == 3
    });
    assert_eq!(daemon.terminate().0, Some(0));
    let told = fs::read_to_string(told).unwrap();
    let told: Vec<&str> = told.lines().collect();
    let states = [
        "BACKUP", "MASTER", "BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER", "STOP",
    ];
    let expected: Vec<String> = states
        .iter()
        .flat_map(|state| [state.to_lowercase(), format!("INSTANCE VI {state} 150")])
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn root_checks_with_ha_suspend_rest_while_this_director_is_backup() {
    if !can_run() {
        return;
    }
    let inside = Inside::new();
    let server = listen(&inside);
    let checks = "virtual_server 10.99.0.100 80 {\n delay_loop 0.1\n lb_kind NAT\n protocol TCP\n \
                  ha_suspend\n real_server 127.0.0.1 9001 {\n TCP_CHECK {\n }\n }\n}\n";
    // Nobody preempts an interface that is in fault.
    inside.place.ip("link set server down");
    let _daemon = inside.daemon(&format!("{}{checks}", fast(150, "")));
    inside.wait_for_state("FAULT");
    let state = || {
        let status = inside.place.status();
        status["checks"]["virtual_servers"][0]["real_servers"][0]["checkers"][0]["state"].clone()
    };
    assert!(!inside.has_vip());
    wait_until("a rest", || state() == "suspended");
    inside.place.ip("link set server up");
    inside.wait_for_state("MASTER");
    wait_until("checks", || state() != "suspended");
    inside.place.ip("link set server down");
    wait_until("a rest again", || state() == "suspended");
    drop(server);
}

#[test]
fn root_the_threads_of_vrrp_are_real_time_and_memory_is_locked() {
    if !can_run() {
        return;
    }
    let inside = Inside::new();
    let daemon = inside.daemon(&fast(150, ""));
    inside.wait_for_state("MASTER");
    let process = format!("/proc/{}", daemon.pid());
    let mut scheduled = Vec::new();
    for task in fs::read_dir(format!("{process}/task")).unwrap().flatten() {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap();
        let (name, rest) = stat.rsplit_once(") ").unwrap();
        let (_pid, name) = name.split_once('(').unwrap();
        let fields: Vec<&str> = rest.split(' ').collect();
        // Fields 40 and 41 of proc_pid_stat(5): real-time priority and policy; 2 is round robin.
        if name.starts_with("vrrp") {
            scheduled.push((
                name.to_owned(),
                fields[37].to_owned(),
                fields[38].to_owned(),
            ));
        } else {
            assert_eq!(fields[38], "0", "{name}");
        }
    }
    scheduled.sort();
    let expected = [("vrrp", "50", "2"), ("vrrp-holder", "49", "2")]
        .map(|(name, priority, policy)| (name.to_owned(), priority.to_owned(), policy.to_owned()));
    assert_eq!(scheduled, expected);
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let locked = status
        .lines()
        .find(|line| line.starts_with("VmLck"))
        .unwrap();
    let kibibytes: u64 = locked.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kibibytes > 1_000, "{locked}");
    // The counter of late adverts and the latest one are told.
    let counters = inside.router()["counters"].clone();
    assert!(counters["late_adverts"].is_u64(), "{counters}");
    assert!(counters["greatest_lateness_us"].is_u64(), "{counters}");
}

#[test]
fn root_a_virtual_router_listens_before_it_claims_and_the_owner_does_not() {
    if !can_run() {
        return;
    }
    for (priority, listens) in [(254, true), (255, false)] {
        let inside = Inside::new();
        let state = fast(priority, "").replace("state BACKUP", "state MASTER");
        let _daemon = inside.daemon(&state.replace("advert_int 0.1", "advert_int 1"));
        thread::sleep(Duration::from_millis(500));
        assert_eq!(!inside.has_vip(), listens, "{priority}");
        inside.wait_for_state("MASTER");
    }
}

/// A real server inside.
fn listen(inside: &Inside) -> TcpListener {
    let namespace = fs::File::open(format!("/proc/{}/ns/net", inside.place.pid())).unwrap();
    let listening = thread::spawn(move || {
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        TcpListener::bind("127.0.0.1:9001").unwrap()
    });
    listening.join().unwrap()
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
