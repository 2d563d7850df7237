//! A netlink socket that hears what the kernel tells everybody: opened, subscribed, waited on.

use std::io;

use netlink_sys::Socket;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{Interest, unix::AsyncFd};

/// Bytes of the longest datagram; the kernel's largest notifications (links with many virtual
/// functions) stay below.
const DATAGRAM: usize = 64 << 10;

/// A watch cannot go on; open a new one.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch the host's network: {action}: {source}")]
pub struct WatchError {
    /// What failed.
    pub action: &'static str,
    /// The system's reason.
    pub source: io::Error,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Told<'a> {
    /// Messages.
    Datagram(&'a [u8]),
    /// Nothing that can be read, and it may have been anything.
    Lost,
}

/// A subscribed socket.
#[derive(Debug)]
pub(crate) struct Subscription {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
}

impl Subscription {
    /// Subscribes to multicast groups of a netlink protocol in the network namespace of the calling
    /// thread, with a receive buffer of `bytes`.
    ///
    /// # Errors
    ///
    /// The socket cannot be had.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn open(protocol: isize, groups: &[u32], bytes: usize) -> Result<Self, WatchError> {
        let failed = |action| move |source| WatchError { action, source };
        let mut socket = Socket::new(protocol).map_err(failed("open a netlink socket"))?;
        socket
            .set_non_blocking(true)
            .map_err(failed("make the socket non-blocking"))?;
        socket.bind_auto().map_err(failed("bind the socket"))?;
        // Beyond `net.core.rmem_max` only the administrator of the namespace may go.
        setsockopt(&socket, sockopt::RcvBufForce, &bytes)
            .or_else(|_refused| setsockopt(&socket, sockopt::RcvBuf, &bytes))
            .map_err(io::Error::from)
            .map_err(failed("set the size of the receive buffer"))?;
        for group in groups {
            socket
                .add_membership(*group)
                .map_err(failed("subscribe to notifications"))?;
        }
        // SAFETY: `Socket` owns its descriptor, always names the same one and closes it on drop only;
        // the `AsyncFd` owns the `Socket` and lends it out by shared reference alone.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }
            .map_err(io::Error::from)
            .map_err(failed("register the socket"))?;
        Ok(Self {
            socket,
            buffer: vec![0; DATAGRAM],
        })
    }

    /// Waits for the next datagram. Cancel safe: nothing is taken before it is handed out.
    ///
    /// # Errors
    ///
    /// The socket fails in another way than by losing messages.
    pub(crate) async fn next(&mut self) -> Result<Told<'_>, WatchError> {
        let received = loop {
            let mut ready = self.socket.readable().await.map_err(|source| WatchError {
                action: "wait for the socket",
                source,
            })?;
            let buffer = &mut self.buffer;
            // With MSG_TRUNC the whole length is told even where it does not fit.
            match ready.try_io(|socket| {
                socket
                    .get_ref()
                    .recv(&mut buffer.as_mut_slice(), libc::MSG_TRUNC)
            }) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(received) => break received,
                Err(_would_wait) => {}
            }
        };
        match received {
            Ok(length) => Ok(self.buffer.get(..length).map_or(Told::Lost, Told::Datagram)),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                tracing::info!("the kernel lost notifications: everything is read again");
                Ok(Told::Lost)
            }
            Err(source) => Err(WatchError {
                action: "receive notifications",
                source,
            }),
        }
    }
}

/// The messages of a datagram, each with its type; the last is none when the rest cannot be read.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = Option<(u16, &[u8])>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Ok(message) = netlink_packet_core::NetlinkBuffer::new_checked(rest) else {
            rest = &[];
            return Some(None);
        };
        let next = usize::try_from(message.length())
            .ok()
            .and_then(|length| length.checked_next_multiple_of(4));
        rest = next.and_then(|next| rest.get(next..)).unwrap_or(&[]);
        Some(Some((message.message_type(), message.payload())))
    })
}
