//! Why the host's network could not be read or changed.

use std::{io, net::IpAddr};

/// A request to the kernel about links, addresses, routes or neighbours failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The kernel's answer lacks a part that every kernel gives.
    #[error("cannot {action}: the kernel's answer lacks {missing}")]
    Answer {
        /// What was attempted.
        action: String,
        /// The part that is not there.
        missing: &'static str,
    },
    /// The task that owns the netlink socket is gone; open a new [`Host`](crate::Host).
    #[error("cannot {action}: the netlink connection has ended; restart the daemon")]
    Gone {
        /// What was attempted.
        action: String,
    },
    /// No netlink socket could be had.
    #[error("cannot open a netlink socket: {source}")]
    Open {
        /// The system's reason.
        source: io::Error,
    },
    /// The kernel refused.
    #[error("cannot {action}: {source}")]
    Refused {
        /// What was attempted.
        action: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The table changed under every attempt to read it whole.
    #[error(
        "cannot {action}: the kernel's table changed during each of {attempts} attempts; try again later"
    )]
    Unsteady {
        /// What was attempted.
        action: String,
        /// How often it was attempted.
        attempts: u32,
    },
    /// The kernel does not know the route to an address.
    #[error("no route to {address}: {reason}")]
    Unreachable {
        /// The destination.
        address: IpAddr,
        /// `network unreachable`, `prohibited`, `blackhole` and the like.
        reason: String,
    },
}

impl HostError {
    /// The kernel's error number, when the kernel refused.
    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}
