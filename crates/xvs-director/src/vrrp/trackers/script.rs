//! `vrrp_script`: a program that is run again and again.

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{info, warn};
use xvs_conf::config::TrackScript;
use xvs_process::{Ended, Program};
use xvs_vrrp::TrackerStatus;

use super::Teller;

/// Runs `script` for good and tells what comes of it.
pub(super) async fn follow(script: TrackScript, secure: bool, teller: Teller) {
    let mut verdict = Verdict::new(script.rise, script.fall, script.starts_failed);
    if script.starts_failed {
        teller.tell(TrackerStatus::Down);
    }
    let mut ticks = interval_at(Instant::now(), script.interval);
    // One that takes longer than its interval is begun again right after its end.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        let _tick = ticks.tick().await;
        let program = Program::new(&script.script).secured(secure);
        let (succeeded, told) = match program.run(script.timeout).await {
            Ok(Ended::Exited(0)) => (true, "succeeded".to_owned()),
            Ok(Ended::Exited(status)) => (false, format!("failed (exited with status {status})")),
            Ok(Ended::Killed(signal)) => (false, format!("failed (due to signal {signal})")),
            Ok(Ended::TimedOut) => (false, "timed out".to_owned()),
            Err(error) => (false, format!("failed ({error})")),
        };
        if last.as_ref() != Some(&told) {
            info!("Script `{}` now {told}", script.name);
            last = Some(told);
        }
        if let Some(up) = verdict.after(succeeded) {
            if up {
                info!("VRRP_Script({}) succeeded", script.name);
            } else {
                warn!("VRRP_Script({}) failed", script.name);
            }
            teller.tell(if up {
                TrackerStatus::Up
            } else {
                TrackerStatus::Down
            });
        }
    }
}

/// What the results in a row amount to.
#[derive(Clone, Copy, Debug)]
struct Verdict {
    rise: u32,
    fall: u32,
    /// None before the first result.
    up: Option<bool>,
    /// Results in a row that speak against it.
    against: u32,
}

impl Verdict {
    fn new(rise: u32, fall: u32, starts_failed: bool) -> Self {
        Self {
            rise: rise.max(1),
            fall: fall.max(1),
            up: starts_failed.then_some(false),
            against: 0,
        }
    }

    /// The verdict after another result, when it is a new one. The first result decides alone, unless
    /// the script counts as failed from the start.
    fn after(&mut self, succeeded: bool) -> Option<bool> {
        let needed = match self.up {
            None => 1,
            Some(up) if up == succeeded => {
                self.against = 0;
                return None;
            }
            Some(true) => self.fall,
            Some(false) => self.rise,
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.up = Some(succeeded);
        self.up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(mut verdict: Verdict, results: &[bool]) -> Vec<Option<bool>> {
        results.iter().map(|one| verdict.after(*one)).collect()
    }

    #[test]
    fn rise_and_fall_count_results_in_a_row() {
        let results = [true, false, false, true, false, false, false, true, true];
        let (none, up, down) = (None, Some(true), Some(false));
        assert_eq!(
            verdicts(Verdict::new(2, 3, false), &results),
            [up, none, none, none, none, none, down, none, up]
        );
    }

    #[test]
    fn the_first_result_decides_alone_unless_it_starts_failed() {
        assert_eq!(verdicts(Verdict::new(3, 3, false), &[false]), [Some(false)]);
        assert_eq!(
            verdicts(Verdict::new(2, 1, true), &[false, true, true, false]),
            [None, None, Some(true), Some(false)]
        );
    }
}
