//! The recorded verdicts of keepalived 2.2.7: `keepalived -t` on every input, and starts of some.
//!
//! Known differences stand in `fixtures/keepalived/differences.md` with their reasons; a case that
//! differs without standing there, or stands there without differing, fails.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use xvs_conf::{MemoryFiles, Outcome, ScriptFact, Stance, StaticHost, parse};

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    args: Vec<String>,
    config: String,
    rc: i32,
}

#[derive(Deserialize)]
struct Start {
    name: String,
    #[serde(rename = "alive_after_1.3s")]
    alive: bool,
    rc: i32,
    children: u32,
}

fn cases() -> Vec<Case> {
    read_cases(include_str!("fixtures/keepalived/config-cases.jsonl"))
}

fn read_cases(text: &str) -> Vec<Case> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The host of the recordings: `eth0` and `eth1`, no script user, a script that anyone can change.
fn host(args: &[String]) -> StaticHost {
    let mut host = StaticHost::default().with_interfaces(&["eth0", "eth1"]);
    if let Some(index) = args.iter().position(|argument| argument == "-i") {
        host.config_id.clone_from(&args[index + 1]);
    }
    host.scripts = BTreeMap::from([
        ("cases/w.sh".to_owned(), ScriptFact::Insecure),
        ("/no/such/notify.sh".to_owned(), ScriptFact::NotFound),
        ("/no/such".to_owned(), ScriptFact::NotFound),
    ]);
    host
}

fn run(case: &Case, stance: Stance) -> Outcome {
    let file = format!("{}.conf", case.name);
    // The recorder ran above the folder of its inputs, so includes name it.
    let files = MemoryFiles::new()
        .with(&file, case.config.as_str())
        .with(&format!("cases/{file}"), case.config.as_str())
        .with("cases/inc.conf", "");
    parse(&file, &files, &host(&case.args), stance)
}

/// Case names in the first column of the table of differences.
fn differences() -> BTreeSet<String> {
    include_str!("fixtures/keepalived/differences.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn config_test_has_the_recorded_status() {
    compare_statuses(cases());
}

#[test]
fn odd_values_have_the_recorded_status() {
    let cases = read_cases(include_str!("fixtures/keepalived/config-keywords.jsonl"));
    assert!(cases.len() > 300);
    compare_statuses(cases);
}

fn compare_statuses(cases: Vec<Case>) {
    let known = differences();
    let mut unexpected = Vec::new();
    for case in cases {
        let outcome = run(&case, Stance::Compatible);
        let same = i32::from(outcome.keepalived_status) == case.rc;
        if same == known.contains(&case.name) {
            unexpected.push(format!(
                "{}: recorded {}, ours {}\n{}",
                case.name,
                case.rc,
                outcome.keepalived_status,
                outcome.render_text(false)
            ));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}

#[test]
fn starts_where_keepalived_started() {
    let starts: Vec<Start> =
        serde_json::from_str(include_str!("fixtures/keepalived/config-runtime.json")).unwrap();
    let cases: BTreeMap<String, Case> = cases()
        .into_iter()
        .map(|case| (case.name.clone(), case))
        .collect();
    let known = differences();
    let mut compared = 0;
    for start in starts {
        // The recordings of some inputs were cut off; their text is not known.
        let Some(case) = cases.get(&start.name) else {
            continue;
        };
        // A process that crashes over and over lives, but none of its children does.
        let crashes = case.rc < 0 && start.children == 0;
        let starts = start.alive && !crashes;
        let outcome = run(case, Stance::Compatible);
        assert_eq!(
            outcome.config.is_some(),
            starts,
            "{}\n{}",
            start.name,
            outcome.render_text(false)
        );
        if !starts && !known.contains(&start.name) {
            assert_eq!(i32::from(outcome.start_status), start.rc, "{}", start.name);
        }
        compared += 1;
    }
    assert!(compared >= 16, "only {compared} starts were compared");
}

#[test]
fn a_missing_root_file_passes_the_test_and_fails_the_start() {
    let outcome = parse(
        "none.conf",
        &MemoryFiles::new(),
        &StaticHost::default(),
        Stance::Compatible,
    );
    assert_eq!((outcome.keepalived_status, outcome.start_status), (0, 6));
    assert!(outcome.config.is_none());
}

#[test]
fn the_strict_stance_refuses_all_that_keepalived_reports() {
    for case in cases() {
        let outcome = run(&case, Stance::Strict);
        if case.rc != 0 {
            assert!(outcome.config.is_none(), "{}", case.name);
        }
        assert_eq!(
            outcome.config.is_none(),
            !outcome.diagnostics.is_empty(),
            "{}",
            case.name
        );
    }
}
