//! What the pair of directors showed.

use std::fmt::{self, Write};

use serde::Serialize;

use super::load::Counts;
use crate::{HaArgs, HaPeer};

/// One thing that broke or came back, and what it cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Phase {
    /// What was done.
    pub(crate) what: String,
    /// Milliseconds until the other director answered; none where none had to.
    pub(crate) taken_over_ms: Option<f64>,
    /// The longest time in which nobody answered, in milliseconds.
    pub(crate) outage_ms: f64,
    /// What came of clients' requests.
    #[serde(flatten)]
    pub(crate) load: Counts,
}

/// The timeline of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HaReport {
    /// 2 or 3.
    version: u8,
    /// Seconds between two advertisements.
    interval: String,
    /// What director 2 is.
    peer: &'static str,
    phases: Vec<Phase>,
    /// What should have been and was not.
    pub(crate) problems: Vec<String>,
}

impl HaReport {
    pub(crate) fn new(arguments: &HaArgs, phases: Vec<Phase>) -> Self {
        let xvs_alone = arguments.peer.is_none();
        let mut problems = Vec::new();
        // The last phase: everybody is there, so everybody is served.
        if let Some(last) = phases.last()
            && last.load.answered == 0
        {
            problems.push("no request was answered at the end".to_owned());
        }
        for phase in phases.iter().filter(|_phase| xvs_alone) {
            if phase.load.answered == 0 {
                problems.push(format!("{}: no request was answered", phase.what));
            }
        }
        Self {
            version: if arguments.v3 { 3 } else { 2 },
            interval: arguments.interval.clone(),
            peer: match arguments.peer {
                Some(HaPeer::Keepalived) => "keepalived",
                None => "xvs",
            },
            phases,
            problems,
        }
    }

    /// The timeline for people.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        writeln!(
            text,
            "two directors share 10.99.0.100: VRRP version {}, every {} s; director2 is {}\n",
            self.version, self.interval, self.peer
        )?;
        writeln!(
            text,
            "{:<40} {:>12} {:>10} {:>9} {:>7} {:>7}",
            "WHAT HAPPENS", "TAKEN OVER", "OUTAGE", "ANSWERED", "FAILED", "BROKEN"
        )?;
        for phase in &self.phases {
            let taken = phase
                .taken_over_ms
                .map_or_else(|| "-".to_owned(), |time| format!("{time:.1} ms"));
            writeln!(
                text,
                "{:<40} {taken:>12} {:>7.1} ms {:>9} {:>7} {:>7}",
                phase.what,
                phase.outage_ms,
                phase.load.answered,
                phase.load.failed,
                phase.load.broken
            )?;
        }
        writeln!(
            text,
            "\nOUTAGE is the longest time in which nobody answered a probe each millisecond. FAILED \
             requests had no answer\nwithin 0.5 s. BROKEN connections lasted over a takeover: the other \
             director does not know them."
        )?;
        Ok(text)
    }
}
