//! The `xvs` binary under test, and what its labs report.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use xvs_lab::{Host, WebFiles, folder};

use crate::common::ready;

/// Labs have fixed names: one test at a time.
static LABS: Mutex<()> = Mutex::new(());

/// The `xvs` binary, and the right to run labs; none, with a printed reason, where a lab cannot run.
pub(crate) struct Xvs {
    pub(crate) program: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Xvs {
    pub(crate) fn find() -> Option<Self> {
        let beside = || Some(env::current_exe().ok()?.parent()?.parent()?.join("xvs"));
        let program = env::var_os("XVS_BIN").map(PathBuf::from).or_else(beside)?;
        let program_text = program.to_string_lossy().into_owned();
        ready(&["ip", "nginx", "curl", "ethtool", &program_text]).then(|| Self {
            program,
            _turn: LABS.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }

    pub(crate) fn lab(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("lab").args(arguments.split(' '));
        command
    }

    /// Runs a lab that must succeed, and answers its report.
    pub(crate) fn report(&self, arguments: &str) -> Value {
        let output = self.lab(&format!("{arguments} --json"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {stderr}");
        assert_eq!(stderr, "", "{arguments}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["ok"], true, "{arguments}");
        document["labs"][0].clone()
    }

    /// What a command of the daemon of the NAT lab writes.
    pub(crate) fn ask(&self, arguments: &str) -> String {
        let output = Command::new(&self.program)
            .args(arguments.split(' '))
            .env("XVS_INSTANCE", "lab-nat")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn down(&self) {
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

/// The connections that `ipvsadm -Lnc` lists.
pub(crate) fn listed_connections(report: &Value) -> usize {
    let table = report["tables"]["connections"].as_str().unwrap();
    table
        .lines()
        .filter(|line| line.starts_with("TCP "))
        .count()
}

/// Waits until a real server of the NAT lab has answered `count` requests.
pub(crate) fn wait_for_requests(count: usize) {
    wait_for(|| {
        Host::of("lab-nat", "web1")
            .and_then(|web| WebFiles::of(&web).clients())
            .is_ok_and(|clients| clients.len() >= count)
    });
}

/// Waits until the lab has come so far.
pub(crate) fn wait_for(far_enough: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !far_enough() {
        assert!(Instant::now() < deadline, "the lab does not get that far");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Nothing of any lab is left: no folder, no namespace, no instance of a daemon.
pub(crate) fn nothing_is_left() {
    let namespaces = Command::new("ip").args(["netns", "list"]).output().unwrap();
    let namespaces = String::from_utf8_lossy(&namespaces.stdout).into_owned();
    assert!(!namespaces.contains("xvs-lab-"), "{namespaces}");
    for base in [folder(""), PathBuf::from("/run/xvs")] {
        let Ok(entries) = fs::read_dir(&base) else {
            continue;
        };
        for entry in entries {
            let name = entry.unwrap().file_name();
            assert!(
                !name.to_string_lossy().starts_with("lab-"),
                "{} of {}",
                name.display(),
                base.display()
            );
        }
    }
}
