//! What the client hears of the election: each advertisement, when it came, from whom.

use std::{
    io::IoSliceMut,
    net::Ipv4Addr,
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, poll},
    sys::socket::{
        AddressFamily, IpMembershipRequest, MsgFlags, SockFlag, SockType, recvmsg, setsockopt,
        sockopt::IpAddMembership,
    },
};

use super::probe::in_real_time;
use crate::{Host, LabError};

/// The group of VRRP (RFC 5798 5.1.1.2).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The IP protocol of VRRP.
const PROTOCOL: libc::c_int = 112;

/// An advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advert {
    pub(super) at: Instant,
    pub(super) source: Ipv4Addr,
    /// 0 releases.
    pub(super) priority: u8,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Adverts {
    heard: Arc<Mutex<Vec<Advert>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Adverts {
    /// Listens on `client`, by the link that has `address`.
    pub(super) fn listen(client: &Host, address: Ipv4Addr) -> Result<Self, LabError> {
        let opened = client.namespace().enter(|| open(address))?;
        let socket = opened.map_err(LabError::system("listen to advertisements"))?;
        let heard: Arc<Mutex<Vec<Advert>>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let (kept, stopped) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            in_real_time();
            while !stopped.load(Ordering::Relaxed) {
                use std::os::fd::AsFd;
                let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
                // Now and then it looks whether it shall stop.
                let _none = poll(&mut ready, 50_u16);
                while let Some(advert) = receive(&socket) {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push(advert);
                }
            }
        });
        Ok(Self {
            heard,
            stop,
            thread: Some(thread),
        })
    }

    /// The last one from `source` that was heard before `limit`.
    pub(super) fn last(&self, source: Ipv4Addr, limit: Instant) -> Option<Advert> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of_source = heard.iter().rev();
        of_source
            .find(|advert| advert.source == source && advert.at < limit)
            .copied()
    }

    /// Waits for the next one from `source`.
    pub(super) fn next(&self, source: Ipv4Addr, limit: Duration) -> Option<Advert> {
        let start = Instant::now();
        while start.elapsed() < limit {
            let last = self.last(source, Instant::now());
            if let Some(advert) = last.filter(|advert| advert.at > start) {
                return Some(advert);
            }
            thread::sleep(Duration::from_micros(500));
        }
        None
    }
}

impl Drop for Adverts {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ended = thread.join();
        }
    }
}

fn open(address: Ipv4Addr) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = raw_socket(flags)?;
    setsockopt(
        &socket,
        IpAddMembership,
        &IpMembershipRequest::new(GROUP, Some(address)),
    )?;
    Ok(socket)
}

/// `nix` has no name for the protocol.
fn raw_socket(flags: SockFlag) -> nix::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: the call takes three numbers and no memory.
    let raw = unsafe {
        libc::socket(
            AddressFamily::Inet as libc::c_int,
            SockType::Raw as libc::c_int | flags.bits(),
            PROTOCOL,
        )
    };
    nix::errno::Errno::result(raw)?;
    // SAFETY: the descriptor was just opened and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn receive(socket: &OwnedFd) -> Option<Advert> {
    let mut datagram = [0; 2_048];
    let mut parts = [IoSliceMut::new(&mut datagram)];
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, None, MsgFlags::empty()).ok()?;
    let at = Instant::now();
    let length = received.bytes;
    let bytes = datagram.get(..length)?;
    let source: [u8; 4] = *bytes.get(12..)?.first_chunk()?;
    // Behind an IPv4 header without options.
    let priority = *bytes.get(22)?;
    Some(Advert {
        at,
        source: source.into(),
        priority,
    })
}
