//! Taking a director through a scenario.

use std::time::Duration;

use crate::{
    Director, Network, Output, Scenario, Seen, Step, compare,
    host::{self, Packet},
    receiver::{Receiver, is_fragment},
    record::{LATE, LISTINGS, MOMENT},
};

/// How long the recorder listened after a frame, in milliseconds.
const QUIET: u64 = 8;

/// Takes `director` through `scenario` and answers every difference, a line each.
pub fn replay(scenario: &Scenario, network: &Network, director: &mut dyn Director) -> Vec<String> {
    let mut replay = Replay {
        network,
        director,
        waiting: false,
        passed: 0,
        differences: Vec::new(),
        receivers: has_fragments(scenario).then(Default::default),
    };
    for setup in &scenario.setup {
        let answer = replay.director.run(&setup.cmd);
        if answer.status != setup.rc {
            let (status, stderr) = (answer.status, answer.stderr.trim());
            replay.differs(format!("setup `{}`: status {status}, {stderr}", setup.cmd));
            // What follows would be about another director.
            return replay.differences;
        }
    }
    for (number, step) in scenario.steps.iter().enumerate() {
        replay.step(number, step);
    }
    let late = replay.director.listen(LATE);
    replay.meanwhile("late", &scenario.late, &late);
    replay.compare_receivers();
    for command in LISTINGS {
        if let Some(expected) = scenario.listings.get(command) {
            let answer = replay.director.run(command);
            replay.list(
                &format!("final `{command}`"),
                command,
                expected,
                &answer.stdout,
            );
        }
    }
    replay.differences
}

struct Replay<'a> {
    network: &'a Network,
    director: &'a mut dyn Director,
    /// A frame waits for its neighbour: the host asks, and says so when nobody answers.
    waiting: bool,
    /// Milliseconds that passed on the recorded director.
    passed: u64,
    differences: Vec<String>,
    /// Where there are fragments, what receivers get is compared instead of frames: as recorded, as seen.
    receivers: Option<(Receiver, Receiver)>,
}

/// Whether fragments come in or go out.
fn has_fragments(scenario: &Scenario) -> bool {
    let step = |step: &Step| match step {
        Step::Inject { frame, out, .. } => {
            is_fragment(frame) || out.iter().any(|output| is_fragment(&output.frame))
        }
        Step::Exec { .. } | Step::Wait { .. } => false,
    };
    scenario.steps.iter().any(step)
}

impl Replay<'_> {
    fn differs(&mut self, what: String) {
        self.differences.push(what);
    }

    fn differ(&mut self, place: &str, what: Option<String>) {
        self.differences
            .extend(what.map(|what| format!("{place}: {what}")));
    }

    fn list(&mut self, place: &str, command: &str, expected: &str, seen: &str) {
        let recorded = Duration::from_millis(self.passed);
        let late = self.director.elapsed().unwrap_or_default();
        let late = late.saturating_sub(recorded).as_secs();
        self.differ(place, compare::listing(command, expected, seen, late));
    }

    fn step(&mut self, number: usize, step: &Step) {
        match step {
            Step::Exec {
                cmd,
                rc,
                stdout,
                stderr,
                out,
            } => {
                let place = format!("step {number} `{cmd}`");
                let answer = self.director.run(cmd);
                if answer.status != *rc || answer.stderr != *stderr {
                    let (status, message) = (answer.status, answer.stderr.trim());
                    self.differs(format!("{place}: status {status}, {message:?}"));
                }
                self.list(&place, cmd, stdout, &answer.stdout);
                let seen = self.director.listen(MOMENT);
                self.meanwhile(&place, out, &seen);
            }
            Step::Inject { leg, frame, out } => {
                let place = format!("step {number} (frame by {leg})");
                self.passed += QUIET;
                let seen = self.director.inject(leg, frame, out.len());
                match seen.unwrap_or_else(|error| {
                    self.differs(format!("{place}: {error}"));
                    Seen::nothing()
                }) {
                    Seen::Passed(passed) => match host::objection(self.network, frame, out) {
                        Some(objection) => self.differs(format!("{place}: {objection}")),
                        None => self.host_sends(&place, frame, &passed, out),
                    },
                    Seen::Waiting => {
                        // The host asks for the first one; the others wait in silence.
                        if out.is_empty() && !self.waiting {
                            self.differs(format!("{place}: waits for its neighbour"));
                        }
                        self.waiting = true;
                        self.meanwhile(&place, out, &Seen::nothing());
                    }
                    Seen::Frames(frames) => self.frames(&place, out, &frames),
                }
            }
            Step::Wait { ms, out } => {
                self.passed += ms;
                let seen = self.director.wait(*ms);
                self.meanwhile(&format!("step {number} (wait)"), out, &seen);
            }
        }
    }

    /// Has the host send what was recorded to leave, when `frame` was passed to it as `passed`.
    fn host_sends(&mut self, place: &str, frame: &[u8], passed: &[u8], expected: &[Output]) {
        for output in expected {
            let sent = host::before_the_director(frame, passed, &output.frame);
            match self.director.leave(&output.leg, &sent) {
                Ok(Seen::Frames(left)) => self.frames(place, std::slice::from_ref(output), &left),
                Ok(_other) => self.differs(format!("{place}: nothing left")),
                Err(error) => self.differs(format!("{place}: {error}")),
            }
        }
    }

    /// Compares what left without a frame that came in.
    fn meanwhile(&mut self, place: &str, expected: &[Output], seen: &Seen) {
        if let Seen::Frames(frames) = seen
            && !frames.is_empty()
        {
            self.frames(place, expected, frames);
            return;
        }
        if self.receivers.is_some() {
            self.frames(place, expected, &[]);
            return;
        }
        let waiting = self.waiting;
        for output in expected {
            if !(waiting && host::is_about_a_neighbour(&output.frame)) {
                self.differs(format!("{place}: a frame on {} expected", output.leg));
            }
        }
    }

    /// Compares what receivers got in the end.
    fn compare_receivers(&mut self) {
        let Some((wanted, got)) = self.receivers.take() else {
            return;
        };
        let got: Vec<(String, Vec<u8>)> = got
            .whole
            .into_iter()
            .map(|output| (output.leg, output.frame))
            .collect();
        self.frames("receivers", &wanted.whole, &got);
    }

    fn frames(&mut self, place: &str, expected: &[Output], seen: &[(String, Vec<u8>)]) {
        if let Some((wanted, got)) = &mut self.receivers {
            expected
                .iter()
                .for_each(|output| wanted.take(output.clone()));
            for (leg, frame) in seen {
                got.take(Output {
                    leg: leg.clone(),
                    frame: frame.clone(),
                    varies: Vec::new(),
                });
            }
            return;
        }
        if expected.len() != seen.len() {
            let (wants, has) = (expected.len(), seen.len());
            let shown: Vec<String> = seen.iter().map(|(leg, frame)| shown(leg, frame)).collect();
            let shown = shown.join(", ");
            self.differs(format!(
                "{place}: {wants} frames expected, {has} seen: {shown}"
            ));
            return;
        }
        for (output, (leg, frame)) in expected.iter().zip(seen) {
            self.differ(place, compare::frame(output, leg, frame));
        }
    }
}

/// What can be told of a frame in a few words.
fn shown(leg: &str, frame: &[u8]) -> String {
    let Some(packet) = Packet::of(frame) else {
        let kind = frame.get(12..14).unwrap_or_default();
        return format!("{} bytes of type {kind:02x?} on {leg}", frame.len());
    };
    let (from, to) = (packet.source, packet.destination);
    let what = frame.get(packet.l4..).unwrap_or_default();
    let what = what.get(..2).unwrap_or_default();
    format!(
        "{from} to {to}, protocol {}, {what:02x?}, on {leg}",
        packet.protocol
    )
}
