//! The packet tables of the datapath through the loaded programs, by `BPF_PROG_TEST_RUN`: the same
//! bytes and verdicts as in a process.

mod network;
mod programs;

use std::env;

use programs::{Answer, Hook, Programs};
use xvs_datapath::{
    abi::{Counter, DROPS},
    native::{
        World,
        cases::{self, Case, Outcome, Step},
    },
};

#[test]
fn root_every_packet_table_holds_for_the_loaded_programs() {
    if !may_run() {
        return;
    }
    let cases = cases::all();
    network::enter(cases.iter().flat_map(|case| &case.world.routes));
    let mut programs = Programs::load(&World::new());
    let mut wrong = Vec::new();
    for case in &cases {
        for hook in [Hook::Xdp, Hook::Tcx] {
            if let Err(difference) = check(case, hook, &mut programs) {
                wrong.push(format!("{hook:?}: {}: {difference}", case.description));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} tables do not hold\n{}",
        wrong.len(),
        wrong.join("\n")
    );
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

fn check(case: &Case, hook: Hook, programs: &mut Programs) -> Result<(), String> {
    programs.fill(&case.world);
    for (number, step) in case.steps.iter().enumerate() {
        match step {
            Step::Edit(server, change) => programs.edit_server(*server, *change),
            Step::Packet(frame, outcome) | Step::Leaves(frame, outcome) => {
                let hook = match step {
                    Step::Leaves(..) => Hook::Egress,
                    _ => hook,
                };
                // The kernel runs no program on less than the IP header that a frame announces.
                if frame.len() < if frame[12] == 0x86 { 54 } else { 34 } {
                    continue;
                }
                programs.beat(&case.world);
                let before = programs.counters();
                let answer = programs.run(hook, frame);
                let counted: Vec<_> = Counter::ALL
                    .iter()
                    .zip(programs.counters().iter().zip(before))
                    .filter(|(_, (now, then))| **now > *then)
                    .map(|((counter, _), _)| *counter)
                    .collect();
                judge(hook, frame, outcome, &answer, &counted)
                    .map_err(|difference| format!("step {number}: {difference}"))?;
            }
        }
    }
    Ok(())
}

fn judge(
    hook: Hook,
    before: &[u8],
    outcome: &Outcome,
    answer: &Answer,
    counted: &[Counter],
) -> Result<(), String> {
    let (code, frame, reason) = match outcome {
        Outcome::Answer(reason, frame) => (hook.redirect(), Some(&frame[..]), Some(*reason)),
        Outcome::Drop(reason) => (hook.drop(), None, Some(*reason)),
        Outcome::Forward(_, frame) => (hook.redirect(), Some(&frame[..]), None),
        Outcome::Held if hook == Hook::Tcx => (hook.drop(), Some(before), None),
        Outcome::Host(frame) if hook != Hook::Xdp => (hook.pass(), Some(&frame[..]), None),
        Outcome::Inward(frame) | Outcome::Neighbour(frame) if hook == Hook::Tcx => {
            (hook.redirect(), Some(&frame[..]), None)
        }
        Outcome::Held
        | Outcome::Host(_)
        | Outcome::Inward(_)
        | Outcome::Neighbour(_)
        | Outcome::Pass
        | Outcome::PassCounting(_) => (hook.pass(), Some(before), None),
    };
    if answer.code != code {
        let (is, wants) = (answer.code.cast_signed(), code.cast_signed());
        return Err(format!(
            "action {is} instead of {wants}; counted {counted:?}"
        ));
    }
    let drops: Vec<_> = counted
        .iter()
        .copied()
        .filter(|counter| counter.index() < DROPS)
        .collect();
    if drops != Vec::from_iter(reason) {
        return Err(format!("counted {counted:?} instead of {reason:?}"));
    }
    if let Outcome::PassCounting(event) = outcome
        && !counted.contains(event)
    {
        return Err(format!("counted {counted:?} without {event:?}"));
    }
    let Some(frame) = frame else {
        return Ok(());
    };
    let mut after = answer.frame.clone();
    cases::forget_outer_identification(&mut after);
    if let Outcome::Neighbour(_) = outcome
        && hook == Hook::Tcx
    {
        // the kernel writes the addresses when it has resolved them
        after[..12].copy_from_slice(&frame[..12]);
    }
    if after == frame {
        Ok(())
    } else {
        Err(format!("\n  is    {after:02x?}\n  wants {frame:02x?}"))
    }
}
