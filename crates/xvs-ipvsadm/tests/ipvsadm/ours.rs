//! What goes beyond ipvsadm, and quirks that no recording shows.

use std::net::IpAddr;

use xvs_ipvsadm::{BackendError, NumericNames};
use xvs_types::{ForwardingMethod, Thresholds, VirtualServerId};

use crate::support::{Answer, Files, Host, call};

fn ask(host: &mut Host, line: &str) -> Answer {
    let argv: Vec<&str> = line.split(' ').collect();
    call(host, &Files::new(), &argv, "")
}

fn done(host: &mut Host, line: &str) -> String {
    let answer = ask(host, line);
    assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "`{line}`");
    answer.stdout
}

fn refused(host: &mut Host, line: &str) -> (u8, String) {
    let answer = ask(host, line);
    assert_eq!(answer.stdout, "", "`{line}`");
    (answer.status, answer.stderr)
}

fn vip(port: u16) -> VirtualServerId {
    VirtualServerId::tcp(format!("10.9.0.1:{port}").parse().unwrap())
}

#[test]
fn fullnat_has_local_addresses_and_survives_save_and_restore() {
    let mut host = Host::new();
    done(
        &mut host,
        "ipvsadm -A -t 10.9.0.1:80 -s rr --laddr 10.9.0.7 --laddr=10.9.0.8 --anywhere",
    );
    done(
        &mut host,
        "ipvsadm -a -t 10.9.0.1:80 -r 10.9.1.1:8000 --fullnat -w 2",
    );
    let (virtual_server, real_servers) = host.rules.rule(&vip(80)).unwrap().clone();
    let local: Vec<IpAddr> = ["10.9.0.7", "10.9.0.8"]
        .map(|a| a.parse().unwrap())
        .to_vec();
    assert_eq!(virtual_server.local_addresses, local);
    assert!(virtual_server.anywhere);
    assert_eq!(real_servers[0].method, ForwardingMethod::FullNat);
    assert_eq!(real_servers[0].endpoint.port, 8000);
    let saved = done(&mut host, "ipvsadm -Sn");
    assert_eq!(
        saved,
        "-A -t 10.9.0.1:80 -s rr --laddr 10.9.0.7 --laddr 10.9.0.8 --anywhere\n\
         -a -t 10.9.0.1:80 -r 10.9.1.1:8000 --fullnat -w 2\n"
    );
    let mut other = Host::new();
    call(&mut other, &NumericNames, &["ipvsadm", "-R"], &saved);
    assert_eq!(other.rules, host.rules);
    assert!(
        done(&mut host, "ipvsadm -Ln").contains("  -> 10.9.1.1:8000                FullNat 2 ")
    );
}

#[test]
fn an_edit_without_local_addresses_takes_them_away() {
    let mut host = Host::new();
    done(
        &mut host,
        "ipvsadm -A -t [2001:db8::1]:80 --laddr [2001:db8::7] --laddr 2001:db8::8",
    );
    assert_eq!(host.rules.rules()[0].0.local_addresses.len(), 2);
    done(&mut host, "ipvsadm -E -t [2001:db8::1]:80");
    assert_eq!(host.rules.rules()[0].0.local_addresses.len(), 0);
}

#[test]
fn our_options_are_refused_where_they_have_no_meaning() {
    let mut host = Host::new();
    for (line, message) in [
        (
            "ipvsadm -a -t 10.9.0.1:80 -r 10.9.1.1 --laddr 10.9.0.7",
            "Illegal 'laddr' option with the 'add-server' command\n",
        ),
        (
            "ipvsadm -A -t 10.9.0.1:80 --json",
            "Illegal 'json' option with the 'add-service' command\n",
        ),
        (
            "ipvsadm -a -t 10.9.0.1:80 -r 10.9.1.1 -m --fullnat",
            "multiple 'forwarding-method' options specified\n",
        ),
        (
            "ipvsadm -A -t 10.9.0.1:80 --laddr 10.9.0.7:80",
            "illegal local address `10.9.0.7:80' specified\n",
        ),
        (
            "ipvsadm -L --atomic",
            "Illegal 'atomic' option with the 'list' command\n",
        ),
    ] {
        assert_eq!(refused(&mut host, line), (2, message.to_owned()), "{line}");
    }
    let (status, message) = refused(&mut host, "ipvsadm -A -t 10.9.0.1:80 --laddr 2001:db8::1");
    assert_eq!(status, 255);
    assert!(message.contains("another address family"), "{message}");
}

#[test]
fn the_instance_may_stand_anywhere_and_alone() {
    for line in [
        "ipvsadm --instance blue",
        "ipvsadm --instance=blue -Ln",
        "ipvsadm -L --instance blue -n",
        "ipvsadm-save --instance blue -n",
        "ipvsadm-restore --instance blue",
    ] {
        let mut host = Host::new();
        done(&mut host, line);
        assert_eq!(host.instance.as_deref(), Some("blue"), "{line}");
    }
    // Here it is the value of another switch.
    let mut host = Host::new();
    ask(&mut host, "ipvsadm -A -t --instance -s rr");
    assert_eq!(host.instance, None);
    let answer = call(
        &mut host,
        &NumericNames,
        &["ipvsadm", "-R"],
        "-L --instance x\n",
    );
    assert_eq!(answer.status, 2);
}

#[test]
fn every_listing_comes_as_json() {
    let mut host = Host::new();
    done(&mut host, "ipvsadm -A -t 10.9.0.1:81 -s rr");
    done(&mut host, "ipvsadm -A -t 10.9.0.1:80 -s wrr -p 60");
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let all = parse(&done(&mut host, "ipvsadm -L --json"));
    assert_eq!(all[0]["config"]["scheduler"], "wrr");
    assert_eq!(all[1]["config"]["id"]["address"]["endpoint"]["port"], 81);
    let one = parse(&done(&mut host, "ipvsadm -L -t 10.9.0.1:81 --json"));
    assert_eq!(one.as_array().unwrap().len(), 1);
    let timeouts = parse(&done(&mut host, "ipvsadm -L --timeout --json"));
    assert_eq!(timeouts["tcp"]["secs"], 900);
    assert_eq!(
        parse(&done(&mut host, "ipvsadm -L --daemon --json")),
        parse("[]")
    );
    assert_eq!(parse(&done(&mut host, "ipvsadm -L -c --json")), parse("[]"));
}

#[test]
fn a_full_save_keeps_what_ipvsadm_loses() {
    let mut host = Host::new();
    done(&mut host, "ipvsadm -A -f 4294967295 -s sh -b flag-3");
    done(
        &mut host,
        "ipvsadm -a -f 4294967295 -r 10.9.1.1 -m -x 10 -y 5",
    );
    assert_eq!(
        done(&mut host, "ipvsadm -Sn"),
        "-A -f -1 -s sh -b \n-a -f -1 -r 10.9.1.1:0 -m -w 1\n"
    );
    let full = done(&mut host, "ipvsadm -Sn --full-save");
    assert_eq!(
        full,
        "-A -f 4294967295 -s sh -b flag-3\n-a -f 4294967295 -r 10.9.1.1:0 -m -w 1 -x 10 -y 5\n"
    );
    assert_eq!(done(&mut host, "ipvsadm-save -n --full-save"), full);
    let mut other = Host::new();
    call(&mut other, &NumericNames, &["ipvsadm", "-R"], &full);
    assert_eq!(other.rules, host.rules);
    assert_eq!(
        other.rules.rules()[0].1[0].thresholds,
        Thresholds {
            upper: 10,
            lower: 5
        }
    );
}

#[test]
fn an_atomic_restore_changes_all_or_nothing_and_names_the_line() {
    let mut host = Host::new();
    done(&mut host, "ipvsadm -A -t 10.9.0.1:80");
    let before = host.rules.clone();
    for (text, status, message) in [
        (
            "-A -t 10.9.0.1:81\n\n-A -t 10.9.0.1:80\n",
            255,
            "line 3: Service already exists; nothing was changed\n",
        ),
        (
            "-A -t 10.9.0.1:81\n-A -t 10.9.0.1:82 -s bogus\n",
            255,
            "line 2: Scheduler or persistence engine not found; nothing was changed\n",
        ),
        (
            "-A -t 10.9.0.1:81\n-A -t 10.9.0.1:82 -q\n",
            255,
            "line 2: -q: unknown option; nothing was changed\n",
        ),
        (
            "-A -t 10.9.0.1:81\n-A\n",
            2,
            "line 2: You need to supply the 'service-address' option for the 'add-service' command; nothing was changed\n",
        ),
        (
            "-A -t 10.9.0.1:81\n-L\n",
            2,
            "line 2: only commands that change rules can stand in an atomic restore; nothing was changed\n",
        ),
    ] {
        let answer = call(
            &mut host,
            &NumericNames,
            &["ipvsadm", "-R", "--atomic"],
            text,
        );
        assert_eq!((answer.status, answer.stderr.as_str()), (status, message));
        assert_eq!(host.rules, before);
    }
    let text = "-A -t 10.9.0.1:81\n--set 1 0 0\n--set 0 2 0\n-D -t 10.9.0.1:80\n";
    let answer = call(
        &mut host,
        &NumericNames,
        &["ipvsadm", "-R", "--atomic"],
        text,
    );
    assert_eq!(answer.status, 0);
    assert_eq!(host.rules.rules().len(), 1);
    assert_eq!(
        done(&mut host, "ipvsadm -L --timeout"),
        "Timeout (tcp tcpfin udp): 1 2 300\n"
    );
}

#[test]
fn an_atomic_ipvsadm_restore_keeps_the_old_rules_when_the_new_ones_are_wrong() {
    let mut host = Host::new();
    done(&mut host, "ipvsadm -A -t 10.9.0.1:80");
    let restore = ["ipvsadm-restore", "--atomic"];
    let answer = call(
        &mut host,
        &NumericNames,
        &restore,
        "# comment\n-A -t 10.9.0.1:0\n",
    );
    assert_eq!(answer.status, 2);
    assert!(answer.stderr.starts_with("line 2: Zero port"), "{answer:?}");
    assert!(host.rules.rule(&vip(80)).is_some());
    let answer = call(
        &mut host,
        &NumericNames,
        &restore,
        "# comment\n-A -t 10.9.0.1:81\n",
    );
    assert_eq!(answer.status, 0);
    assert_eq!(host.rules.rules().len(), 1);
    assert!(host.rules.rule(&vip(81)).is_some());
}

#[test]
fn without_a_daemon_one_line_says_so_and_help_still_helps() {
    let mut host = Host::new();
    let reason = "no daemon answers; start it with `xvs run`";
    host.open = Err(BackendError::Unavailable {
        reason: reason.to_owned(),
    });
    for line in [
        "ipvsadm",
        "ipvsadm -C",
        "ipvsadm -Sn",
        "ipvsadm-save",
        "ipvsadm-restore",
        "ipvsadm --set 1 0 0",
    ] {
        assert_eq!(
            refused(&mut host, line),
            (2, format!("{reason}\n")),
            "{line}"
        );
    }
    assert!(done(&mut host, "ipvsadm -h").contains("Usage:\n  ipvsadm -A|E"));
    let answer = call(
        &mut host,
        &NumericNames,
        &["ipvsadm", "-R"],
        "-A -t 1.2.3.4:5\n-C\n",
    );
    assert_eq!((answer.status, answer.stderr), (2, format!("{reason}\n")));
}

#[test]
fn the_programs_name_is_repeated_as_it_was_called() {
    let mut host = Host::new();
    assert_eq!(
        refused(&mut host, "/sbin/ipvsadm -q").1,
        "Try `/sbin/ipvsadm -h' or '/sbin/ipvsadm --help' for more information.\n"
    );
    let (status, help) = refused(&mut host, "ipvsadm-save -x");
    assert_eq!(status, 1);
    assert!(help.starts_with("ipvsadm-save: Script to save"));
}

#[test]
fn a_real_server_before_its_virtual_server_gets_no_port_from_it() {
    let mut host = Host::new();
    done(&mut host, "ipvsadm -A -t 10.9.0.1:80");
    done(&mut host, "ipvsadm -a -r 10.9.1.1 -t 10.9.0.1:80 -m");
    assert_eq!(host.rules.rules()[0].1[0].endpoint.port, 0);
    // DR takes the port whatever the order.
    done(&mut host, "ipvsadm -a -r 10.9.1.2 -t 10.9.0.1:80 -g");
    assert_eq!(host.rules.rules()[0].1[1].endpoint.port, 80);
}

#[test]
fn messages_of_a_batch_come_in_the_order_of_its_lines() {
    let mut host = Host::new();
    let text = "-A -t 10.9.0.1:80\n-D -t 10.9.0.1:81\n-d -t 10.9.0.1:80 -r 10.9.1.1\n-A\n-C\n";
    let answer = call(&mut host, &NumericNames, &["ipvsadm", "-R"], text);
    assert_eq!(
        answer.stderr,
        "No such service\nNo such destination\n\
         You need to supply the 'service-address' option for the 'add-service' command\n"
    );
    assert_eq!(answer.status, 2);
    assert_eq!(host.rules.rules().len(), 1);
}

#[test]
fn ten_thousand_virtual_servers_come_back() {
    let mut text = String::new();
    for number in 0..10_000_u32 {
        let vip = format!("10.{}.{}.1:80", number / 250, number % 250);
        text.push_str(&format!("-A -t {vip} -s wlc\n"));
        for server in 1..=10 {
            text.push_str(&format!("-a -t {vip} -r 10.200.0.{server}:8080 -m -w 1\n"));
        }
    }
    let mut host = Host::new();
    let answer = call(&mut host, &NumericNames, &["ipvsadm", "-R"], &text);
    assert_eq!((answer.status, answer.stderr.as_str()), (0, ""));
    assert_eq!(host.rules.rules().len(), 10_000);
    assert_eq!(done(&mut host, "ipvsadm -Ln").lines().count(), 110_003);
    done(&mut host, "ipvsadm -C");
    assert_eq!(host.rules.rules(), []);
}

#[test]
fn a_line_without_end_is_refused_and_the_lines_before_it_count() {
    let mut host = Host::new();
    let text = format!("-C\n-A -t 10.9.0.1:80\n{}", "x".repeat(1 << 20));
    let answer = call(&mut host, &NumericNames, &["ipvsadm", "-R"], &text);
    assert_eq!(answer.status, 1);
    assert_eq!(
        answer.stderr,
        "ipvsadm: a line of standard input is longer than 65536 bytes\n"
    );
    assert_eq!(host.rules.rules().len(), 1);
}
