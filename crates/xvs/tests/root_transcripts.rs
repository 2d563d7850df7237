//! Every recorded command of ipvsadm 1.31, run as a process against a daemon: its standard output,
//! standard error, exit status and the table after must be the recorded ones.
//!
//! The recordings are those of `xvs-ipvsadm`, which compares them without processes; here the socket,
//! the API, the daemon and the resolver of the system lie between. Each file has a host and a daemon of
//! its own, as it had when it was recorded.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may fail and say why"
)]

mod support;

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use serde::Deserialize;
use support::{Stage, can_run};

/// Files replayed at a time: a replay waits for processes more than it works.
const AT_A_TIME: usize = 4;

/// One recorded command.
#[derive(Deserialize)]
struct Recorded {
    topic: String,
    i: usize,
    cmd: String,
    argv: Vec<String>,
    stdin: Option<String>,
    rc: i32,
    stdout: String,
    stderr: String,
    #[serde(default)]
    state_after: Option<String>,
}

/// Commands by topic and number.
type Notes = BTreeMap<(String, usize), String>;

/// What a replay found.
#[derive(Default)]
struct Found {
    compared: usize,
    left_out: usize,
    faults: Vec<String>,
}

#[test]
fn root_every_recorded_command_answers_as_recorded() {
    if !can_run() {
        return;
    }
    let fixtures = fixtures();
    let shuffled = notes(&fixtures.join("nondeterministic.json"));
    let known = notes(&fixtures.join("known-differences.json"));
    let mut files: Vec<PathBuf> = fs::read_dir(&fixtures)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 20);
    let files = Mutex::new(VecDeque::from(files));
    let next = || files.lock().unwrap().pop_front();
    let total = Mutex::new(Found::default());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(file) = next() {
                    let found = replay_file(&file, &known, &shuffled);
                    let mut total = total.lock().unwrap();
                    total.compared += found.compared;
                    total.left_out += found.left_out;
                    total.faults.extend(found.faults);
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    assert!(
        total.faults.is_empty(),
        "{} of {} differ:\n{}",
        total.faults.len(),
        total.compared,
        total.faults.join("\n")
    );
    assert_eq!(
        (total.compared, total.left_out),
        (835 - known.len(), known.len())
    );
    println!("{} recorded commands answer as recorded", total.compared);
}

/// Replays a file on a host of its own.
fn replay_file(file: &Path, known: &Notes, shuffled: &Notes) -> Found {
    let stage = Stage::new();
    for name in ["hosts", "services"] {
        stage.lay_over(&fixtures().join(name), &Path::new("/etc").join(name));
    }
    let _daemon = stage.daemon();
    let mut found = Found::default();
    for line in fs::read_to_string(file).unwrap().lines() {
        let recorded: Recorded = serde_json::from_str(line).unwrap();
        let key = (recorded.topic.clone(), recorded.i);
        if known.contains_key(&key) {
            found.left_out += 1;
            continue;
        }
        found.compared += 1;
        if let Some(fault) = replay(&stage, &recorded, shuffled.contains_key(&key)) {
            let place = format!("{} {}: `{}`", key.0, key.1, recorded.cmd);
            found.faults.push(format!("{place}: {fault}"));
        }
    }
    found
}

/// Runs one command; answers what is not as recorded.
fn replay(stage: &Stage, recorded: &Recorded, in_any_order: bool) -> Option<String> {
    let argv: Vec<&str> = recorded.argv.iter().map(String::as_str).collect();
    let output = match argv.as_slice() {
        // Not every kernel has dummy links; the end of a cable does as well here.
        ["ip", "link", "add", name, "type", "dummy"] => {
            stage.run(&["ip", "link", "add", name, "type", "veth"], "")
        }
        _ => stage.run(&argv, recorded.stdin.as_deref().unwrap_or_default()),
    };
    let text = |bytes: &[u8]| sorted_if(in_any_order, &String::from_utf8_lossy(bytes));
    let got = (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    );
    let expected = (
        Some(recorded.rc),
        sorted_if(in_any_order, &recorded.stdout),
        sorted_if(in_any_order, &recorded.stderr),
    );
    if got != expected {
        return Some(format!("got {got:#?}\nexpected {expected:#?}"));
    }
    let state = sorted_if(in_any_order, recorded.state_after.as_deref()?);
    let after = stage.run(&["ipvsadm", "-Sn"], "").stdout;
    let after = text(&after);
    (after != state).then(|| format!("left\n{after}instead of\n{state}"))
}

fn sorted_if(sorted: bool, text: &str) -> String {
    if !sorted {
        return text.to_owned();
    }
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../xvs-ipvsadm/tests/fixtures")
}

/// Rows of topic, number, command and, where there is one, a reason.
fn notes(path: &Path) -> Notes {
    let rows: Vec<Vec<serde_json::Value>> =
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let number = |value: &serde_json::Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    rows.iter()
        .map(|row| ((word(&row[0]), number(&row[1])), word(&row[2])))
        .collect()
}
