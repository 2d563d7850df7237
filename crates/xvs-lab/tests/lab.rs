//! The labs as their users run them: by commands of the `xvs` binary, which `XVS_BIN` names or which
//! is beside the tests' own folder.

#![expect(clippy::unwrap_used, reason = "a test fails where a value is missing")]

mod common;

use std::{
    env,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use common::ready;
use nix::sys::signal::Signal;
use serde_json::Value;
use xvs_lab::{Host, ProcessId, WebFiles, curl, folder};

/// Labs have fixed names: one test at a time.
static LABS: Mutex<()> = Mutex::new(());

const SIZE: usize = 20_000_000;

/// The `xvs` binary, and the right to run labs; none, with a printed reason, where a lab cannot run.
struct Xvs {
    program: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Xvs {
    fn find() -> Option<Self> {
        let beside = || Some(env::current_exe().ok()?.parent()?.parent()?.join("xvs"));
        let program = env::var_os("XVS_BIN").map(PathBuf::from).or_else(beside)?;
        let program_text = program.to_string_lossy().into_owned();
        ready(&["ip", "nginx", "curl", "ethtool", &program_text]).then(|| Self {
            program,
            _turn: LABS.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }

    fn lab(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("lab").args(arguments.split(' '));
        command
    }

    /// Runs a lab that must succeed, and answers its report.
    fn report(&self, arguments: &str) -> Value {
        let output = self.lab(&format!("{arguments} --json"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {stderr}");
        assert_eq!(stderr, "", "{arguments}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["ok"], true, "{arguments}");
        document["labs"][0].clone()
    }

    fn down(&self) {
        let output = self.lab("down");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "lab down: {stderr}");
    }
}

impl Drop for Xvs {
    fn drop(&mut self) {
        // A test that failed may have left a lab; the test has said what failed already.
        let _ = self.command("down").output();
    }
}

/// The hosts that a request reaches, forward and back, with the web server's number left out.
fn way(report: &Value) -> String {
    let places = |way: &str| {
        let hops = report["walk"][way].as_array().unwrap();
        let names = hops.iter().map(|hop| hop["to"].as_str().unwrap());
        names.collect::<Vec<_>>().join(" ").replace(['1', '2'], "")
    };
    format!("{} | {}", places("forward"), places("back"))
}

/// What the frames of the way forward carry around their packets, or beside them.
fn encapsulations(report: &Value) -> Vec<String> {
    let hops = report["walk"]["forward"].as_array().unwrap();
    hops.iter()
        .filter_map(|hop| Some(hop["encapsulation"].as_str()?.to_owned()))
        .collect()
}

/// The connections that `ipvsadm -Lnc` lists.
fn listed_connections(report: &Value) -> usize {
    let table = report["tables"]["connections"].as_str().unwrap();
    table
        .lines()
        .filter(|line| line.starts_with("TCP "))
        .count()
}

/// Runs the lab of `method` in both families, then moves 20 MB both ways through it.
fn method_works(method: &str, hook: &str, expected_way: &str) {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    for family in ["", " --ipv6"] {
        let what = format!("{method} --hook {hook}{family}");
        let report = xvs.report(&format!("{what} --requests 20 --keep"));
        assert_eq!(way(&report), expected_way, "{what}");
        assert_eq!(listed_connections(&report), 20, "{what}");
        let around = match method {
            "tun" => "IPIP",
            "fullnat" => "TOA",
            _ => "nothing",
        };
        let seen = encapsulations(&report);
        assert!(
            seen.iter().all(|text| text.starts_with(around)),
            "{what}: {seen:?}"
        );
        assert_eq!(seen.is_empty(), around == "nothing", "{what}");

        let lab = format!("lab-{method}");
        let client = Host::of(&lab, "client").unwrap();
        let files = ["web1", "web2"].map(|web| WebFiles::of(&Host::of(&lab, web).unwrap()));
        let base = report["url"].as_str().unwrap().trim_end_matches('/');
        for _ in 0..2 {
            let intact = curl::download_is_intact(&client, base, &files, SIZE);
            assert!(intact.unwrap(), "{what}: download");
            let intact = curl::upload_is_intact(&client, base, &files, SIZE);
            assert!(intact.unwrap(), "{what}: upload");
        }
        xvs.down();
    }
}

const NAT_WAY: &str = "director switch web | switch director client";
const DR_WAY: &str = "switch director switch web | switch client";
const TUN_WAY: &str = "router director router switch web | switch router client";
const FULLNAT_WAY: &str =
    "internet director router switch web | switch router director internet client";

#[test]
fn root_nat_works_on_tcx() {
    method_works("nat", "tcx", NAT_WAY);
}

#[test]
fn root_nat_works_on_xdp() {
    method_works("nat", "xdp", NAT_WAY);
}

#[test]
fn root_nat_works_on_generic_xdp() {
    method_works("nat", "xdp-generic", NAT_WAY);
}

#[test]
fn root_dr_works_on_tcx() {
    method_works("dr", "tcx", DR_WAY);
}

#[test]
fn root_dr_works_on_xdp() {
    method_works("dr", "xdp", DR_WAY);
}

#[test]
fn root_tun_works_on_tcx() {
    method_works("tun", "tcx", TUN_WAY);
}

#[test]
fn root_tun_works_on_xdp() {
    method_works("tun", "xdp", TUN_WAY);
}

#[test]
fn root_fullnat_works_on_tcx() {
    method_works("fullnat", "tcx", FULLNAT_WAY);
}

#[test]
fn root_fullnat_works_on_xdp() {
    method_works("fullnat", "xdp", FULLNAT_WAY);
}

#[test]
fn root_all_labs_with_200_requests_take_less_than_a_minute() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let start = Instant::now();
    xvs.report("all --requests 200");
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn root_the_text_shows_walks_answers_and_tables() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let output = xvs.lab("nat --requests 4");
    let text = String::from_utf8_lossy(&output.stdout);
    for line in [
        "director# ipvsadm -At 192.168.1.241:80 -s rr",
        "stands for: ipvsadm -At 192.168.1.241 -s rr",
        "because: ipvsadm 1.31 refuses a virtual server without a port",
        "Replies pass the director.",
        "Answers: 4 of 4 requests, scheduler rr",
        "web1 answered 2",
        "TCP  192.168.1.241:80 rr",
        "lab nat: as it should be",
    ] {
        assert!(text.contains(line), "`{line}` is missing in:\n{text}");
    }
}

#[test]
fn root_no_request_fails_while_the_daemon_is_killed_and_started_again() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let mut command = xvs.command("nat --requests 2000 --json");
    let lab = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_requests(20);
    let status = Command::new(&xvs.program)
        .args(["status", "--instance", "lab-nat", "--json"])
        .output()
        .unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let daemon = i32::try_from(status["pid"].as_i64().unwrap()).unwrap();
    let daemon = ProcessId::of(daemon).unwrap();
    daemon.end(Signal::SIGKILL, Duration::from_secs(5)).unwrap();
    wait_for_requests(200);
    let mut again = Command::new(&xvs.program)
        .args(["run", "--instance", "lab-nat"])
        .args(["--netns", "xvs-lab-nat-director"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = lab.wait_with_output().unwrap();
    // The lab ends whatever lives in its namespaces.
    again.wait().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = &document["labs"][0];
    assert_eq!(report["answers"]["answered"], 2_000);
    assert_eq!(listed_connections(report), 2_000);
    nothing_is_left();
}

#[test]
fn root_a_killed_lab_is_cleaned_by_down() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let mut lab = xvs.command("nat --requests 100000 --json").spawn().unwrap();
    wait_for_requests(1);
    lab.kill().unwrap();
    lab.wait().unwrap();
    let again = xvs.lab("nat");
    assert_eq!(again.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&again.stderr);
    assert!(
        stderr.contains("`xvs lab down`") && stderr.lines().count() == 1,
        "{stderr}"
    );
    xvs.down();
    nothing_is_left();
}

#[test]
fn root_a_lab_that_is_asked_to_end_cleans_up() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let mut command = xvs.command("nat --requests 100000 --json");
    let lab = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_for_requests(1);
    let killed = Command::new("kill").arg(lab.id().to_string()).status();
    assert!(killed.unwrap().success());
    let output = lab.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "xvs lab: interrupted; the lab was taken down\n"
    );
    nothing_is_left();
}

#[test]
fn root_a_missing_tool_is_named_and_nothing_is_made() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let mut command = xvs.command("nat");
    let output = command.env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("`ip` is not installed: `apt-get install iproute2`")
            && stderr.lines().count() == 1,
        "{stderr}"
    );
    nothing_is_left();
}

#[test]
fn root_wrong_usage_is_told_apart() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    assert_eq!(xvs.lab("ospf").status.code(), Some(2));
    assert_eq!(xvs.lab("nat --requests none").status.code(), Some(2));
    assert_eq!(xvs.lab("shell nowhere").status.code(), Some(1));
}

/// Waits until a real server of the NAT lab has answered `count` requests.
fn wait_for_requests(count: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let answered = || {
        let web = Host::of("lab-nat", "web1").ok()?;
        (WebFiles::of(&web).clients().ok()?.len() >= count).then_some(())
    };
    while answered().is_none() {
        assert!(Instant::now() < deadline, "the lab sends no requests");
        thread::sleep(Duration::from_millis(20));
    }
}

fn nothing_is_left() {
    assert!(!folder("lab-nat").exists());
    let namespaces = Command::new("ip").args(["netns", "list"]).output().unwrap();
    let namespaces = String::from_utf8_lossy(&namespaces.stdout).into_owned();
    assert!(!namespaces.contains("xvs-lab-nat"), "{namespaces}");
    let instance = PathBuf::from("/run/xvs/lab-nat");
    assert!(!instance.exists());
}
