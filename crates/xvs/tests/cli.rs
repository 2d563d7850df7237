//! What the command line says without a daemon: exit statuses and messages.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::process::{Command, Output};

fn xvs(arguments: &[&str]) -> Output {
    let nowhere = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_xvs"))
        .args(arguments)
        .env("XVS_RUNTIME_DIR", nowhere.path())
        .env_remove("XVS_INSTANCE")
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn without_a_daemon_every_command_says_how_to_start_one() {
    for arguments in [
        &["status"][..],
        &["stop"],
        &["conn", "list"],
        &["conn", "kill", "--all"],
        &["hook", "set", "tcx"],
        &["interface", "list"],
        &["vs", "list"],
        &["vs", "add", "192.0.2.1:80"],
        &["rs", "del", "192.0.2.1:80", "10.0.0.1"],
    ] {
        let output = xvs(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let message = stderr(&output);
        assert!(
            message.starts_with("xvs: no xvs daemon listens on `")
                && message.ends_with("/default/control.sock`; start one with `xvs run`\n"),
            "{message}"
        );
    }
}

#[test]
fn the_instance_is_in_the_advice() {
    let output = xvs(&["status", "--instance", "blue"]);
    assert!(stderr(&output).ends_with("start one with `xvs run --instance blue`\n"));
    let output = xvs(&["status", "--instance", "../blue"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot name an instance"));
}

#[test]
fn wrong_usage_is_status_2_and_names_what_is_wrong() {
    for (arguments, word) in [
        (&["nonsense"][..], "nonsense"),
        (&["hook", "set", "xpd"], "xpd"),
        (&["vs", "add", "192.0.2.1"], "names no virtual server"),
        (&["vs", "add", "192.0.2.1:80", "-s", "best"], "no scheduler"),
        (&["rs", "add", "192.0.2.1:80", "web1"], "is no address"),
        (&["rs", "add", "192.0.2.1:80", "10.0.0.1", "-w", "-1"], "-1"),
        (
            &["conn", "list", "--state", "open"],
            "no state is named `open`",
        ),
        (
            &["conn", "kill", "--all", "--client", "10.0.0.1"],
            "--client",
        ),
        (&["run", "--connections", "5"], "1024"),
        (&["lab"], "Usage"),
    ] {
        let output = xvs(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn ending_connections_needs_to_be_said_which() {
    let output = xvs(&["conn", "kill"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "xvs: say which connections to end, or `--all`\n"
    );
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = xvs(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("interface") && script.contains("xdp-generic"));
    }
}

#[test]
fn a_program_named_ipvsadm_is_ipvsadm() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("ipvsadm");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_xvs"), &link).unwrap();
    let output = Command::new(&link)
        .arg("-Ln")
        .env("XVS_RUNTIME_DIR", folder.path())
        .env_remove("XVS_INSTANCE")
        .output()
        .unwrap();
    // As the real one without IPVS in the kernel: a line on stderr, and status 2.
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("start one with `xvs run`"),
        "{}",
        stderr(&output)
    );
    // The same by sub-command, which takes options of ipvsadm that look like ours.
    let output = xvs(&["ipvsadm", "-Ln"]);
    assert_eq!(output.status.code(), Some(2));
    let output = xvs(&["ipvsadm", "--version"]);
    assert!(!stderr(&output).contains("unexpected argument"));
}

/// A folder with a `keepalived.conf`.
fn configuration(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keepalived.conf");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

const GOOD: &str = "virtual_server 192.0.2.1 80 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n real_server 10.0.0.1 80 {\n  TCP_CHECK {\n  }\n }\n}\n";

#[test]
fn check_tells_whether_a_daemon_would_start() {
    let doubtful = GOOD.replace("lb_algo rr", "lb_algo best");
    let hopeless = "include\n";
    for (text, arguments, status, words) in [
        (
            GOOD,
            &[][..],
            0,
            "a daemon starts with this: virtual servers 1, checks 1",
        ),
        (GOOD, &["--strict"], 0, "nothing to report"),
        (&doubtful, &[], 0, "best"),
        (&doubtful, &["--strict"], 1, "no daemon starts with this"),
    ] {
        let (_folder, file) = configuration(text);
        let output = xvs(&[&["check", &file][..], arguments].concat());
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(output.status.code(), Some(status), "{stdout}");
        assert!(stdout.contains(words), "{stdout}");
    }
    let (_folder, file) = configuration(hopeless);
    let json = xvs(&["check", &file, "--json", "--strict"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["starts"], false);
    assert_eq!(report["diagnostics"][0]["line"], 1);
}

#[test]
fn keepalived_t_has_the_statuses_of_the_original() {
    for (text, status) in [
        (GOOD.to_owned(), 0),
        (GOOD.replace("lb_algo rr", "lb_algo best"), 5),
        (String::new(), 0),
    ] {
        let (_folder, file) = configuration(&text);
        let output = xvs(&["keepalived", "-t", "-f", &file]);
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        assert_eq!(output.stderr.is_empty(), status == 0, "{}", stderr(&output));
    }
    let output = xvs(&["keepalived", "-n", "-l", "-G", "--nonsense"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nonsense"));
}

#[test]
fn a_plan_of_a_file_that_does_not_start_says_why() {
    let output = xvs(&["plan", "/no/such/keepalived.conf", "--strict"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no daemon starts with"));
    let (_folder, file) = configuration(GOOD);
    let output = xvs(&["plan", &file]);
    assert!(stderr(&output).contains("no xvs daemon listens on"));
}
