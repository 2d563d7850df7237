//! Each part of the benchmark runs once, at a size that says nothing: so that it cannot rot.

use std::{env, fs, process::Command};

/// A part that leaves a report with rows and a page, whatever its figures are; its rows.
fn check(part: &str) -> Vec<serde_json::Value> {
    if !may_run() {
        return Vec::new();
    }
    let folder = tempfile::tempdir().expect("make a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_xvs-bench"))
        .args(["--tiny", "--cpu", "0", "--part", part, "--out"])
        .arg(folder.path())
        .output()
        .expect("run the benchmark");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{part}: {words}");
    let json = fs::read(folder.path().join("report.json")).expect("read the report");
    let report: serde_json::Value = serde_json::from_slice(&json).expect("parse the report");
    let rows = report["parts"][0]["rows"].as_array().expect("rows");
    assert!(!rows.is_empty(), "{part} measured nothing");
    let page = fs::read_to_string(folder.path().join("report.html")).expect("read the page");
    for row in rows {
        let median = row["value"]["median"].as_f64();
        assert!(median.is_some_and(f64::is_finite), "{row} has no median");
    }
    assert!(
        page.contains(&format!("<h2 id=\"{part}\">")),
        "{part} is not on the page"
    );
    rows.clone()
}

/// Whether programs can be loaded here. Under `CI=true` they must be.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn may_run() -> bool {
    // SAFETY: the call has no precondition.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "under CI this test must run as root"
        );
        eprintln!("skipped: loading programs needs root");
    }
    root
}

#[test]
fn root_programs_are_measured() {
    check("program");
}

#[test]
fn root_new_connections_are_measured() {
    check("connect");
}

#[test]
fn root_the_table_is_measured() {
    check("table");
}

#[test]
fn root_a_flood_is_measured() {
    check("flood");
}

#[test]
fn root_the_slow_path_is_bounded_under_attack() {
    // What is no rate does not depend on the machine.
    let rows = check("slowpath");
    let heard = rows.iter().any(|row| {
        let name = row["name"].as_str().expect("a name");
        name.contains("ftp_unsound") && row["value"]["median"].as_f64() > Some(0.0)
    });
    assert!(heard || rows.is_empty(), "no line of FTP was found unsound");
    for row in rows.iter().filter(|row| row["unit"] != "M/s") {
        for gate in row["gates"].as_array().expect("gates") {
            assert_eq!(gate["met"], true, "{row}");
        }
    }
}

#[test]
fn root_packets_over_links_are_measured() {
    check("veth");
}

#[test]
fn root_tcp_is_measured() {
    check("tcp");
}

#[test]
fn an_unknown_part_is_named_beside_those_there_are() {
    let output = Command::new(env!("CARGO_BIN_EXE_xvs-bench"))
        .args(["--part", "weather"])
        .output()
        .expect("run the benchmark");
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        words.contains("`weather`") && words.contains("flood"),
        "{words}"
    );
}
