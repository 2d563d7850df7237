//! Every recorded command of ipvsadm 1.31, run against a rule base in memory: standard output,
//! standard error, exit status and the table after must be the recorded ones.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use xvs_ipvsadm::BackendError;

use crate::support::{Answer, Files, Host, call};

/// One recorded command.
#[derive(Deserialize)]
struct Recorded {
    topic: String,
    i: usize,
    cmd: String,
    argv: Vec<String>,
    stdin: Option<String>,
    rc: u8,
    stdout: String,
    stderr: String,
    #[serde(default)]
    state_after: Option<String>,
}

/// Topic, number, and what is said about it.
type Notes = BTreeMap<(String, usize), (String, String)>;

#[test]
fn every_recorded_command_answers_as_recorded() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let shuffled = notes(&fixtures.join("nondeterministic.json"));
    let mut known = notes(&fixtures.join("known-differences.json"));
    let mut files: Vec<_> = fs::read_dir(&fixtures)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    files.sort();
    let (mut compared, mut left_out) = (0, 0);
    let mut faults = Vec::new();
    for file in files {
        let mut host = Host::new();
        for line in fs::read_to_string(&file).unwrap().lines() {
            let recorded: Recorded = serde_json::from_str(line).unwrap();
            let key = (recorded.topic.clone(), recorded.i);
            if let Some((command, reason)) = known.remove(&key) {
                assert_eq!(command, recorded.cmd, "{key:?} in known-differences.json");
                assert!(reason.len() > 10, "{key:?} needs a reason");
                left_out += 1;
                continue;
            }
            let in_any_order = shuffled.contains_key(&key);
            compared += 1;
            if let Some(fault) = replay(&mut host, &recorded, in_any_order) {
                faults.push(format!("{} {}: `{}`: {fault}", key.0, key.1, recorded.cmd));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {compared} differ:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(known.is_empty(), "no such command: {known:?}");
    assert_eq!(compared + left_out, 835);
    println!("{compared} recorded commands answer as recorded, {left_out} are known differences");
}

/// Runs one command; answers what is not as recorded.
fn replay(host: &mut Host, recorded: &Recorded, in_any_order: bool) -> Option<String> {
    let argv: Vec<&str> = recorded.argv.iter().map(String::as_str).collect();
    let answer = match argv.as_slice() {
        ["ip", "link", "add", name, ..] => {
            host.links.push((*name).to_owned());
            silence()
        }
        ["ip", ..] => silence(),
        // The arguments that drop the rights come before the program.
        ["setpriv", _, _, rest @ ..] => {
            host.open = Err(BackendError::PermissionDenied);
            let answer = call(host, &Files::new(), rest, "");
            host.open = Ok(());
            answer
        }
        _ => {
            let stdin = recorded.stdin.as_deref().unwrap_or_default();
            call(host, &Files::new(), &argv, stdin)
        }
    };
    let expected = Answer {
        status: recorded.rc,
        stdout: recorded.stdout.clone(),
        stderr: recorded.stderr.clone(),
    };
    if in_any_order {
        if lines(&answer.stdout) != lines(&expected.stdout)
            || (answer.status, &answer.stderr) != (expected.status, &expected.stderr)
        {
            return Some(format!("got {answer:#?}\nexpected {expected:#?}"));
        }
    } else if answer != expected {
        return Some(format!("got {answer:#?}\nexpected {expected:#?}"));
    }
    let state = recorded.state_after.as_ref()?;
    let after = call(host, &Files::new(), &["ipvsadm", "-Sn"], "").stdout;
    let same = if in_any_order {
        lines(&after) == lines(state)
    } else {
        after == *state
    };
    (!same).then(|| format!("left\n{after}instead of\n{state}"))
}

fn silence() -> Answer {
    Answer {
        status: 0,
        stdout: String::new(),
        stderr: String::new(),
    }
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Rows of topic, number, command and, where there is one, reason.
fn notes(path: &Path) -> Notes {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Row {
        Named(String, usize, String),
        Reasoned(String, usize, String, String),
    }
    let rows: Vec<Row> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    rows.into_iter()
        .map(|row| match row {
            Row::Named(topic, number, command) => ((topic, number), (command, String::new())),
            Row::Reasoned(topic, number, command, reason) => ((topic, number), (command, reason)),
        })
        .collect()
}
