//! The dataplane's thread: jobs one after the other, and each second the work that time brings.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::keeper::Keeper;

/// The distance of heartbeats, expiry and rates.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce(&mut Keeper) + Send>;

enum Message {
    Do(Job),
    Finish {
        keep: bool,
        answer: oneshot::Sender<Vec<String>>,
    },
}

/// A handle to the thread. Jobs wait in line; their senders wait for answers, so the line is no
/// longer than there are senders.
#[derive(Clone)]
pub(crate) struct Worker {
    messages: mpsc::Sender<Message>,
}

/// The thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the dataplane's thread has ended")]
pub(crate) struct Ended;

impl Worker {
    /// Starts the thread. Answers beside the handle a receiver that resolves when the thread ends,
    /// also when it panics.
    pub(crate) fn start(keeper: Keeper) -> std::io::Result<(Self, oneshot::Receiver<()>)> {
        let (messages, inbox) = mpsc::channel();
        let (alive, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("dataplane".to_owned())
            .spawn(move || {
                // Dropped when the thread ends, in whatever way.
                let _alive = alive;
                work(keeper, &inbox);
            })?;
        Ok((Self { messages }, ended))
    }

    /// Runs `job` on the thread and answers what it answers.
    ///
    /// # Errors
    ///
    /// When the thread has ended.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Keeper) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |keeper| {
            // Who asked may have gone away meanwhile; the work is done all the same.
            let _gone = answer.send(job(keeper));
        });
        self.messages
            .send(Message::Do(job))
            .map_err(|_closed| Ended)?;
        answered.await.map_err(|_dropped| Ended)
    }

    /// Ends the thread, with what `keep` says about the datapath. Answers what could not be undone.
    pub(crate) async fn finish(&self, keep: bool) -> Result<Vec<String>, Ended> {
        let (answer, answered) = oneshot::channel();
        self.messages
            .send(Message::Finish { keep, answer })
            .map_err(|_closed| Ended)?;
        answered.await.map_err(|_dropped| Ended)
    }
}

fn work(mut keeper: Keeper, inbox: &mpsc::Receiver<Message>) {
    let mut due = Instant::now();
    loop {
        let now = Instant::now();
        if now >= due {
            keeper.dataplane().housekeep();
            // From now on, not from when it was due: after a pause once is enough.
            due = now + HOUSEKEEPING;
        }
        match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(Message::Do(job)) => job(&mut keeper),
            Ok(Message::Finish { keep, answer }) => {
                let _gone = answer.send(keeper.dataplane().finish(keep));
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
