//! When the next check is due, to the microsecond.
//!
//! The runtime's own timers round up to milliseconds. A check that waits for one a few times from the death
//! of a real server to its removal would be that much later than those of keepalived, which has a timer of
//! the kernel; so it has one too (`timerfd_create(2)`).

use std::{
    future, io,
    os::fd::{AsFd, AsRawFd, RawFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use tokio::io::unix::AsyncFd;
use tracing::warn;

/// A timer for one moment at a time.
pub(super) struct Alarm {
    /// None when the kernel gives none: the runtime's timers do it then.
    timer: Option<AsyncFd<Timer>>,
    /// The moment it was set for last.
    set: Option<Instant>,
}

struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// Within a runtime.
    pub(super) fn new() -> Self {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)
            .map_err(io::Error::from)
            // SAFETY: the timer owns its descriptor, answers the same one always and closes it when it is
            // dropped, which the registration sees to.
            .and_then(|timer| Ok(unsafe { AsyncFd::register(Timer(timer)) }?));
        let timer = timer.inspect_err(|error| {
            warn!(%error, "no timer from the kernel: checks begin up to 2 ms late");
        });
        Self {
            timer: timer.ok(),
            set: None,
        }
    }

    /// Waits until `due`; for ever when nothing is. Who drops this and asks again loses nothing.
    pub(super) async fn at(&mut self, due: Option<Instant>) {
        let Some(due) = due else {
            return future::pending().await;
        };
        let Some(timer) = &self.timer else {
            return tokio::time::sleep_until(due.into()).await;
        };
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            // What it was set for before may have passed without anybody waiting: only time tells.
            if self.set.replace(due) != Some(due)
                && let Err(error) = timer.get_ref().set(left)
            {
                warn!(%error, "the kernel's timer is not set");
                self.set = None;
                return tokio::time::sleep_until(due.into()).await;
            }
            match timer.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is ending, and whoever waits with it.
                Err(_ending) => return future::pending().await,
            }
        }
    }
}

impl Timer {
    /// From now on it is for this moment alone; what it told before is forgotten.
    fn set(&self, left: Duration) -> Result<(), Errno> {
        let once = Expiration::OneShot(left.into());
        self.0.set(once, TimerSetTimeFlags::empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn it_waits_until_then_and_neither_shorter_nor_much_longer() {
        let mut alarm = Alarm::new();
        for milliseconds in [3_u64, 0, 1, 7] {
            let due = Instant::now() + Duration::from_millis(milliseconds);
            alarm.at(Some(due)).await;
            assert!(Instant::now() >= due);
            assert!(due.elapsed() < Duration::from_secs(1));
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn another_moment_takes_the_place_of_the_one_before() {
        let mut alarm = Alarm::new();
        let far = Instant::now() + Duration::from_secs(3600);
        let short = Duration::from_millis(5);
        let given_up = tokio::time::timeout(short, alarm.at(Some(far))).await;
        assert!(given_up.is_err());
        let near = Instant::now() + short;
        alarm.at(Some(near)).await;
        assert!(Instant::now() >= near && near.elapsed() < Duration::from_secs(60));
        // One that has passed already is now, whatever it was set for.
        alarm.at(Some(near)).await;
        let nothing = tokio::time::timeout(short, alarm.at(None)).await;
        assert!(nothing.is_err());
    }
}
