//! The network task: what the kernel knows about the host, told to the dataplane.
//!
//! ```text
//!   kernel --netlink--> Watcher --what changed--+
//!                                               v
//!   API --Settle, Place, Report--> [ requests ] task --jobs--> dataplane's thread
//!                                               ^  |
//!   every 100 ms: new neighbours ---------------+  +--Host: read, add addresses, keep neighbours
//! ```
//!
//! The task holds a [`View`] of the host, reads again only what changed, and after each change
//! brings the dataplane up to it: local prefixes, routes to real servers, neighbours, links, local
//! addresses. What the API asks for is done when its answer arrives.

mod addresses;
mod detection;
mod feed;
mod footprint;
mod host_settings;
mod kept_ports;
mod links;
mod local_addresses;
mod marks;
mod neighbours;
mod placement;
mod view;

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tracing::{error, warn};
use xvs_control::wire::{HookChoice, Problem};
use xvs_net::{ChangedNeighbours, Changes, Host, WatchError, Watcher};

use self::feed::Feed;
pub(crate) use self::placement::Placed;
use crate::{
    keeper::Keeper,
    worker::{Ended, Worker},
};

/// How often neighbours that new connections need are asked for: the bound on how long a client
/// behind a router that the dataplane does not know yet goes by the slow way.
const NEW_NEIGHBOURS: Duration = Duration::from_millis(100);
/// How often neighbours are asked for that the kernel does not keep resolved by itself: well within
/// the 15 to 45 s for which an answer is good by default (`base_reachable_time`).
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long the task waits before it opens a failed watch anew.
const REOPEN: Duration = Duration::from_secs(1);
/// Requests that may wait; their senders wait for answers, so more cannot be under way.
const REQUESTS: usize = 128;

/// What the network task knows, for the status.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// The links that carry the datapath, or should, each with the reason.
    pub(crate) links: Vec<Placed>,
    /// What is not as it should be.
    pub(crate) warnings: Vec<String>,
}

/// What the links shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Where on its links the datapath runs.
    pub(crate) hook: HookChoice,
    /// The links by name; none when xvs chooses.
    pub(crate) interfaces: Option<Vec<String>>,
}

enum Request {
    Settle(oneshot::Sender<()>),
    Place(Placement, oneshot::Sender<Result<(), Problem>>),
    Report(oneshot::Sender<Report>),
    Finish {
        undo: bool,
        done: oneshot::Sender<()>,
    },
}

/// A handle to the network task.
#[derive(Clone)]
pub(crate) struct Network {
    requests: mpsc::Sender<Request>,
}

impl Network {
    /// Starts the task in the network namespace of the calling thread. Answers beside the handle a
    /// receiver that resolves when the task ends.
    pub(crate) fn start(
        worker: Worker,
        placement: Placement,
    ) -> Result<(Self, oneshot::Receiver<()>), StartNetworkError> {
        let host = Host::open()?;
        let watcher = Watcher::open()?;
        let (requests, inbox) = mpsc::channel(REQUESTS);
        let (alive, ended) = oneshot::channel::<()>();
        let feed = Feed::new(host, worker, placement);
        tokio::spawn(async move {
            let _alive = alive;
            // The dataplane's thread is gone: the daemon is ending and says so itself.
            let _ended = follow(feed, watcher, inbox).await;
        });
        Ok((Self { requests }, ended))
    }

    /// Returns when the dataplane knows all that its present rules need of the network.
    pub(crate) async fn settle(&self) -> Result<(), Ended> {
        self.ask(Request::Settle).await
    }

    /// Changes the links that carry the datapath.
    pub(crate) async fn place(&self, placement: Placement) -> Result<Result<(), Problem>, Ended> {
        self.ask(|answer| Request::Place(placement, answer)).await
    }

    /// What the task knows.
    pub(crate) async fn report(&self) -> Result<Report, Ended> {
        self.ask(Request::Report).await
    }

    /// Ends the task; with `undo`, what was added to links goes and changed settings are given back.
    pub(crate) async fn finish(&self, undo: bool) -> Result<(), Ended> {
        self.ask(|done| Request::Finish { undo, done }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Ended> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(request(answer))
            .await
            .map_err(|_closed| Ended)?;
        answered.await.map_err(|_dropped| Ended)
    }
}

/// The network cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum StartNetworkError {
    /// It cannot be read.
    #[error(transparent)]
    Host(#[from] xvs_net::HostError),
    /// It cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
}

async fn follow(
    mut feed: Feed,
    mut watcher: Watcher,
    mut inbox: mpsc::Receiver<Request>,
) -> Result<(), Ended> {
    let mut new_neighbours = interval(NEW_NEIGHBOURS);
    new_neighbours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ask_again = interval(ASK_AGAIN);
    ask_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Every request is answered from a view of the whole: the first one may come before the first
    // summary.
    feed.follow(&Changes::everything()).await?;
    loop {
        tokio::select! {
            changes = watcher.next() => match changes {
                Ok(changes) => feed.follow(&changes).await?,
                Err(failure) => {
                    error!(error = %failure, "following the network anew");
                    watcher = reopened().await;
                }
            },
            request = inbox.recv() => match request {
                Some(Request::Settle(done)) => {
                    feed.rules_changed().await?;
                    let _gone = done.send(());
                }
                Some(Request::Place(placement, answer)) => {
                    let result = feed.place(placement).await?;
                    let _gone = answer.send(result);
                }
                Some(Request::Report(answer)) => {
                    let _gone = answer.send(feed.report());
                }
                Some(Request::Finish { undo, done }) => {
                    if undo {
                        feed.undo().await?;
                    }
                    let _gone = done.send(());
                    return Ok(());
                }
                None => return Ok(()),
            },
            _tick = new_neighbours.tick(), if feed.needs_neighbours() => {
                feed.neighbours(&ChangedNeighbours::default()).await?;
            }
            _tick = ask_again.tick() => feed.ask_for_neighbours_again().await,
        }
    }
}

async fn reopened() -> Watcher {
    loop {
        tokio::time::sleep(REOPEN).await;
        match Watcher::open() {
            // Its first summary is everything, so nothing that happened meanwhile is missed.
            Ok(watcher) => return watcher,
            Err(error) => warn!(%error, "the network cannot be watched yet"),
        }
    }
}
