//! A host of the measurement: a network namespace with a thread in it that does what it is told.
//! Threads and programs that it starts are in that namespace too.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, anyhow};

use crate::kernel;

type Order = Box<dyn FnOnce() + Send>;

/// A host; its namespace ends with it.
pub(super) struct Host {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    /// What `ip link set LINK netns` calls it.
    pub(super) number: i32,
}

impl Host {
    /// Makes one.
    pub(super) fn new() -> anyhow::Result<Self> {
        let (orders, told) = mpsc::channel::<Order>();
        let (ready, wait) = mpsc::channel();
        let thread = thread::spawn(move || {
            let made = kernel::own_network().and_then(|()| kernel::unpin());
            // SAFETY: the call has no precondition.
            let number = unsafe { libc::gettid() };
            if ready.send(made.map(|()| number)).is_ok() {
                told.into_iter().for_each(|order| order());
            }
        });
        Ok(Self {
            number: wait.recv().context("start a host")??,
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Has it do something, and waits for it.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        self.run_while(work, || ())
    }

    /// As [`Host::run`], and does `meanwhile` some times a second.
    pub(super) fn run_while<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
        mut meanwhile: impl FnMut(),
    ) -> anyhow::Result<T> {
        let answer = self.start(work)?;
        loop {
            match answer.recv_timeout(Duration::from_millis(200)) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => meanwhile(),
                Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("a host panicked")),
            }
        }
    }

    fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<Receiver<anyhow::Result<T>>> {
        let (give, answer) = mpsc::channel();
        let order: Order = Box::new(move || {
            // Nobody waits any more where the caller gave up.
            let _ = give.send(work());
        });
        let sent = self.orders.as_ref().map(|orders| orders.send(order));
        sent.and_then(Result::ok).context("a host has ended")?;
        Ok(answer)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            crate::say("a host panicked");
        }
    }
}
