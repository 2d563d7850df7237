//! The whole daemon with a simulated dataplane, driven by the command line, in network namespaces.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt};

use support::{Place, can_run, wait_until};

#[test]
fn root_rules_go_in_and_come_out_by_every_face() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let _daemon = place.daemon(&[]);
    place.done(&["ipvsadm", "-A", "-t", "192.0.2.1:80", "-s", "rr"]);
    place.done(&[
        "ipvsadm",
        "-a",
        "-t",
        "192.0.2.1:80",
        "-r",
        "10.0.0.1",
        "-m",
    ]);
    place.done(&[
        "vs",
        "add",
        "udp/192.0.2.1:53",
        "-s",
        "wrr",
        "--persistent",
        "60",
    ]);
    place.done(&[
        "rs",
        "add",
        "udp/192.0.2.1:53",
        "10.0.0.2",
        "-m",
        "dr",
        "-w",
        "3",
    ]);
    assert_eq!(
        place.done(&["ipvsadm", "-Ln"]),
        "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.0.2.1:80 rr
  -> 10.0.0.1:80                  Masq    1      0          0         
UDP  192.0.2.1:53 wrr persistent 60
  -> 10.0.0.2:53                  Route   3      0          0         
"
    );
    assert_eq!(
        place.done(&["rs", "list"]),
        "\
VIRTUAL SERVER    REAL SERVER  METHOD  WEIGHT  ACTIVE  INACTIVE  CONNECTIONS  IN  OUT
tcp/192.0.2.1:80  10.0.0.1:80  nat          1       0         0            0   0    0
udp/192.0.2.1:53  10.0.0.2:53  dr           3       0         0            0   0    0
"
    );
    place.done(&["rs", "edit", "udp/192.0.2.1:53", "10.0.0.2", "-w", "0"]);
    place.done(&["vs", "edit", "192.0.2.1:80", "-s", "lc"]);
    // Without packets there is nothing to wait for.
    assert_eq!(
        place.done(&["rs", "drain", "udp/192.0.2.1:53", "10.0.0.2"]),
        "10.0.0.2:53 is empty after 0 s\n"
    );
    let json = place.done(&["rs", "drain", "192.0.2.1:80", "10.0.0.1", "--json"]);
    let outcome: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(outcome["drained"], true);
    assert_eq!(
        place.refused(&["rs", "drain", "192.0.2.1:80", "10.0.0.9"]),
        "xvs: no real server `10.0.0.9:80`\n"
    );
    assert_eq!(
        place.done(&["ipvsadm-save", "-n"]),
        "\
-A -t 192.0.2.1:80 -s lc
-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 0
-A -u 192.0.2.1:53 -s wrr -p 60
-a -u 192.0.2.1:53 -r 10.0.0.2:53 -g -w 0
"
    );
    assert_eq!(
        place.refused(&["vs", "add", "192.0.2.1:80"]),
        "xvs: virtual server `TCP 192.0.2.1:80` exists already\n"
    );
    assert_eq!(
        place.refused(&["rs", "edit", "192.0.2.1:80", "10.0.0.9", "-w", "1"]),
        "xvs: no real server `10.0.0.9:80`\n"
    );
    place.done(&["vs", "del", "192.0.2.1:80"]);
    place.done(&["ipvsadm", "-C"]);
    assert_eq!(place.done(&["vs", "list", "--json"]), "[]\n");
}

#[test]
fn root_a_killed_daemon_loses_no_rule_and_its_place_is_taken() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let daemon = place.daemon(&[]);
    place.done(&["vs", "add", "192.0.2.1:80", "--laddr", "172.24.101.135"]);
    place.done(&["rs", "add", "192.0.2.1:80", "10.0.0.1", "-m", "fullnat"]);
    place.done(&["hook", "set", "tcx"]);
    let before = place.done(&["ipvsadm", "-Ln"]);
    daemon.kill();
    assert!(place.refused(&["status"]).contains("no xvs daemon listens"));
    let _next = place.daemon(&[]);
    assert_eq!(place.done(&["ipvsadm", "-Ln"]), before);
    assert_eq!(place.status()["hook"], "tcx");
    assert_eq!(place.status()["added_addresses"][0], "172.24.101.135");
    // The next one knows what the last one added, and takes it away with its virtual server.
    place.done(&["vs", "del", "192.0.2.1:80"]);
    assert!(!place.ip("addr show").contains("172.24.101.135"));
}

#[test]
fn root_a_second_daemon_is_refused_with_the_pid_of_the_first() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let first = place.daemon(&[]);
    let second = place.refused_daemon(&[]);
    assert_eq!(second.status.code(), Some(1));
    let message = String::from_utf8(second.stderr).unwrap();
    assert_eq!(
        message,
        format!(
            "xvs: instance `default` is run by another daemon, process {}; stop that one, or choose another name with `--instance`\n",
            first.pid()
        )
    );
    assert_eq!(place.status()["pid"], first.pid());
}

#[test]
fn root_a_clean_stop_takes_away_what_was_added() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let daemon = place.daemon(&[]);
    place.done(&["vs", "add", "192.0.2.1:80", "--laddr", "172.24.101.135"]);
    assert!(!place.ip("addr show").contains("172.24.101.135"));
    place.done(&["rs", "add", "192.0.2.1:80", "10.0.0.1", "-m", "fullnat"]);
    // On the link that leads to the real server.
    assert!(
        place
            .ip("addr show dev server")
            .contains("172.24.101.135/32")
    );
    // And a setting by which the kernel finds a real server that moved.
    let setting = "/proc/sys/net/ipv4/neigh/server/mcast_resolicit";
    assert_eq!(place.run("cat", setting), "3\n");
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    assert!(!place.ip("addr show").contains("172.24.101.135"), "{log}");
    assert_eq!(place.run("cat", setting), "0\n", "{log}");
    assert!(!place.folder().join("control.sock").exists());

    // With --keep the datapath goes on, so its address stays.
    let mut daemon = place.daemon(&["--keep"]);
    assert!(
        place
            .ip("addr show dev server")
            .contains("172.24.101.135/32")
    );
    place.done(&["stop"]);
    assert_eq!(daemon.wait().0, Some(0));
    assert!(
        place
            .ip("addr show dev server")
            .contains("172.24.101.135/32")
    );
}

#[test]
fn root_what_cannot_be_is_refused_before_anything_is_changed() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    for (arguments, message) in [
        (
            &["--interface", "eth7"][..],
            "xvs: no interface `eth7`; there are lo server client",
        ),
        (
            &["--interface", "lo"],
            "xvs: `lo` cannot carry the datapath: it is the loopback device",
        ),
        (&["--netns", "no-such-place"], "no-such-place"),
        (
            &["--restore", "/nonexistent/rules"],
            "cannot read `/nonexistent/rules`",
        ),
    ] {
        let output = place.refused_daemon(arguments);
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(message), "{log}");
        assert!(!place.folder().join("control.sock").exists());
    }
    fs::write(place.folder().join("state.json"), "{").unwrap();
    let output = place.refused_daemon(&[]);
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("move it away to start without rules"), "{log}");
    assert_eq!(
        fs::read_to_string(place.folder().join("state.json")).unwrap(),
        "{"
    );
}

#[test]
fn root_links_follow_rules_and_settings() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let _daemon = place.daemon(&[]);
    let names = || -> Vec<String> {
        let status = place.status();
        let links = status["links"].as_array().unwrap();
        let mut names: Vec<String> = links
            .iter()
            .map(|link| format!("{}:{}", link["name"], link["hook"]).replace('"', ""))
            .filter(|link| link != "lo:tcx")
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), Vec::<String>::new());
    place.done(&["vs", "add", "192.0.2.1:80"]);
    assert_eq!(names(), ["client:tcx", "server:tcx"]);
    place.done(&["hook", "set", "xdp"]);
    assert_eq!(names(), ["client:xdp", "server:xdp"]);
    place.done(&["interface", "add", "client"]);
    assert_eq!(names(), ["client:xdp"]);
    assert!(
        place
            .refused(&["interface", "add", "eth7"])
            .contains("no interface `eth7`")
    );
    assert_eq!(place.done(&["interface", "list"]), "client\n");
    place.done(&["interface", "auto"]);
    // A link that comes later carries the datapath when it has an address.
    place.ip("link add late type veth peer name other");
    place.ip("addr add 198.51.100.1/24 dev late");
    place.ip("link set late up");
    wait_until("the new link", || names().contains(&"late:xdp".to_owned()));
    place.ip("link del late");
    wait_until("its end", || names().len() == 2);
}

#[test]
fn root_routes_and_neighbours_are_followed() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let host = Place::new();
    let _daemon = place.daemon(&[]);
    place.done(&["vs", "add", "192.0.2.1:80"]);
    place.done(&["rs", "add", "192.0.2.1:80", "10.0.0.1", "-m", "nat"]);
    place.done(&["rs", "add", "192.0.2.1:80", "203.0.113.9", "-m", "nat"]);
    let warnings = || place.status()["warnings"].to_string();
    assert!(warnings().contains("no route leads to real server `203.0.113.9`"));
    assert!(warnings().contains("`10.0.0.1` does not answer on `server`"));
    // The real server comes up: the other end of the link moves to a host of its own.
    place.ip("link add far type veth peer name near");
    place.ip(&format!("link set far netns {}", host.pid()));
    place.ip("addr del 10.0.0.254/24 dev server");
    place.ip("addr add 10.0.0.254/24 dev near");
    place.ip("link set near up");
    // Its namespace was made with the same addresses as the daemon's.
    host.ip("addr flush dev server");
    host.ip("addr add 10.0.0.1/24 dev far");
    host.ip("link set far up");
    place.ip("route add 203.0.113.0/24 via 10.0.0.1");
    wait_until("the neighbour and the route", || warnings() == "[]");
    assert!(place.ip("neigh show dev near").contains("managed"));
    place.ip("route del 203.0.113.0/24");
    wait_until("the route to be missed", || {
        warnings().contains("no route leads to real server `203.0.113.9`")
    });
}

#[test]
fn root_the_socket_is_for_root_and_the_daemon_keeps_little() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let daemon = place.daemon(&[]);
    let socket = fs::metadata(place.folder().join("control.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o007, 0);
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = |name: &str| {
        let found = status.lines().find(|line| line.starts_with(name)).unwrap();
        found.split_whitespace().nth(1).unwrap().to_owned()
    };
    // CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_IPC_LOCK 14, CAP_SYS_NICE 23, CAP_PERFMON 38, CAP_BPF 39.
    let kept = format!("{:016x}", (7_u64 << 12) | (1_u64 << 23) | (3_u64 << 38));
    assert_eq!(line("CapPrm:"), kept);
    assert_eq!(line("CapBnd:"), kept);
    assert_eq!(line("NoNewPrivs:"), "1");
}

#[test]
fn root_saved_rules_are_restored_after_a_boot_and_not_after_a_restart() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let file = place.runtime.path().join("rules");
    let rules = "-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1\n";
    fs::write(&file, rules).unwrap();
    let arguments = ["--restore", file.to_str().unwrap()];
    let daemon = place.daemon(&arguments);
    wait_until("the rules", || place.done(&["ipvsadm-save", "-n"]) == rules);
    place.done(&["rs", "del", "192.0.2.1:80", "10.0.0.1"]);
    daemon.kill();
    let _next = place.daemon(&arguments);
    assert_eq!(
        place.done(&["ipvsadm-save", "-n"]),
        "-A -t 192.0.2.1:80 -s rr\n"
    );
}

#[test]
fn root_a_filter_rule_on_a_vip_is_named_in_the_status() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    if !place.has("nft") {
        return;
    }
    place.run("nft", "add table inet guard");
    place.run(
        "nft",
        "add chain inet guard in { type filter hook input priority 0 ; }",
    );
    place.run(
        "nft",
        "add rule inet guard in ip daddr 192.0.2.1 tcp dport 80 drop",
    );
    let daemon = place.daemon(&[]);
    place.done(&["vs", "add", "192.0.2.1:80"]);
    let warnings = || place.status()["warnings"].to_string();
    wait_until("the warning", || {
        warnings().contains("table `inet guard`, chain `in`: ")
    });
    place.done(&["vs", "del", "192.0.2.1:80"]);
    wait_until("its end", || !warnings().contains("inet guard"));
    let (_status, log) = daemon.terminate();
    let told = log
        .matches("a filter rule no longer sees balanced packets")
        .count();
    assert_eq!(told, 1, "{log}");
}

#[test]
fn root_a_plan_says_what_a_file_would_change() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let _daemon = place.daemon(&[]);
    place.done(&["vs", "add", "192.0.2.1:80", "-s", "rr"]);
    place.done(&["rs", "add", "192.0.2.1:80", "10.0.0.1", "-m", "nat"]);
    let file = place.runtime.path().join("keepalived.conf");
    let file = file.to_str().unwrap();
    let text = "virtual_server 192.0.2.1 80 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n real_server 10.0.0.1 80 {\n }\n}\n";
    fs::write(file, text).unwrap();
    assert_eq!(
        place.done(&["plan", file]),
        format!("{file}: all is as this file has it\n")
    );
    fs::write(file, text.replace("10.0.0.1", "10.0.0.2")).unwrap();
    assert_eq!(
        place.done(&["plan", file]),
        "\
+ tcp/192.0.2.1:80 real server 10.0.0.2:80 nat weight 1
- tcp/192.0.2.1:80 real server 10.0.0.1:80
"
    );
    let plan: serde_json::Value =
        serde_json::from_str(&place.done(&["plan", file, "--json"])).unwrap();
    assert_eq!(plan["changes"].as_array().unwrap().len(), 2);
    assert!(plan["changes"][0]["op"]["add_real_server"].is_object());
}

#[test]
fn root_the_api_on_tcp_reads_for_all_and_writes_for_who_has_the_token() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    if !place.has("curl") {
        return;
    }
    let token = place.runtime.path().join("token");
    fs::write(&token, "a-secret-that-is-long-enough\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let path = token.to_str().unwrap();
    let arguments = ["--listen", "127.0.0.1:7070", "--token-file", path];
    let refused = place.refused_daemon(&arguments);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("has mode 0644"), "{message}");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let _daemon = place.daemon(&arguments);
    let status = |arguments: &str| {
        let format = "-s -o /dev/null -w %{http_code}";
        place.run(
            "curl",
            &format!("{format} {arguments} http://127.0.0.1:7070/v1/ops"),
        )
    };
    let body = "--data {\"ops\":[\"flush\"]}";
    assert_eq!(
        place.run("curl", "-s http://127.0.0.1:7070/v1/virtual-servers"),
        "[]"
    );
    assert_eq!(status(body), "403");
    let with = |token: &str| format!("{body} --oauth2-bearer {token}");
    assert_eq!(status(&with("a-secret-that-is-long-enougH")), "403");
    assert_eq!(status(&with("a-secret-that-is-long-enough")), "200");
    // A page that had its own name point here.
    assert_eq!(
        status(&format!(
            "{} -H Host:rebound.example:7070",
            with("a-secret-that-is-long-enough")
        )),
        "403"
    );
}
