//! What clients do meanwhile: short connections, and one that lasts.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde::Serialize;

use super::plan::VIP;
use crate::{Host, LabError};

/// When a request counts as failed.
const LIMIT: Duration = Duration::from_millis(500);
/// The distance of two requests.
const PACE: Duration = Duration::from_millis(20);

/// What came of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Requests on connections of their own that were answered.
    pub(crate) answered: u64,
    /// Those that were not, within half a second.
    pub(crate) failed: u64,
    /// Lasting connections that broke: nobody but the director that made one knows of it.
    pub(crate) broken: u64,
}

impl Counts {
    /// What came since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            answered: self.answered - before.answered,
            failed: self.failed - before.failed,
            broken: self.broken - before.broken,
        }
    }
}

/// Clients at work; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    answered: AtomicU64,
    failed: AtomicU64,
    broken: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Starts on `client`.
    pub(super) fn start(client: &Host) -> Result<Self, LabError> {
        let shared: Arc<Shared> = Arc::default();
        let mut threads = Vec::new();
        for work in [short as fn(&Shared), long] {
            let shared = Arc::clone(&shared);
            let namespace = client.namespace().clone();
            threads.push(thread::spawn(move || {
                // A namespace that is gone has no clients any more.
                let _gone = namespace.enter(|| work(&shared));
            }));
        }
        Ok(Self { shared, threads })
    }

    /// What came of all requests so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            answered: self.shared.answered.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            broken: self.shared.broken.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

fn short(shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        let answered = connect().is_some_and(|mut stream| ask(&mut stream).is_some());
        let counter = if answered {
            &shared.answered
        } else {
            &shared.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PACE);
    }
}

fn long(shared: &Shared) {
    let mut stream = None;
    while !shared.stop.load(Ordering::Relaxed) {
        if let Some(open) = &mut stream {
            if ask(open).is_none() {
                shared.broken.fetch_add(1, Ordering::Relaxed);
                stream = None;
            }
        } else {
            stream = connect();
        }
        thread::sleep(PACE);
    }
}

fn connect() -> Option<TcpStream> {
    let address: SocketAddr = format!("{VIP}:80").parse().ok()?;
    let stream = TcpStream::connect_timeout(&address, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// One request on a connection that stays open.
fn ask(stream: &mut TcpStream) -> Option<()> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: vip\r\n\r\n")
        .ok()?;
    let mut answer = Vec::new();
    let mut part = [0; 2_048];
    // Head and body may come apart; the page is one line.
    while !is_whole(&answer) {
        let length = stream.read(&mut part).ok()?;
        answer.extend(part.get(..length).filter(|part| !part.is_empty())?);
    }
    answer.starts_with(b"HTTP/1.1 200").then_some(())
}

fn is_whole(answer: &[u8]) -> bool {
    let body = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .and_then(|end| answer.get(end + 4..));
    body.is_some_and(|body| body.ends_with(b"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_line() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nServer: nginx\r\n"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\n\r\nweb"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\n\r\nweb1\n"));
    }
}
