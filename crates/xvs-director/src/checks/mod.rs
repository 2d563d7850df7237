//! The checks part of the daemon: its own thread, so that no check stalls the API, and nothing there
//! stalls a check.
//!
//! ```text
//!   thread `checks` (tokio, one thread)                                      other threads
//!   +----------------------------------------------------------------+
//!   |              Run, Cancel   +--------+  probes (tasks, bounded) |
//!   |  Driver -----------------> | probe  |--results--+              |
//!   |   Checks (the machine) <---+--------+-----------+              |
//!   |     |                                                          |
//!   |     | Apply, Log, Notify in order                              |
//!   |     v                                                          |
//!   |  effects task --fitted ops-------------------------------------|--> Keeper (`dataplane`)
//!   |     log, events, notifications after their ops                 |--> network task: settle
//!   +----------------------------------------------------------------+
//!         ^ configure, plan, status, stop                            <--- API, reload, the daemon
//! ```

mod addresses;
mod alarm;
mod driver;
mod effects;
mod fit;
mod limits;
mod report;
mod session;
mod teller;
mod translate;

use std::{io, sync::Arc, thread};

use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
};
pub(crate) use xvs_check::Release;
use xvs_conf::Config;
use xvs_control::wire::ChecksStatus;
use xvs_types::Op;

use self::driver::Driver;
pub(crate) use self::teller::Teller;
use self::translate::Translated;
pub(crate) use self::translate::translate;
use crate::{
    bfd::BfdSessions,
    network::Network,
    worker::{Ended, Worker},
};

/// What the thread is asked for.
enum Message {
    Configure(Translated, oneshot::Sender<Vec<String>>),
    Plan(Translated, oneshot::Sender<Planned>),
    Status(oneshot::Sender<ChecksStatus>),
    Stop(Release, oneshot::Sender<()>),
}

/// What a configuration would change.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The ops, fitted to the rules.
    pub(crate) ops: Vec<Op>,
    /// Checkers that would start.
    pub(crate) new_checkers: usize,
    /// Checkers that would end.
    pub(crate) gone_checkers: usize,
}

/// A handle to the checks thread.
#[derive(Clone)]
pub(crate) struct ChecksThread {
    messages: mpsc::UnboundedSender<Message>,
    bfd: BfdSessions,
}

impl ChecksThread {
    /// Starts the thread, without anything to check, in the network namespace of the calling thread.
    /// Answers beside the handle a receiver that resolves when the thread ends, also by a panic.
    pub(crate) fn start(
        worker: Worker,
        network: Network,
        bfd: BfdSessions,
        teller: Teller,
    ) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (messages, inbox) = mpsc::unbounded_channel();
        let (alive, ended) = oneshot::channel::<()>();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let sessions = bfd.follow();
        thread::Builder::new()
            .name("checks".to_owned())
            .spawn(move || {
                let _alive = alive;
                runtime.block_on(async {
                    Driver::start(worker, network, sessions, teller)
                        .run(inbox)
                        .await;
                });
            })?;
        Ok((Self { messages, bfd }, ended))
    }

    /// Takes a configuration in place of the one before; answers when it is in force, with what is not
    /// as the configuration says: a line each.
    pub(crate) async fn configure(&self, config: Arc<Config>) -> Result<Vec<String>, Ended> {
        let translated = off_the_runtime(config).await?;
        self.ask(|answer| Message::Configure(translated, answer))
            .await
    }

    /// What another configuration would change.
    pub(crate) async fn plan(&self, config: Arc<Config>) -> Result<Planned, Ended> {
        let translated = off_the_runtime(config).await?;
        self.ask(|answer| Message::Plan(translated, answer)).await
    }

    /// What all checks have found.
    pub(crate) async fn status(&self) -> Result<ChecksStatus, Ended> {
        Ok(ChecksStatus {
            bfd_sessions: self.bfd.status().await,
            ..self.ask(Message::Status).await?
        })
    }

    /// Ends all checks; answers when the rules are as `release` says and everybody was told.
    pub(crate) async fn stop(&self, release: Release) -> Result<(), Ended> {
        self.ask(|done| Message::Stop(release, done)).await
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, Ended> {
        let (answer, answered) = oneshot::channel();
        self.messages
            .send(message(answer))
            .map_err(|_closed| Ended)?;
        answered.await.map_err(|_dropped| Ended)
    }
}

/// Translates a configuration where it holds nobody up: a great one takes a while.
async fn off_the_runtime(config: Arc<Config>) -> Result<Translated, Ended> {
    tokio::task::spawn_blocking(move || translate(&config))
        .await
        .map_err(|_panicked| Ended)
}
