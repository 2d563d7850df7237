//! Taking down what another director does in the steps of a recording.

use crate::{Director, Output, Scenario, Seen, Step};

/// How long the recorder listened after the last step, in milliseconds.
pub(crate) const LATE: u64 = 100;
/// How long the recorder listened after a command, in milliseconds.
pub(crate) const MOMENT: u64 = 1;
/// The kernel's counters are as old as its last look at them, which it takes every two seconds.
const COUNTED: u64 = 4_500;
/// The listings of the end, in the order in which they were recorded.
pub(crate) const LISTINGS: [&str; 3] = ["ipvsadm -Ln", "ipvsadm -Lnc", "ipvsadm -Ln --stats"];

/// The same scenario with what `director` answers now, and every frame that leaves it now.
///
/// # Errors
///
/// When a command before the first step fails that did not, or a frame cannot be sent.
pub(crate) fn record(scenario: &Scenario, director: &mut dyn Director) -> Result<Scenario, String> {
    let mut recorded = scenario.clone();
    for setup in &scenario.setup {
        let answer = director.run(&setup.cmd);
        if answer.status != setup.rc {
            let (status, message) = (answer.status, answer.stderr.trim());
            return Err(format!("`{}`: status {status}, {message}", setup.cmd));
        }
    }
    for step in &mut recorded.steps {
        match step {
            Step::Exec {
                cmd,
                rc,
                stdout,
                stderr,
                out,
            } => {
                let answer = director.run(cmd);
                (*rc, *stdout, *stderr) = (answer.status, answer.stdout, answer.stderr);
                *out = outputs(director.listen(MOMENT), out);
            }
            Step::Inject { leg, frame, out } => {
                let seen = director.inject(leg, frame, out.len())?;
                *out = outputs(seen, out);
            }
            Step::Wait { ms, out } => *out = outputs(director.wait(*ms), out),
        }
    }
    recorded.late = outputs(director.listen(LATE), &scenario.late);
    for command in LISTINGS {
        if command.ends_with("--stats") {
            director.wait(COUNTED);
        }
        if let Some(listing) = recorded.listings.get_mut(command) {
            *listing = director.run(command).stdout;
        }
    }
    Ok(recorded)
}

/// The frames that left, with what is known to vary in the frames that left at another time.
fn outputs(seen: Seen, before: &[Output]) -> Vec<Output> {
    let frames = match seen {
        Seen::Frames(frames) => frames,
        Seen::Passed(_) | Seen::Waiting => Vec::new(),
    };
    let alike = frames.len() == before.len();
    let vary = |place: usize, frame: &[u8]| {
        let same = before.get(place).filter(|_| alike);
        let same = same.filter(|output| output.frame.len() == frame.len());
        same.map(|output| output.varies.clone()).unwrap_or_default()
    };
    frames
        .into_iter()
        .enumerate()
        .map(|(place, (leg, frame))| Output {
            leg,
            varies: vary(place, &frame),
            frame,
        })
        .collect()
}
