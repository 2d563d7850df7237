//! Real servers that keep when who came.

use std::{
    collections::HashMap,
    fs::File,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    os::fd::AsFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::support::Place;

/// A check that came: when, to which real server, from where.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) at: SystemTime,
    pub(crate) to: IpAddr,
    pub(crate) from: IpAddr,
}

/// Listeners in a place; they end with this.
pub(crate) struct Servers {
    listeners: Arc<Mutex<HashMap<Ipv4Addr, TcpListener>>>,
    visits: Arc<Mutex<Vec<Visit>>>,
    stop: Arc<AtomicBool>,
    namespace: String,
    thread: Option<thread::JoinHandle<()>>,
}

/// The port of all real servers.
pub(crate) const PORT: u16 = 80;
/// How long a listener that was added waits for its first look, in milliseconds.
const LOOK: u8 = 5;

impl Servers {
    /// None yet, in the network namespace of `place`.
    pub(crate) fn new(place: &Place) -> Self {
        let listeners: Arc<Mutex<HashMap<Ipv4Addr, TcpListener>>> = Arc::default();
        let visits: Arc<Mutex<Vec<Visit>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (listeners, visits, stop) = (
                Arc::clone(&listeners),
                Arc::clone(&visits),
                Arc::clone(&stop),
            );
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let came = accept(&listeners.lock().unwrap());
                    visits.lock().unwrap().extend(came);
                    // Whoever starts or kills one has a moment for it.
                    thread::yield_now();
                }
            }
        });
        Self {
            listeners,
            visits,
            stop,
            namespace: format!("/proc/{}/ns/net", place.pid()),
            thread: Some(thread),
        }
    }

    /// Starts one at `address`, or with the unspecified one at all.
    pub(crate) fn start(&self, address: Ipv4Addr) {
        let namespace = self.namespace.clone();
        let listener = thread::spawn(move || {
            // This thread alone moves; a socket stays where it was made.
            let namespace = File::open(namespace).unwrap();
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let listener = socket2::Socket::new(
                socket2::Domain::IPV4,
                socket2::Type::STREAM,
                Some(socket2::Protocol::TCP),
            )
            .unwrap();
            listener.set_reuse_address(true).unwrap();
            listener
                .bind(&SocketAddr::from((address, PORT)).into())
                .unwrap();
            listener.listen(4096).unwrap();
            listener.set_nonblocking(true).unwrap();
            TcpListener::from(listener)
        });
        let listener = listener.join().unwrap();
        self.listeners.lock().unwrap().insert(address, listener);
    }

    /// Ends one: from now on its port answers with RST.
    pub(crate) fn kill(&self, address: Ipv4Addr) {
        drop(self.listeners.lock().unwrap().remove(&address));
    }

    /// Who came since this was asked last.
    pub(crate) fn take_visits(&self) -> Vec<Visit> {
        std::mem::take(&mut self.visits.lock().unwrap())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// Takes who waits at any listener; waits a moment for the first.
fn accept(listeners: &HashMap<Ipv4Addr, TcpListener>) -> Vec<Visit> {
    let mut waiting: Vec<PollFd<'_>> = listeners
        .values()
        .map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN))
        .collect();
    if waiting.is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    poll(&mut waiting, PollTimeout::from(LOOK)).unwrap();
    let ready: Vec<bool> = waiting.iter().map(|one| one.any() == Some(true)).collect();
    let mut visits = Vec::new();
    for (listener, _) in listeners.values().zip(ready).filter(|(_, ready)| *ready) {
        while let Ok((stream, from)) = listener.accept() {
            visits.push(Visit {
                at: SystemTime::now(),
                to: stream.local_addr().unwrap().ip(),
                from: from.ip(),
            });
        }
    }
    visits
}
