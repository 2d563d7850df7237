//! What became of notifications.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Events taken.
    pub events: u64,
    /// Events lost because the notifier itself was overrun.
    pub events_lost: u64,
    /// Scripts; done with status 0.
    pub scripts: SinkCounts,
    /// Lines of all FIFOs.
    pub fifo_lines: SinkCounts,
    /// Mails; one to several recipients is one.
    pub mails: SinkCounts,
    /// Events posted to the webhook.
    pub webhook: SinkCounts,
}

/// Counts of one way to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SinkCounts {
    /// Told.
    pub done: u64,
    /// Tried in vain: a script with another status than 0, killed or out of time; a FIFO that takes
    /// nothing; a server that refuses.
    pub failed: u64,
    /// Never tried, since too many waited.
    pub lost: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) events: Counter,
    pub(crate) events_lost: Counter,
    pub(crate) scripts: SinkCounters,
    pub(crate) fifo_lines: SinkCounters,
    pub(crate) mails: SinkCounters,
    pub(crate) webhook: SinkCounters,
}

#[derive(Debug, Default)]
pub(crate) struct SinkCounters {
    pub(crate) done: Counter,
    pub(crate) failed: Counter,
    pub(crate) lost: Counter,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Counts one; returns how many there were before.
    pub(crate) fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl SinkCounters {
    fn counts(&self) -> SinkCounts {
        SinkCounts {
            done: self.done.value(),
            failed: self.failed.value(),
            lost: self.lost.value(),
        }
    }
}

impl Counters {
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            events: self.events.value(),
            events_lost: self.events_lost.value(),
            scripts: self.scripts.counts(),
            fifo_lines: self.fifo_lines.counts(),
            mails: self.mails.counts(),
            webhook: self.webhook.counts(),
        }
    }
}
