//! Interleaved rounds: every subject once a round, so that what else the machine does meets all alike.

use anyhow::ensure;
use xvs_dataplane::Hook;

use super::{
    frame::Plan,
    tester::{Target, Tester},
};
use crate::{director::Director, row::Row};

/// `XDP_REDIRECT` and `TC_ACT_REDIRECT`.
pub(super) fn redirected(hook: Hook) -> u32 {
    if hook == Hook::Tcx { 7 } else { 4 }
}

/// `XDP_PASS` and `TCX_NEXT`.
pub(super) fn passed(hook: Hook) -> u32 {
    if hook == Hook::Tcx { u32::MAX } else { 2 }
}

/// Something to run.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) hook: Hook,
    pub(super) target: Target,
    pub(super) plan: Plan,
    /// What it must answer.
    pub(super) answer: u32,
    /// Which subject is its floor; its own index for none.
    pub(super) floor: usize,
    /// Nanoseconds over the floor that it may take.
    pub(super) limit: Option<f64>,
}

/// The floors that every group of subjects begins with.
pub(super) struct Floors;

impl Floors {
    pub(super) const XDP: usize = 0;
    pub(super) const TCX: usize = 1;
    pub(super) const GROW4: usize = 2;
    pub(super) const GROW6: usize = 3;

    pub(super) fn subjects(tester: &Tester, plan: Plan) -> anyhow::Result<Vec<Subject>> {
        let subject = |name: &str, hook, program: &str, floor| -> anyhow::Result<Subject> {
            Ok(Subject {
                name: name.to_owned(),
                hook,
                target: tester.target(program)?,
                plan,
                answer: passed(hook),
                floor,
                limit: None,
            })
        };
        Ok(vec![
            subject("XDP, entry alone", Hook::Xdp, "floor_xdp_return", Self::XDP)?,
            subject("tcx, entry alone", Hook::Tcx, "floor_tcx_return", Self::TCX)?,
            subject(
                "XDP, room for IPv4 made",
                Hook::Xdp,
                "floor_xdp_grow4",
                Self::GROW4,
            )?,
            subject(
                "XDP, room for IPv6 made",
                Hook::Xdp,
                "floor_xdp_grow6",
                Self::GROW6,
            )?,
        ])
    }

    /// The floor of a hook.
    pub(super) fn of(hook: Hook) -> usize {
        if hook == Hook::Tcx {
            Self::TCX
        } else {
            Self::XDP
        }
    }
}

/// Runs the subjects, all in each round; answers the nanoseconds of each, round by round.
pub(super) fn run(
    tester: &mut Tester,
    director: &mut Director,
    subjects: &mut [Subject],
    rounds: u32,
    repeat: u32,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::new(); subjects.len()];
    let (ifindex, _) = director.clients();
    for round in 0..=rounds {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            // The daemon's sign of life: without it the programs ask the kernel for each next hop.
            director.keep_alive();
            let repeat = if round == 0 { repeat / 4 + 1 } else { repeat };
            let run = tester.run(
                subject.hook,
                &subject.target,
                &mut subject.plan,
                ifindex,
                repeat,
            )?;
            ensure!(
                run.answer == subject.answer,
                "`{}` was answered by {} instead of {}: it is not what it says",
                subject.name,
                run.answer.cast_signed(),
                subject.answer.cast_signed()
            );
            // The first round warms the caches up.
            if round > 0 {
                times.push(f64::from(run.nanoseconds));
            }
        }
    }
    Ok(times)
}

/// The rows of subjects beside their floors.
pub(super) fn rows(subjects: &[Subject], times: &[Vec<f64>]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, (subject, values)) in subjects.iter().zip(times).enumerate() {
        if subject.floor == index {
            rows.push(Row::new(&subject.name, "ns", values));
            continue;
        }
        let floor = (&*subjects[subject.floor].name, &*times[subject.floor]);
        let row = Row::over(&subject.name, "ns", values, floor);
        rows.push(match subject.limit {
            Some(limit) => row.net_at_most(limit),
            None => row,
        });
    }
    rows
}
