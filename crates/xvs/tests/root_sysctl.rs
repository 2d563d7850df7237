//! `xvs sysctl` against a whole daemon with a simulated dataplane.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

mod support;

use std::fs;

use support::{Place, can_run};

#[test]
fn root_settings_are_shown_and_changed_as_sysctl_does() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let _daemon = place.daemon(&[]);
    for name in [
        "drop_entry",
        "net.ipv4.vs.drop_entry",
        "net/ipv4/vs/drop_entry",
    ] {
        assert_eq!(
            place.done(&["sysctl", name]),
            "net.ipv4.vs.drop_entry = 0\n"
        );
    }
    assert_eq!(
        place.done(&["sysctl", "-w", "net.ipv4.vs.drop_entry=3", "sloppy_tcp=1"]),
        "net.ipv4.vs.drop_entry = 3\nnet.ipv4.vs.sloppy_tcp = 1\n"
    );
    assert_eq!(place.done(&["sysctl", "-n", "drop_entry"]), "3\n");
    assert_eq!(place.done(&["sysctl", "-q", "drop_entry=0"]), "");
    assert_eq!(
        place.done(&["sysctl", "drop_entry"]),
        "net.ipv4.vs.drop_entry = 0\n"
    );
    let all = place.done(&["sysctl", "-a"]);
    assert!(all.contains("\nnet.ipv4.vs.conn_reuse_mode = 1\n"), "{all}");
    assert!(
        all.contains("\n# net.ipv4.vs.conntrack = 0  # `conntrack`"),
        "{all}"
    );
    let json = place.done(&["sysctl", "sloppy_tcp", "--json"]);
    let listings: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(listings[0]["value"], "1");
    assert_eq!(listings[0]["maximum"], 1);
}

#[test]
fn root_what_cannot_be_set_is_refused_with_a_reason() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let _daemon = place.daemon(&[]);
    for (setting, message) in [
        (
            "drop_entry=4",
            "xvs: `drop_entry` cannot be 4: it goes from 0 to 3\n",
        ),
        (
            "drop_entry=on",
            "xvs: `drop_entry` cannot be `on`: it is a whole number\n",
        ),
        (
            "cache_bypass=1",
            "xvs: `cache_bypass` cannot be changed: what is not for this host is balanced by no mark, and goes where it \
             is addressed\n",
        ),
        (
            "net.ipv4.ip_forward=1",
            "xvs: no setting is named `net.ipv4.ip_forward`; `xvs sysctl -a` lists them\n",
        ),
    ] {
        assert_eq!(place.refused(&["sysctl", setting]), message);
    }
    // Nothing of a line that was refused in part.
    place.refused(&["sysctl", "sloppy_tcp=1", "drop_entry=4"]);
    assert_eq!(place.done(&["sysctl", "-n", "sloppy_tcp"]), "0\n");
    // Its default may be set, as files of settings do.
    assert_eq!(
        place.done(&["sysctl", "cache_bypass=0"]),
        "net.ipv4.vs.cache_bypass = 0\n"
    );
}

#[test]
fn root_settings_outlive_the_daemon_and_the_file_has_the_last_word() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let daemon = place.daemon(&[]);
    place.done(&["sysctl", "drop_packet=3", "am_droprate=7", "sloppy_tcp=1"]);
    drop(daemon);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sysctl.conf");
    fs::write(&file, "net.ipv4.vs.am_droprate = 5\nconntrack = 1\n").unwrap();
    let file = file.to_str().unwrap();
    let _next = place.daemon(&["--sysctl", file]);
    assert_eq!(
        place.done(&["sysctl", "-n", "drop_packet", "am_droprate", "sloppy_tcp"]),
        "3\n5\n1\n"
    );
    // The same file by hand: what can be obeyed is, and the status says that not all could.
    place.done(&["sysctl", "-q", "am_droprate=9"]);
    let output = place.xvs(&["sysctl", "-p", file]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"net.ipv4.vs.am_droprate = 5\n");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("line 2: `conntrack` cannot be changed"),
        "{message}"
    );
    assert_eq!(place.done(&["sysctl", "-n", "am_droprate"]), "5\n");
}
