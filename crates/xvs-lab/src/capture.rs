//! Captures on every link of several hosts at once.
//!
//! One packet socket a host sees the frames of all its links, those that arrive and those that
//! leave. An XDP program takes frames away before a packet socket sees them, and sends frames that
//! no packet socket of its host sees; both are seen at the far end of the wire, so a capture needs
//! the hosts on both ends.

use std::{
    collections::BTreeMap,
    io, mem,
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use nix::{
    errno::Errno,
    net::if_::if_nameindex,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{Frame, Host, LabError};

/// How long the watcher may take to notice that it shall end.
const NAP_MS: u16 = 20;
/// How long the kernel may take to begin to stamp frames.
const STAMP_LIMIT: Duration = Duration::from_secs(5);
/// Bytes kept of a frame: all headers of a SYN in a tunnel.
const KEPT: usize = 256;

/// One end of a wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The host.
    pub host: String,
    /// The link's name there.
    pub link: String,
}

/// A frame as a packet socket saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When, since 1970.
    pub time: Duration,
    /// Where.
    pub port: Port,
    /// Whether it left the host there; else it arrived.
    pub leaving: bool,
    /// The frame.
    pub frame: Frame,
}

/// A capture that goes on until it is finished or dropped.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    watcher: Option<JoinHandle<Result<Vec<Sighting>, LabError>>>,
}

impl Capture {
    /// Starts to watch all links of `hosts` for frames that carry TCP.
    ///
    /// # Errors
    ///
    /// The kernel refuses a packet socket.
    pub fn start(hosts: &[Host]) -> Result<Self, LabError> {
        let taps = hosts.iter().map(Tap::open).collect::<Result<Vec<_>, _>>()?;
        if let (Some(host), Some(tap)) = (hosts.first(), taps.first()) {
            wait_for_stamps(host, tap)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        Ok(Self {
            stop,
            watcher: Some(thread::spawn(move || watch(&taps, &seen))),
        })
    }

    /// Ends the capture and answers what was seen, in the order of time. Frames that are on their way
    /// are waited for.
    ///
    /// # Errors
    ///
    /// A socket failed meanwhile.
    pub fn finish(mut self) -> Result<Vec<Sighting>, LabError> {
        self.stop.store(true, Ordering::Release);
        let mut sightings = match self.watcher.take().map(JoinHandle::join) {
            Some(Ok(sightings)) => sightings?,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Vec::new(),
        };
        sightings.sort_by_key(|sighting| sighting.time);
        Ok(sightings)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// The packet socket of one host.
struct Tap {
    host: String,
    links: BTreeMap<libc::c_int, String>,
    socket: OwnedFd,
}

impl Tap {
    fn open(host: &Host) -> Result<Self, LabError> {
        let (socket, links) = host
            .namespace()
            .enter(|| Ok((packet_socket()?, links()?)))?
            .map_err(LabError::system::<io::Error>(format!(
                "open a packet socket in `{}`",
                host.name()
            )))?;
        Ok(Self {
            host: host.name().to_owned(),
            links,
            socket,
        })
    }

    /// Reads what has arrived.
    fn drain(&self, sightings: &mut Vec<Sighting>) -> io::Result<()> {
        while let Some(raw) = receive(&self.socket)? {
            let link = self.links.get(&raw.ifindex).filter(|link| *link != "lo");
            let (Some(link), Some(frame)) = (link, Frame::parse(&raw.bytes)) else {
                continue;
            };
            sightings.push(Sighting {
                time: raw.time,
                port: Port {
                    host: self.host.clone(),
                    link: link.clone(),
                },
                leaving: raw.leaving,
                frame,
            });
        }
        Ok(())
    }
}

/// Waits until the kernel stamps frames when they pass: it begins to some time after the first
/// socket asks for it (`net_enable_timestamp` leaves that to a work queue), and until then a frame
/// has the time at which it is read, which would mix up the hops.
fn wait_for_stamps(host: &Host, tap: &Tap) -> Result<(), LabError> {
    let what = format!("stamp frames in `{}`", host.name());
    let deadline = Instant::now() + STAMP_LIMIT;
    while !host
        .namespace()
        .enter(|| stamps_when_passing(tap))?
        .map_err(LabError::system(&what))?
    {
        if Instant::now() > deadline {
            return Err(LabError::TimedOut {
                what: "timestamps of captured frames".to_owned(),
                limit: STAMP_LIMIT,
                hint: String::new(),
            });
        }
    }
    Ok(())
}

/// Whether a frame on the loopback link has the time at which it passed.
fn stamps_when_passing(tap: &Tap) -> io::Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    while receive(&tap.socket)?.is_some() {}
    socket.send_to(&[0], socket.local_addr()?)?;
    thread::sleep(Duration::from_millis(2));
    let before_reading = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(io::Error::other)?;
    Ok(receive(&tap.socket)?.is_some_and(|frame| frame.time < before_reading))
}

fn watch(taps: &[Tap], stop: &AtomicBool) -> Result<Vec<Sighting>, LabError> {
    let mut sightings = Vec::new();
    loop {
        let last = stop.load(Ordering::Acquire);
        let mut polled: Vec<_> = taps
            .iter()
            .map(|tap| PollFd::new(tap.socket.as_fd(), PollFlags::POLLIN))
            .collect();
        match poll(&mut polled, PollTimeout::from(NAP_MS)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(LabError::system("wait for frames")(error)),
        }
        for tap in taps {
            tap.drain(&mut sightings)
                .map_err(LabError::system(format!("capture in `{}`", tap.host)))?;
        }
        if last {
            return Ok(sightings);
        }
    }
}

/// A frame with what the kernel says of it.
struct Raw {
    bytes: Vec<u8>,
    ifindex: libc::c_int,
    leaving: bool,
    time: Duration,
}

/// The links of the namespace of the calling thread, by index.
fn links() -> io::Result<BTreeMap<libc::c_int, String>> {
    let mut links = BTreeMap::new();
    for link in &if_nameindex()? {
        let index = libc::c_int::try_from(link.index()).map_err(io::Error::other)?;
        links.insert(index, link.name().to_string_lossy().into_owned());
    }
    Ok(links)
}

fn packet_socket() -> io::Result<OwnedFd> {
    // `ETH_P_ALL` in network byte order, as packet(7) wants it.
    let protocol = u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?;
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the call takes three integers.
    let descriptor = unsafe { libc::socket(libc::AF_PACKET, kind, i32::from(protocol.to_be())) };
    Errno::result(descriptor)?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    set_option(&socket, libc::SO_TIMESTAMPNS, 1)?;
    set_option(&socket, libc::SO_RCVBUF, 4 << 20)?;
    Ok(socket)
}

fn set_option(socket: &OwnedFd, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to an integer that lives through the call, and `size` is its size.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size,
        )
    };
    Errno::result(answer)?;
    Ok(())
}

/// The next frame; none when nothing waits.
fn receive(socket: &OwnedFd) -> io::Result<Option<Raw>> {
    /// Room for one control message that holds a `timespec`, aligned as `cmsghdr` is.
    #[repr(C, align(8))]
    struct Control([u8; 64]);

    let mut bytes = vec![0; KEPT];
    let mut control = Control([0; 64]);
    // SAFETY: both are plain C structures for which all bits zero is a value.
    let (mut from, mut message): (libc::sockaddr_ll, libc::msghdr) = unsafe { mem::zeroed() };
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen =
        libc::socklen_t::try_from(size_of_val(&from)).map_err(io::Error::other)?;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    // SAFETY: every pointer in `message` is to a local that outlives the call, with its true size.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = match Errno::result(length) {
        Ok(length) => usize::try_from(length).map_err(io::Error::other)?,
        Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
        // The link or its namespace is going down; what was captured stands.
        Err(Errno::ENETDOWN) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    bytes.truncate(length);
    Ok(Some(Raw {
        bytes,
        ifindex: from.sll_ifindex,
        leaving: from.sll_pkttype == libc::PACKET_OUTGOING,
        time: stamp(&message).ok_or_else(|| io::Error::other("a frame has no timestamp"))?,
    }))
}

fn stamp(message: &libc::msghdr) -> Option<Duration> {
    // SAFETY: `recvmsg` has filled the control buffer that `message` points to, which is alive in
    // the caller; the macros stay within it, and the data of a timestamp may be read unaligned.
    let time = unsafe {
        let header = libc::CMSG_FIRSTHDR(message).as_ref()?;
        if (header.cmsg_level, header.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
            return None;
        }
        libc::CMSG_DATA(header)
            .cast::<libc::timespec>()
            .read_unaligned()
    };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}
