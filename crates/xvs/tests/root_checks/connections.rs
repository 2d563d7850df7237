//! Where a check connects to and from where, and what the status tells of it.

use crate::{
    bed::Bed,
    support::{can_run, wait_until},
};

/// A real server each, whose check has these lines.
fn servers(checks: &[(u16, &str)]) -> String {
    let servers: String = checks
        .iter()
        .map(|(port, lines)| {
            format!(
                " real_server 127.0.0.1 {port} {{\n  TCP_CHECK {{\n   connect_timeout 1\n   {lines}\n  }}\n }}\n"
            )
        })
        .collect();
    format!(
        "virtual_server 192.0.2.1 80 {{\n delay_loop 1\n delay_before_retry 0.1\n retry 1\n alpha\n \
         lb_kind NAT\n protocol TCP\n{servers}}}\n"
    )
}

#[test]
fn root_a_check_goes_where_it_is_told_from_where_it_is_told_and_with_its_mark() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(&servers(&[
        (9001, "connect_ip 127.0.0.2\n connect_port 9101"),
        (9002, "bindto 127.0.0.7\n bind_port 5555"),
        (9003, "fwmark 9"),
        (9004, ""),
        (9005, "bind_if lo"),
        (9006, "bind_if client"),
    ]));
    // Nothing listens at the real server's own port.
    let _elsewhere = bed.server("127.0.0.2:9101");
    let _servers =
        [9002, 9003, 9004, 9005, 9006].map(|port| bed.server(&format!("127.0.0.1:{port}")));
    // The rule for local addresses comes first where nobody moves it.
    bed.place.ip("rule add pref 10 lookup local");
    bed.place.ip("rule del pref 0");
    for rule in [
        // 9002 answers whom it should alone.
        "rule add from 127.0.0.7 to 127.0.0.1 ipproto tcp sport 5555 dport 9002 pref 5 lookup local",
        "rule add to 127.0.0.1 ipproto tcp dport 9002 pref 6 unreachable",
        // What has the mark goes nowhere.
        "rule add fwmark 9 pref 7 unreachable",
    ] {
        bed.place.ip(rule);
    }
    let daemon = bed.daemon();
    bed.wait_for(&[
        "127.0.0.1:9001 1",
        "127.0.0.1:9002 1",
        "127.0.0.1:9004 1",
        "127.0.0.1:9005 1",
    ]);
    let checker = |server: usize| {
        bed.status(&format!(
            "/checks/virtual_servers/0/real_servers/{server}/checkers/0"
        ))
    };
    wait_until("a result of each", || {
        (0..6).all(|server| checker(server)["last"].is_object())
    });
    let marked = checker(2);
    assert_eq!(marked["up"], false, "{marked}");
    let failure = marked["last"]["failure"].as_str().unwrap().to_owned();
    assert!(!failure.is_empty());
    let plain = checker(3);
    assert_eq!(plain["up"], true);
    assert!(plain["last"]["failure"].is_null(), "{plain}");
    assert!(plain["last"]["latency_us"].as_u64().unwrap() > 0, "{plain}");
    assert!(plain["last"]["ago_ms"].is_u64(), "{plain}");
    wait_until("it to wait for its next run", || {
        let next = checker(3)["next_run_ms"].as_u64();
        next.is_some_and(|next| next <= 1_000)
    });
    // And for people.
    let told = bed.place.done(&["status"]);
    assert!(told.contains(&failure), "{told}");
    drop(daemon);
}

#[test]
fn root_a_daemon_that_is_given_programs_too_late_says_what_does_not_work_and_why() {
    if !can_run() {
        return;
    }
    let lines = "virtual_server 192.0.2.1 80 {\n lb_kind NAT\n protocol TCP\n quorum_up \"/bin/true now\" \
                 nobody\n real_server 127.0.0.1 9001 {\n }\n}\n";
    let bed = Bed::new(lines);
    let file = bed.file();
    let file = file.to_str().unwrap();
    let late = bed.place.daemon(&[]);
    let told = bed.place.done(&["apply", file]);
    for part in [
        "warning: programs cannot run as another user",
        "as nobody",
        "started without a configuration",
        "CAP_SETUID",
        "xvs run -f FILE",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    let kept = bed.status("/configuration/warnings").to_string();
    assert!(kept.contains("started without a configuration"), "{kept}");
    let (_, log) = late.terminate();
    assert!(log.contains("started without a configuration"), "{log}");
    // The same file from the start is no trouble.
    let daemon = bed.daemon();
    let warnings = bed.status("/configuration/warnings").to_string();
    assert!(!warnings.contains("programs"), "{warnings}");
    let told = bed.place.done(&["apply", file]);
    assert!(!told.contains("programs"), "{told}");
    drop(daemon);
}
