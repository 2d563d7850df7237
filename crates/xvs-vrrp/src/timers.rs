//! The deadlines of one virtual router.

use std::time::Instant;

/// What a virtual router waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A master's next advertisement.
    Advert,
    /// The second burst of announcements after a takeover or a conflict.
    AnnounceAgain,
    /// A backup gives up waiting for the master.
    MasterDown,
    /// A lower priority master may be preempted.
    PreemptDelay,
    /// The slow announcement of what a master holds.
    Refresh,
    /// Lost addresses may be put back.
    Restore,
}

const COUNT: usize = 6;

impl Timer {
    const ALL: [Self; COUNT] = [
        Self::Advert,
        Self::AnnounceAgain,
        Self::MasterDown,
        Self::PreemptDelay,
        Self::Refresh,
        Self::Restore,
    ];

    fn index(self) -> usize {
        match self {
            Self::Advert => 0,
            Self::AnnounceAgain => 1,
            Self::MasterDown => 2,
            Self::PreemptDelay => 3,
            Self::Refresh => 4,
            Self::Restore => 5,
        }
    }
}

/// One deadline for each [`Timer`], and the first of them at hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    deadlines: [Option<Instant>; COUNT],
    /// The least deadline: asked for far more often than a timer is set.
    next: Option<Instant>,
}

impl Timers {
    /// Sets `timer` to `deadline`, whatever it was.
    pub(crate) fn set(&mut self, timer: Timer, deadline: Instant) {
        self.deadlines[timer.index()] = Some(deadline);
        self.find_next();
    }

    /// Stops `timer`.
    pub(crate) fn clear(&mut self, timer: Timer) {
        self.deadlines[timer.index()] = None;
        self.find_next();
    }

    /// Stops all timers.
    pub(crate) fn clear_all(&mut self) {
        *self = Self::default();
    }

    /// The timer that expired first at `now`, with its deadline; it is stopped.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(Timer, Instant)> {
        let due = self.next.filter(|next| *next <= now)?;
        let timer = Timer::ALL
            .into_iter()
            .find(|timer| self.deadlines[timer.index()] == Some(due))?;
        self.clear(timer);
        Some((timer, due))
    }

    /// The deadline of `timer` while it runs.
    pub(crate) fn deadline(&self, timer: Timer) -> Option<Instant> {
        self.deadlines[timer.index()]
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    fn find_next(&mut self) {
        self.next = self.deadlines.iter().flatten().min().copied();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_expire_in_the_order_of_their_deadlines_and_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set(Timer::Advert, at(30));
        timers.set(Timer::Refresh, at(10));
        timers.set(Timer::MasterDown, at(20));
        timers.clear(Timer::MasterDown);
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.expire(at(9)), None);
        assert_eq!(timers.expire(at(40)), Some((Timer::Refresh, at(10))));
        assert_eq!(timers.expire(at(40)), Some((Timer::Advert, at(30))));
        assert_eq!(timers.expire(at(40)), None);
        assert_eq!(timers.next(), None);
    }
}
