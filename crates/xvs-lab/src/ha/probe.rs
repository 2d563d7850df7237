//! The probe: an ICMP echo to the VIP each millisecond, and who answered when.

use std::{
    io::IoSliceMut,
    net::SocketAddrV4,
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recvmsg, sendto, socket,
};

use super::plan::VIP;
use crate::{Host, LabError, interrupt};

/// The distance of two echoes.
const PACE: Duration = Duration::from_millis(1);
/// Names the probe's echoes among others.
const IDENTIFIER: u16 = 0x4841;

/// A running probe; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Probe {
    answers: Arc<Mutex<Vec<(Instant, u8)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Probe {
    /// Starts a probe on `client`.
    pub(super) fn start(client: &Host) -> Result<Self, LabError> {
        let opened = client.namespace().enter(|| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            socket(
                AddressFamily::Inet,
                SockType::Raw,
                flags,
                SockProtocol::Icmp,
            )
        })?;
        let socket = opened.map_err(LabError::system("open a raw socket"))?;
        let answers: Arc<Mutex<Vec<(Instant, u8)>>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let (kept, stopped) = (Arc::clone(&answers), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            in_real_time();
            let mut due = Instant::now();
            let mut sequence = 0_u16;
            while !stopped.load(Ordering::Relaxed) {
                // One that cannot be sent (nobody has the VIP's MAC address) is one without answer.
                let _lost = send(&socket, sequence);
                sequence = sequence.wrapping_add(1);
                due += PACE;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                while let Some(ttl) = receive(&socket) {
                    kept.push((Instant::now(), ttl));
                }
            }
        });
        Ok(Self {
            answers,
            stop,
            thread: Some(thread),
        })
    }

    /// The TTL of the last answer; none when there was none of late.
    pub(super) fn last_answer(&self) -> Option<u8> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, ttl) = answers.last()?;
        (at.elapsed() < PACE * 50).then_some(*ttl)
    }

    /// Waits until the last answer has `ttl`; false when it has not in time.
    pub(super) fn wait_for(&self, ttl: u8, limit: Duration) -> Result<bool, LabError> {
        let deadline = Instant::now() + limit;
        while self.last_answer() != Some(ttl) {
            interrupt::check()?;
            if Instant::now() > deadline {
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(true)
    }

    /// The first answer with `ttl` since `start`.
    pub(super) fn first_answer(&self, start: Instant, ttl: u8) -> Option<Instant> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let first = answers.iter().find(|(at, by)| *at >= start && *by == ttl)?;
        Some(first.0)
    }

    /// The longest time without an answer since `start`, in milliseconds.
    pub(super) fn longest_gap(&self, start: Instant) -> f64 {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = start;
        let mut longest = Duration::ZERO;
        for (at, _ttl) in answers.iter().filter(|(at, _ttl)| *at >= start) {
            longest = longest.max(*at - last);
            last = *at;
        }
        milliseconds(longest.max(last.elapsed()))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends within a millisecond, and has nothing to tell.
            let _ended = thread.join();
        }
    }
}

/// A busy machine must not look like an outage. Where it is refused, figures are a little worse.
pub(super) fn in_real_time() {
    let parameters = libc::sched_param { sched_priority: 60 };
    // SAFETY: the call reads the parameters, which live until it returns; 0 is the calling thread.
    let _refused = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn send(socket: &OwnedFd, sequence: u16) -> nix::Result<usize> {
    let [high, low] = sequence.to_be_bytes();
    let [first, second] = IDENTIFIER.to_be_bytes();
    let mut echo = [8, 0, 0, 0, first, second, high, low];
    let words = echo.chunks_exact(2);
    let sum: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from(folded).unwrap_or(u16::MAX);
    echo[2..4].copy_from_slice(&checksum.to_be_bytes());
    let vip = VIP.parse().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
    let to = SockaddrIn::from(SocketAddrV4::new(vip, 0));
    sendto(socket.as_raw_fd(), &echo, &to, MsgFlags::empty())
}

/// The TTL of the next answer that waits.
fn receive(socket: &OwnedFd) -> Option<u8> {
    let mut datagram = [0; 256];
    loop {
        let mut parts = [IoSliceMut::new(&mut datagram)];
        let received =
            recvmsg::<()>(socket.as_raw_fd(), &mut parts, None, MsgFlags::empty()).ok()?;
        let length = received.bytes;
        let bytes = datagram.get(..length)?;
        // An answer (type 0) with our identifier, behind an IPv4 header without options.
        let ours =
            bytes.get(20) == Some(&0) && bytes.get(24..26) == Some(&IDENTIFIER.to_be_bytes());
        if ours {
            return bytes.get(8).copied();
        }
    }
}
