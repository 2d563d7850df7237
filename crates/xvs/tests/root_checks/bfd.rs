//! BFD_CHECK: a real server lives as long as its session, with xvs and with keepalived at the other end.

use std::{fs, process::Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    bed::Bed,
    support::{Daemon, can_run, has, wait_until},
};

/// The first real server waits for the session, the second one is in from the start.
const OURS: &str = "\
bfd_instance peer {
 neighbor_ip 10.77.0.2
 source_ip 10.77.0.1
 min_rx 50
 min_tx 50
 multiplier 4
}
virtual_server 192.0.2.1 80 {
 lb_algo rr
 lb_kind NAT
 protocol TCP
 real_server 127.0.0.1 9001 {
  alpha
  BFD_CHECK {
   name peer
   alpha
  }
 }
 real_server 127.0.0.1 9002 {
  BFD_CHECK {
   name peer
  }
 }
 real_server 127.0.0.1 9003 {
 }
}
";

const THEIRS: &str = "\
bfd_instance ours {
 neighbor_ip 10.77.0.1
 source_ip 10.77.0.2
 min_rx 50
 min_tx 50
 multiplier 4
}
vrrp_instance V {
 state BACKUP
 interface to
 virtual_router_id 7
 track_bfd {
  ours
 }
 virtual_ipaddress {
  10.77.9.9
 }
}
";

/// Two hosts on a link, 10.77.0.1 and 10.77.0.2.
fn hosts() -> (Bed, Bed) {
    let (ours, theirs) = (Bed::new(OURS), Bed::new(THEIRS));
    let pid = theirs.place.pid();
    ours.place
        .ip(&format!("link add to type veth peer name to netns {pid}"));
    for (bed, number) in [(&ours, 1), (&theirs, 2)] {
        bed.place
            .ip(&format!("addr add 10.77.0.{number}/24 dev to"));
        bed.place.ip("link set to up");
    }
    (ours, theirs)
}

const ALL: [&str; 3] = ["127.0.0.1:9001 1", "127.0.0.1:9002 1", "127.0.0.1:9003 1"];

fn state(bed: &Bed) -> String {
    let state = bed.status("/checks/bfd_sessions/0/state");
    state.as_str().unwrap().to_owned()
}

#[test]
fn root_a_real_server_lives_with_its_session_to_another_xvs() {
    if !can_run() {
        return;
    }
    let (ours, theirs) = hosts();
    let daemon = ours.daemon();
    // The session was not up yet: only who waits for it is out.
    assert_eq!(ours.real_servers(), ALL[1..]);
    assert_eq!(state(&ours), "Down");
    let peer = theirs.daemon();
    ours.wait_for(&ALL);
    assert_eq!(state(&ours), "Up");
    // A reload leaves the session and what it said as they are.
    ours.write(&OURS.replace("min_tx 50", "min_tx 60"));
    ours.place.done(&["reload"]);
    assert_eq!(
        (state(&ours).as_str(), ours.real_servers()),
        ("Up", ALL.map(str::to_owned).to_vec())
    );
    // Without a goodbye.
    peer.kill();
    ours.wait_for(&ALL[2..]);
    let why = "/checks/virtual_servers/0/real_servers/0/checkers/0/last/failure";
    assert_eq!(
        ours.status(why),
        "the BFD session is down: the neighbour is silent"
    );
    let peer = theirs.daemon();
    ours.wait_for(&ALL);
    // With one: who stops on purpose takes its real servers along at once.
    assert_eq!(peer.terminate().0, Some(0));
    ours.wait_for(&ALL[2..]);
    assert_eq!(
        ours.status(why),
        "the BFD session is down: the neighbour's operator took it down"
    );
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    for line in [
        "BFD check of [peer] RS([127.0.0.1]:tcp:9001) is UP",
        "BFD check of [peer] RS([127.0.0.1]:tcp:9002) is DOWN",
        "Removing service [127.0.0.1]:tcp:9001 from VS [192.0.2.1]:tcp:80",
        "Adding service [127.0.0.1]:tcp:9002 to VS [192.0.2.1]:tcp:80",
    ] {
        assert!(log.contains(line), "no {line:?} in\n{log}");
    }
}

#[test]
fn root_a_virtual_router_is_in_fault_while_its_session_is_down() {
    if !can_run() {
        return;
    }
    let (ours, theirs) = hosts();
    let router = "vrrp_instance VI {\n interface to\n virtual_router_id 51\n version 3\n advert_int 0.1\n \
                  priority 150\n track_bfd {\n peer\n }\n virtual_ipaddress {\n 10.77.0.100/24\n }\n}\n";
    ours.write(&format!("{OURS}{router}"));
    let state = || {
        let text = ours.place.done(&["vrrp", "status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&text).unwrap();
        status["routers"][0]["state"].clone()
    };
    let daemon = ours.daemon();
    wait_until("the fault", || state() == "FAULT");
    let peer = theirs.daemon();
    wait_until("a master", || state() == "MASTER");
    peer.kill();
    wait_until("the fault again", || state() == "FAULT");
    assert!(!ours.place.ip("-o addr show").contains("10.77.0.100"));
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("BFD session `peer` is down"), "{log}");
}

#[test]
fn root_a_real_server_lives_with_its_session_to_keepalived() {
    if !can_run() || !has("keepalived") {
        return;
    }
    let (ours, theirs) = hosts();
    let _daemon = ours.daemon();
    let folder = theirs.folder("pids");
    let pid_file = |name: &str| folder.join(name);
    let mut keepalived = theirs.place.tool("keepalived");
    keepalived.args(["-n", "-l", "-G", "-f"]).arg(theirs.file());
    for (option, name) in [("-p", "k"), ("-r", "v"), ("-c", "c"), ("-b", "b")] {
        keepalived.arg(option).arg(pid_file(name));
    }
    let _peer = Daemon::spawn_in_silence(keepalived.stdout(Stdio::null()));
    ours.wait_for(&ALL);
    // Its process for BFD stands still, as if its host had gone.
    let read = |name| {
        let pid = fs::read_to_string(pid_file(name)).unwrap();
        Pid::from_raw(pid.trim().parse().unwrap())
    };
    let (bfd, vrrp) = (Killed(read("b")), Killed(read("v")));
    kill(bfd.0, Signal::SIGSTOP).unwrap();
    ours.wait_for(&ALL[2..]);
    kill(bfd.0, Signal::SIGCONT).unwrap();
    ours.wait_for(&ALL);
    wait_until("the session", || state(&ours) == "Up");
    drop(vrrp);
}

/// A process of keepalived, which outlives its parent.
struct Killed(Pid);

impl Drop for Killed {
    fn drop(&mut self) {
        let _gone = kill(self.0, Signal::SIGKILL);
    }
}
