//! What keepalived 2.2.7 was recorded to do, done again by the daemon in a network namespace: the same
//! IPVS commands, FIFO lines and mails in the same order, and the same scripts.
//!
//! A short sample runs every day. `XVS_RECORDED=all` (`make conformance`) replays all recordings, side by
//! side, and prints which are as recorded, which differ in a known way, and which differ.

mod bytes;
mod compare;
mod recording;
mod replay;

use std::{env, thread};

use self::{
    compare::{Verdict, verdict},
    recording::{ALL, Recording, Scenario},
};
use crate::support::can_run;

/// What runs every day: half of the recordings, in 12 seconds.
const SAMPLE: [&str; 4] = [
    "alpha_omega",
    "inhibit_on_failure",
    "smtp_checker",
    "sorry_server",
];

#[test]
fn root_recordings_of_keepalived_are_followed() {
    if !can_run() {
        return;
    }
    let all = env::var("XVS_RECORDED").is_ok_and(|which| which == "all");
    let chosen = ALL
        .iter()
        .filter(|scenario| all || SAMPLE.contains(&scenario.name));
    let running: Vec<_> = chosen
        .map(|scenario| (scenario, thread::spawn(|| one(scenario))))
        .collect();
    let (mut passed, mut known, mut differing) = (0, 0, 0);
    for (scenario, thread) in running {
        match thread.join() {
            Ok(Verdict::Same) => {
                passed += 1;
                eprintln!("passed    {}", scenario.name);
            }
            Ok(Verdict::Known(reasons)) => {
                known += 1;
                eprintln!("known     {}: {}", scenario.name, reasons.join("; "));
            }
            Ok(Verdict::Differs(what)) => {
                differing += 1;
                eprintln!("differing {}:\n{what}", scenario.name);
            }
            Err(_panic) => {
                differing += 1;
                eprintln!("differing {}: it came to no end", scenario.name);
            }
        }
    }
    eprintln!("{passed} passed, {known} known, {differing} differing");
    assert_eq!(differing, 0);
}

fn one(scenario: &Scenario) -> Verdict {
    let recording = Recording::of(scenario);
    let seen = replay::replay(scenario, &recording);
    verdict(scenario, &recording, seen)
}
