//! Deliveries that may fail and are tried again: mail and the webhook.
//!
//! One at a time and in order; each is tried a few times, with growing pauses. What waits meanwhile is
//! bounded by its [`Outbox`].

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::Instant};
use tracing::{info, warn};

use crate::{
    counters::{Counters, SinkCounters},
    outbox::Outbox,
};

/// How often and for how long something is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Tries of one delivery, at least 1; default 3.
    pub tries: u32,
    /// Time before the second try, doubled before each further one; default 5 s.
    pub pause: Duration,
    /// Deliveries that wait; default 1024.
    pub waiting: usize,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            tries: 3,
            pause: Duration::from_secs(5),
            waiting: 1_024,
        }
    }
}

/// Why something was not delivered.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Undelivered {
    pub(crate) reason: String,
    /// Another try would end the same way.
    pub(crate) for_good: bool,
}

impl Undelivered {
    /// Another try may help.
    pub(crate) fn so_far(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            for_good: false,
        }
    }

    pub(crate) fn for_good(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            for_good: true,
        }
    }
}

/// A way to deliver.
pub(crate) trait Carrier: Send + Sync + 'static {
    /// What is delivered.
    type Item: Send + Sync + 'static;
    /// What it is called in the log: `mail`.
    const WHAT: &'static str;
    /// One try; ends by itself.
    fn carry(&self, item: &Self::Item) -> impl Future<Output = Result<(), Undelivered>> + Send;
    /// Where it is counted.
    fn counters(counters: &Counters) -> &SinkCounters;
}

/// The queue in front of a carrier and the task behind it.
#[derive(Debug)]
pub(crate) struct Courier<C: Carrier> {
    outbox: Outbox<C::Item>,
    task: JoinHandle<()>,
    counters: Arc<Counters>,
}

impl<C: Carrier> Courier<C> {
    pub(crate) fn start(carrier: C, retries: Retries, counters: &Arc<Counters>) -> Self {
        let outbox = Outbox::new(retries.waiting);
        let task = tokio::spawn(deliver(
            carrier,
            retries,
            outbox.clone(),
            Arc::clone(counters),
        ));
        Self {
            outbox,
            task,
            counters: Arc::clone(counters),
        }
    }

    pub(crate) fn send(&self, item: C::Item) {
        if self.outbox.push(item).is_some() && C::counters(&self.counters).lost.add() == 0 {
            warn!("too much {} waits: the oldest is lost", C::WHAT);
        }
    }

    /// Takes nothing more; what waits is still delivered, in the background.
    pub(crate) fn retire(self) {
        self.outbox.close();
    }

    /// Lets what waits go out, at most until `end`.
    pub(crate) async fn close(self, end: Instant) {
        self.outbox.close();
        let mut task = self.task;
        if tokio::time::timeout_at(end, &mut task).await.is_err() {
            warn!("{} that waits is lost by the shutdown", C::WHAT);
            task.abort();
        }
    }
}

async fn deliver<C: Carrier>(
    carrier: C,
    retries: Retries,
    outbox: Outbox<C::Item>,
    counters: Arc<Counters>,
) {
    while let Some(item) = outbox.pop().await {
        let sink = C::counters(&counters);
        if deliver_one(&carrier, &item, retries).await {
            sink.done.add();
        } else {
            sink.failed.add();
        }
    }
}

async fn deliver_one<C: Carrier>(carrier: &C, item: &C::Item, retries: Retries) -> bool {
    let mut pause = retries.pause;
    let mut tried = 1;
    loop {
        match carrier.carry(item).await {
            Ok(()) => return true,
            Err(error) if error.for_good || tried >= retries.tries => {
                warn!("{} not delivered: {error}", C::WHAT);
                return false;
            }
            Err(error) => info!("{} not delivered, tried again: {error}", C::WHAT),
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2);
        tried += 1;
    }
}
