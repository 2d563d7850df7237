//! The recordings of the project replayed: all of them natively and through the loaded programs, some
//! live.
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see outside of `#[test]`"
)]

mod live;
mod renumbered;

use std::{collections::BTreeSet, env, fs, path::Path, thread};

use xvs_conformance::{Known, Offline, Pins, Recording, Step, Suite, Tally, matches};
use xvs_dataplane::Hook;

const HOOKS: [Hook; 2] = [Hook::Tcx, Hook::Xdp];
/// In how many parts the loaded programs replay at a hook, at the same time.
const PARTS: usize = 3;

#[test]
fn every_recording_is_as_known_in_this_process() {
    for hook in HOOKS {
        expect(
            &format!("native {hook}"),
            &suite().native(&known(), hook).unwrap(),
        );
    }
}

#[test]
fn root_every_recording_is_as_known_through_the_loaded_programs() {
    if !is_root() {
        return;
    }
    // Most of the time goes into waiting for the kernel to be done with an old program.
    thread::scope(|scope| {
        for hook in HOOKS {
            for part in 0..PARTS {
                scope.spawn(move || {
                    let pins = Pins::named(&format!("programs-{hook}-{part}"));
                    let mut programs = Offline::programs(&pins.path()).unwrap();
                    let suite = suite().only(|name| part_of(name) == part);
                    let tally = suite.programs(&known(), hook, &mut programs).unwrap();
                    expect(&format!("programs {hook}, part {part}"), &tally);
                });
            }
        }
    });
}

/// Which part of the recordings one is in.
fn part_of(name: &str) -> usize {
    name.bytes().map(usize::from).sum::<usize>() % PARTS
}

#[test]
fn a_known_difference_is_of_a_recording_and_stands_in_the_list_of_differences() {
    let compat = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compat.md");
    let text = fs::read_to_string(compat).unwrap();
    let suite = suite();
    let names: BTreeSet<String> = suite.iter().map(Recording::id).collect();
    for (pattern, reason) in known().iter() {
        assert!(
            names.iter().any(|name| matches(pattern, name)),
            "no recording is named `{pattern}`"
        );
        let line = format!("| `{reason}` |");
        assert!(
            text.contains(&line),
            "docs/compat.md has no line `{reason}`"
        );
    }
}

#[test]
fn other_commands_than_were_recorded_are_other_results() {
    // A director that forgets its rules differs, or the comparison compares nothing.
    let suite = suite().only(|name| name == "A/tcp/tcp-full-nat");
    let tally = suite
        .replay(&known(), "native tcx", |recording, network| {
            let Recording::Frames(mut scenario, topology) = recording.clone() else {
                return Err("it is no recording of frames".to_owned());
            };
            scenario.setup.clear();
            let mut director = Offline::native(network, Hook::Tcx)?;
            Ok(Recording::Frames(scenario, topology).replay(network, &mut director))
        })
        .unwrap();
    assert_eq!(tally.differing.len(), 1);
}

#[test]
fn a_real_server_that_comes_back_within_two_minutes_goes_on_counting() {
    // Recorded when it came back at once; the kernel keeps it for two minutes after its last connection.
    let later = |milliseconds: u64| {
        let suite = suite().only(|name| name == "A/life/deleted-nat-u-exp1");
        let tally = suite.replay(&known(), "native tcx", |recording, network| {
            let Recording::Frames(mut scenario, topology) = recording.clone() else {
                return Err("it is no recording of frames".to_owned());
            };
            let adds = |step: &Step| matches!(step, Step::Exec { cmd, .. } if cmd.contains(" -a "));
            let place = scenario.steps.iter().position(adds).unwrap();
            let wait = Step::Wait {
                ms: milliseconds,
                out: Vec::new(),
            };
            scenario.steps.insert(place, wait);
            let mut director = Offline::native(network, Hook::Tcx)?;
            Ok(Recording::Frames(scenario, topology).replay(network, &mut director))
        });
        tally.unwrap()
    };
    assert_eq!(later(90_000).differing.len(), 0, "{}", later(90_000));
    let (_, differences) = later(125_000).differing.pop_first().unwrap();
    assert!(
        matches!(differences.as_slice(), [only] if only.contains("--stats")),
        "{differences:?}"
    );
}

fn suite() -> Suite {
    Suite::project().unwrap()
}

fn known() -> Known {
    Known::project().unwrap()
}

fn expect(by: &str, tally: &Tally) {
    assert!(tally.is_as_known(), "{by}:\n{tally}");
    assert!(tally.passed > 0, "{by}: nothing was replayed");
}

/// Whether the test may run; it is skipped with a printed reason without root, which CI must have.
fn is_root() -> bool {
    // SAFETY: the call takes nothing and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        return true;
    }
    assert_ne!(env::var("CI").as_deref(), Ok("true"), "CI needs root");
    eprintln!("skipped: needs root");
    false
}
