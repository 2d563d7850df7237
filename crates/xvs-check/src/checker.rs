//! One checker: when its next check runs, and when results become a change.
//!
//! The first result is final. Later a failure counts only after `retry` further ones, each
//! `delay_before_retry` after the one before. While the server is down there are no retries. A success
//! counts when every URL has succeeded in a row, one each `delay_loop`.

use std::time::{Duration, Instant};

use crate::{CheckerId, Kind, Share, Timing};

/// keepalived starts no check in its first second.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// The state of one checker.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    pub(crate) id: CheckerId,
    pub(crate) kind: Kind,
    pub(crate) timing: Timing,
    pub(crate) urls: usize,
    pub(crate) fast_recovery: bool,
    pub(crate) log_all_failures: bool,
    pub(crate) up: bool,
    /// What its last success said of the weight.
    pub(crate) share: Share,
    pub(crate) schedule: Schedule,
    /// It has answered at least once.
    answered: bool,
    /// It has succeeded or failed for good at least once.
    concluded: bool,
    /// Failures in a row that were not final.
    failures: u32,
    /// URLs that succeeded in a row.
    successes: usize,
    url: usize,
}

/// What a checker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Its virtual server's address is not here.
    Resting,
    /// A result; the check began then.
    Running(Instant),
    /// The next check.
    Waiting(Instant),
}

/// What a result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is down, or was never up; `retries` is none for a first result.
    Down { retries: Option<u32> },
    /// Nothing.
    None,
    /// It is up as before, and this is the first success.
    StillUp,
    /// It is up.
    Up,
}

impl Checker {
    pub(crate) fn new(id: CheckerId, kind: Kind, timing: Timing, alpha: bool) -> Self {
        Self {
            id,
            kind,
            timing,
            urls: 1,
            fast_recovery: false,
            log_all_failures: false,
            up: !alpha,
            share: Share::Configured,
            schedule: Schedule::Resting,
            answered: false,
            concluded: false,
            failures: 0,
            successes: 0,
            url: 0,
        }
    }

    /// Plans the first check; `spread` picks a part of the warmup.
    pub(crate) fn activate(&mut self, now: Instant, spread: &mut dyn FnMut(Duration) -> Duration) {
        let warmup = spread(self.timing.warmup).min(self.timing.warmup);
        let first = match self.kind {
            // Nothing is sent to the real server: its session is listened to.
            Kind::Bfd(_) => Duration::ZERO,
            _ => FIRST_DELAY,
        };
        self.schedule = Schedule::Waiting(now + first + warmup);
    }

    /// The check begins; answers the URL to try.
    pub(crate) fn begin(&mut self, now: Instant) -> usize {
        self.schedule = Schedule::Running(now);
        self.url
    }

    /// Takes a result and plans the next check.
    pub(crate) fn result(&mut self, success: bool, now: Instant) -> Change {
        let began = match self.schedule {
            Schedule::Running(began) => began,
            Schedule::Resting | Schedule::Waiting(_) => now,
        };
        let (change, delay) = if success {
            self.success()
        } else {
            self.failure()
        };
        self.answered = true;
        // The interval of a program counts from its start, as keepalived's does.
        let from = match self.kind {
            Kind::Misc(_) if success => began,
            _ => now,
        };
        self.schedule = Schedule::Waiting((from + delay).max(now));
        change
    }

    /// How many failures in a row were not final.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether any result is in.
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    fn success(&mut self) -> (Change, Duration) {
        let delay = self.timing.delay_loop;
        self.failures = 0;
        self.successes += 1;
        self.url = (self.url + 1) % self.urls.max(1);
        if self.successes < self.urls {
            let hurry = self.fast_recovery && !self.up;
            return (Change::None, if hurry { Duration::ZERO } else { delay });
        }
        let first = !std::mem::replace(&mut self.concluded, true);
        // More than this tells nothing, and a counter must not run over.
        self.successes = self.urls;
        let change = match (std::mem::replace(&mut self.up, true), first) {
            (false, _) => Change::Up,
            (true, true) => Change::StillUp,
            (true, false) => Change::None,
        };
        (change, delay)
    }

    fn failure(&mut self) -> (Change, Duration) {
        self.successes = 0;
        if !self.up && self.answered {
            return (Change::None, self.timing.delay_loop);
        }
        if self.answered && self.failures < self.timing.retry {
            self.failures += 1;
            return (Change::None, self.timing.delay_before_retry);
        }
        let retries = self.answered.then_some(self.failures);
        self.up = false;
        self.concluded = true;
        self.failures = 0;
        self.share = Share::Configured;
        (Change::Down { retries }, self.timing.delay_loop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn checker(urls: usize, alpha: bool) -> Checker {
        let timing = Timing {
            delay_loop: 6 * SECOND,
            retry: 2,
            delay_before_retry: SECOND,
            warmup: 4 * SECOND,
        };
        let mut checker = Checker::new(CheckerId(1), Kind::Tcp, timing, alpha);
        checker.urls = urls;
        checker
    }

    #[test]
    fn the_first_check_comes_after_a_second_and_a_part_of_the_warmup() {
        let now = Instant::now();
        let mut checker = checker(1, false);
        checker.activate(now, &mut |warmup| warmup / 2);
        assert_eq!(checker.schedule, Schedule::Waiting(now + 3 * SECOND));
    }

    #[test]
    fn the_first_failure_is_final_and_later_ones_are_retried() {
        let now = Instant::now();
        let mut first = checker(1, false);
        assert_eq!(first.result(false, now), Change::Down { retries: None });
        let mut later = checker(1, false);
        assert_eq!(later.result(true, now), Change::StillUp);
        for _ in 0..2 {
            assert_eq!(later.result(false, now), Change::None);
            assert_eq!(later.schedule, Schedule::Waiting(now + SECOND));
        }
        assert_eq!(later.result(false, now), Change::Down { retries: Some(2) });
        assert_eq!(later.schedule, Schedule::Waiting(now + 6 * SECOND));
        assert_eq!(later.result(false, now), Change::None);
        assert_eq!(later.result(true, now), Change::Up);
    }

    #[test]
    fn a_success_between_failures_starts_the_retries_anew() {
        let now = Instant::now();
        let mut checker = checker(1, false);
        checker.result(true, now);
        for _ in 0..5 {
            checker.result(false, now);
            checker.result(false, now);
            assert_eq!(checker.result(true, now), Change::None);
        }
        assert!(checker.up);
    }

    #[test]
    fn every_url_must_succeed_and_a_failed_one_is_tried_alone() {
        let now = Instant::now();
        let mut checker = checker(3, true);
        assert_eq!(checker.begin(now), 0);
        assert_eq!(checker.result(true, now), Change::None);
        assert_eq!(checker.begin(now), 1);
        for _ in 0..3 {
            checker.result(false, now);
            assert_eq!(checker.begin(now), 1);
        }
        checker.fast_recovery = true;
        assert_eq!(checker.result(true, now), Change::None);
        assert_eq!(checker.schedule, Schedule::Waiting(now));
        assert_eq!(checker.begin(now), 2);
        checker.result(true, now);
        assert_eq!(checker.begin(now), 0);
        assert_eq!(checker.result(true, now), Change::Up);
    }

    #[test]
    fn the_interval_of_a_program_counts_from_its_start() {
        let now = Instant::now();
        let mut program = checker(1, false);
        program.kind = Kind::Misc("m.sh".into());
        program.begin(now);
        program.result(true, now + 2 * SECOND);
        assert_eq!(program.schedule, Schedule::Waiting(now + 6 * SECOND));
        program.begin(now);
        program.result(true, now + 9 * SECOND);
        assert_eq!(program.schedule, Schedule::Waiting(now + 9 * SECOND));
    }
}
