//! What changed in the host's network since it was last read.
//!
//! ```text
//!   kernel                            Watcher (no task of its own)                  director
//!  ┌──────────────────────────┐     ┌───────────────────────────────────┐     ┌──────────────────┐
//!  │ link, address, route,    │     │ receive -> pending: Changes       │     │ loop {           │
//!  │ neighbour, rule, nexthop ├────>│  type of message -> a flag        ├────>│   next().await   │
//!  │ multicast groups         │     │  neighbour       -> its key       │     │   read again what│
//!  └──────────────────────────┘     │  ENOBUFS, junk   -> everything    │     │   changed (Host) │
//!    the socket's receive buffer    │ handed out 20 ms after the first  │     │ }                │
//!    holds what nobody reads yet    └───────────────────────────────────┘     └──────────────────┘
//! ```
//!
//! A watcher says *what kind* of thing changed, never what it is now: the reader asks
//! [`Host`](crate::Host), so a lost or late message cannot leave an old value behind. The socket is
//! the only channel, and what waits beside it is one [`Changes`], which merges: a slow reader finds
//! one summary, not a queue. When the kernel lost messages the summary says everything. So does the
//! first summary after opening: a loop over [`Watcher::next`] reads all once and then what changes,
//! with no gap between.

use std::time::Duration;

use futures_util::{Stream, stream};
use netlink_sys::protocols::NETLINK_ROUTE;
use tokio::time::{Instant, sleep_until};

use crate::{
    Changes,
    subscription::{Subscription, Told, WatchError},
};

/// How long changes are gathered, counted from the first: long enough for the burst that one `ip`
/// command makes, short beside the second in which a neighbour is resolved anew.
const GATHER: Duration = Duration::from_millis(20);

/// Bytes of the receive buffer: some ten thousand notifications.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The watched multicast groups (`RTNLGRP_*` of `linux/rtnetlink.h`).
const GROUPS: [u32; 10] = [
    libc::RTNLGRP_LINK,
    libc::RTNLGRP_NEIGH,
    libc::RTNLGRP_IPV4_IFADDR,
    libc::RTNLGRP_IPV4_ROUTE,
    libc::RTNLGRP_IPV4_RULE,
    libc::RTNLGRP_IPV6_IFADDR,
    libc::RTNLGRP_IPV6_ROUTE,
    // A changed IPv6 MTU of a link.
    libc::RTNLGRP_IPV6_IFINFO,
    libc::RTNLGRP_IPV6_RULE,
    libc::RTNLGRP_NEXTHOP,
];

/// Tells what changes in the network namespace in which it was opened.
#[derive(Debug)]
pub struct Watcher {
    subscription: Subscription,
    pending: Changes,
    /// When the pending changes are handed out; none while there are none.
    due: Option<Instant>,
    gather: Duration,
}

impl Watcher {
    /// Subscribes in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// The socket cannot be had.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn open() -> Result<Self, WatchError> {
        Self::with_receive_buffer(RECEIVE_BUFFER)
    }

    /// Like [`Watcher::open`] with a receive buffer of `bytes`, at least 256; less than the default
    /// of 4 MiB makes the kernel lose messages sooner, which costs a reading of everything.
    ///
    /// # Errors
    ///
    /// The socket cannot be had.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn with_receive_buffer(bytes: usize) -> Result<Self, WatchError> {
        let subscription = Subscription::open(NETLINK_ROUTE, &GROUPS, bytes)?;
        Ok(Self {
            subscription,
            pending: Changes::everything(),
            due: Some(Instant::now()),
            gather: GATHER,
        })
    }

    /// Gathers changes for `time` instead of 20 ms: less for whoever must know at once, at the price
    /// of more readings.
    #[must_use]
    pub fn gathering(mut self, time: Duration) -> Self {
        self.gather = time;
        self
    }

    /// Waits for changes and says what has to be read again; the first answer is everything.
    ///
    /// Cancel safe: what was gathered is kept for the next call.
    ///
    /// # Errors
    ///
    /// The socket fails in another way than by losing messages.
    pub async fn next(&mut self) -> Result<Changes, WatchError> {
        loop {
            let Some(due) = self.due else {
                self.receive().await?;
                continue;
            };
            tokio::select! {
                biased;
                () = sleep_until(due) => {
                    self.due = None;
                    return Ok(std::mem::take(&mut self.pending));
                }
                received = self.receive() => received?,
            }
        }
    }

    /// The same as a stream; it ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Changes, WatchError>> {
        stream::unfold(Some(self), |watcher| async {
            let mut watcher = watcher?;
            match watcher.next().await {
                Ok(changes) => Some((Ok(changes), Some(watcher))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Waits for one datagram and adds it to the pending changes.
    async fn receive(&mut self) -> Result<(), WatchError> {
        match self.subscription.next().await? {
            Told::Datagram(datagram) => self.pending.note(datagram),
            Told::Lost => self.pending = Changes::everything(),
        }
        if self.due.is_none() && !self.pending.is_empty() {
            self.due = Some(Instant::now() + self.gather);
        }
        Ok(())
    }
}
