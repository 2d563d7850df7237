//! The service manager that started the daemon, where there is one: the listening socket it hands
//! over (`sd_listen_fds(3)`) and the messages it waits for (`sd_notify(3)`).

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        fd::{FromRawFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram, UnixListener},
        },
    },
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::socket::{getsockopt, sockopt},
};

/// The first descriptor that a service manager hands over (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;

/// What a service manager left in the environment.
#[derive(Debug, Default)]
pub struct ServiceManager {
    listener: Option<UnixListener>,
    notify: Option<SocketAddr>,
}

/// Why what a service manager hands over is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceManagerError {
    /// More sockets than the daemon has use for.
    #[error(
        "the service manager hands over {count} sockets; the daemon takes one, the control socket"
    )]
    Count {
        /// How many.
        count: String,
    },
    /// The descriptor is no socket to listen on.
    #[error("descriptor 3 of the service manager is no Unix socket that listens: {source}")]
    Socket {
        /// Why.
        source: io::Error,
    },
    /// `NOTIFY_SOCKET` names no socket.
    #[error("`NOTIFY_SOCKET` names no socket: {source}")]
    Notify {
        /// Why.
        source: io::Error,
    },
}

impl ServiceManager {
    /// Takes what `LISTEN_PID`, `LISTEN_FDS` and `NOTIFY_SOCKET` offer to this process; nothing where
    /// they are not set. Call it once, before anything else opens files.
    ///
    /// # Errors
    ///
    /// When something is handed over that the daemon cannot use.
    pub fn from_environment() -> Result<Self, ServiceManagerError> {
        let for_us = env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
        let count = env::var("LISTEN_FDS").unwrap_or_default();
        let listener = match count.as_str() {
            _ if !for_us => None,
            "" | "0" => None,
            "1" => Some(listener().map_err(|source| ServiceManagerError::Socket { source })?),
            _ => return Err(ServiceManagerError::Count { count }),
        };
        let notify = env::var_os("NOTIFY_SOCKET")
            .filter(|name| !name.is_empty())
            .map(|name| address(&name))
            .transpose()
            .map_err(|source| ServiceManagerError::Notify { source })?;
        Ok(Self { listener, notify })
    }

    /// The control socket that it listens on, once.
    pub(crate) fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }

    /// Tells it `state`, such as `READY=1`.
    pub(crate) fn tell(&self, state: &str) -> io::Result<()> {
        let Some(address) = &self.notify else {
            return Ok(());
        };
        let socket = UnixDatagram::unbound()?;
        socket.send_to_addr(state.as_bytes(), address)?;
        Ok(())
    }
}

/// The socket that was handed over.
fn listener() -> io::Result<UnixListener> {
    // SAFETY: the manager says that descriptor 3 is open and this process's to own (`LISTEN_PID` was
    // compared); who calls has opened no file before, and calls once, so nobody else owns it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(FIRST) };
    // Not for the tools that the daemon starts.
    fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    if !getsockopt(&descriptor, sockopt::AcceptConn)? {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let listener = UnixListener::from(descriptor);
    // It has an address of its family, which no other socket would.
    listener.local_addr()?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A path, or with `@` in front a name of the abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().split_first() {
        Some((b'@', abstract_name)) => SocketAddr::from_abstract_name(abstract_name),
        _ => SocketAddr::from_pathname(name),
    }
}
