//! `keepalived` as a daemon: the background, pid files, signals, exit statuses.

use std::{fs, os::unix::fs::PermissionsExt};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    bed::Bed,
    support::{can_run, wait_until},
};

const ONE: &str = "\
virtual_server 192.0.2.1 80 {
 delay_loop 1
 lb_kind NAT
 protocol TCP
 real_server 127.0.0.1 9001 {
  TCP_CHECK {
  }
 }
}
vrrp_instance V {
 interface server
 virtual_router_id 7
 virtual_ipaddress {
  192.0.2.99
 }
}
";

fn alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

#[test]
fn root_keepalived_goes_into_the_background_and_answers_its_signals() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(ONE);
    let (parent, checkers) = (bed.other("k.pid", ""), bed.other("c.pid", ""));
    let output = bed
        .keepalived(&["-C", "-G", "-p", "k.pid", "-c", "c.pid"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    // It is there when the command returns.
    assert_eq!(bed.real_servers(), ["127.0.0.1:9001 1"]);
    let pid: i32 = fs::read_to_string(&parent).unwrap().trim().parse().unwrap();
    let _guard = Ended(pid);
    assert_eq!(fs::read_to_string(&checkers).unwrap(), format!("{pid}\n"));
    let signal = |signal| kill(Pid::from_raw(pid), signal).unwrap();
    signal(Signal::SIGUSR1);
    let data = bed.place.folder().join("keepalived.data");
    wait_until("the data", || data.exists());
    let text = fs::read_to_string(&data).unwrap();
    assert!(
        text.contains("Real server = [127.0.0.1]:tcp:9001"),
        "{text}"
    );
    bed.write(&ONE.replace(
        "real_server 127.0.0.1 9001 {",
        "real_server 127.0.0.1 9001 {\n weight 4",
    ));
    signal(Signal::SIGHUP);
    bed.wait_for(&["127.0.0.1:9001 4"]);
    let json = bed.place.folder().join("keepalived.json");
    let number = bed.keepalived(&["--signum=JSON"]).output().unwrap();
    let number = String::from_utf8(number.stdout).unwrap();
    assert!(
        bed.place
            .run("kill", &format!("-{} {pid}", number.trim()))
            .is_empty()
    );
    wait_until("the JSON", || json.exists());
    signal(Signal::SIGTERM);
    wait_until("its end", || !alive(pid) || !parent.exists());
    assert!(!checkers.exists());
}

#[test]
fn root_keepalived_dumps_its_virtual_routers_as_the_original_does() {
    if !can_run() {
        return;
    }
    // Quicker than version 2, in which it listens for four seconds before it claims.
    let bed = Bed::new(&ONE.replace(
        " virtual_router_id 7\n",
        " virtual_router_id 7\n version 3\n advert_int 0.1\n",
    ));
    let daemon = bed.foreground(&[]);
    let master = || {
        let told = bed.place.xvs(&["vrrp", "status", "--json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&told).unwrap_or_default();
        status["routers"][0]["state"] == "MASTER"
    };
    wait_until("the master", master);
    let number = bed.keepalived(&["--signum=JSON"]).output().unwrap();
    let number = String::from_utf8(number.stdout).unwrap();
    for signal in [number.trim(), "USR2", "USR1"] {
        bed.place
            .run("kill", &format!("-{signal} {}", daemon.pid()));
    }
    let read = |name: &str| {
        let path = bed.place.folder().join(name);
        wait_until(name, || path.exists());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        fs::read_to_string(path).unwrap()
    };
    let routers: serde_json::Value = serde_json::from_str(&read("keepalived.json")).unwrap();
    let router = &routers.as_array().unwrap()[0];
    assert_eq!(router["data"]["iname"], "V");
    assert_eq!(router["data"]["state"], 2);
    assert_eq!(
        router["data"]["vips"],
        serde_json::json!(["192.0.2.99 dev server scope global set"])
    );
    assert!(
        router["stats"]["advert_sent"].as_u64() > Some(0),
        "{router}"
    );
    let statistics = read("keepalived.stats");
    assert!(
        statistics.starts_with("VRRP Instance: V\n  Advertisements:\n    Received: 0\n"),
        "{statistics}"
    );
    let data = read("keepalived.data");
    assert!(data.contains("   State = MASTER\n"), "{data}");
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
}

#[test]
fn root_keepalived_in_the_foreground_says_what_operators_look_for() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(ONE);
    let mut daemon = bed.foreground(&["-C", "-d"]);
    wait_until("it runs", || bed.place.xvs(&["status"]).status.success());
    daemon.signal(Signal::SIGTERM);
    let (status, log) = daemon.wait();
    assert_eq!(status, Some(0), "{log}");
    for line in [
        "Starting Keepalived v2.2.7",
        "Opening file '",
        "Activating healthchecker for service [127.0.0.1]:tcp:9001 for VS [192.0.2.1]:tcp:80",
        "Startup complete",
        "------< LVS Topology >------",
        "Stopped Keepalived v2.2.7",
    ] {
        assert!(log.contains(line), "no {line:?} in\n{log}");
    }
}

#[test]
fn root_keepalived_ends_with_the_statuses_of_the_original() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(ONE);
    for (text, status) in [
        // config-runtime.json: a missing interface, a value that is missing, a file that is missing
        (ONE.replace("interface server", "interface none0"), 2),
        ("vrrp_instance V {\n priority\n}\n".to_owned(), 2),
    ] {
        bed.write(&text);
        for background in [false, true] {
            let more: &[&str] = if background { &[] } else { &["-n"] };
            let output = bed.keepalived(more).arg("-G").output().unwrap();
            assert_eq!(output.status.code(), Some(status), "{text}: {output:?}");
        }
    }
    fs::remove_file(bed.file()).unwrap();
    let output = bed.keepalived(&["-n", "-l"]).output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
}

/// A daemon in the background, killed with this.
struct Ended(i32);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone = kill(Pid::from_raw(self.0), Signal::SIGKILL);
    }
}
