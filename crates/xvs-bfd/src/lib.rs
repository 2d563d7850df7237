//! Bidirectional forwarding detection (RFC 5880, asynchronous mode) for single hops (RFC 5881) and several
//! (RFC 5883), as keepalived has it: no echo, no authentication, no demand of our own.
//!
//! [`Bfd`] holds all sessions. Its caller hands in packets and time and takes [`Action`]s:
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # use xvs_bfd::{Action, Bfd, SessionConfig};
//! let now = Instant::now();
//! let config = SessionConfig::new("peer", "192.0.2.2".parse().unwrap());
//! let mut bfd = Bfd::new(now, vec![config], 7);
//! while let Some(action) = bfd.poll_action() {
//!     match action {
//!         Action::Send { session, packet } => { /* to its neighbour's port 3784 */ }
//!         Action::Changed { session, up, reason } => { /* tell who tracks it */ }
//!     }
//! }
//! let wake_at = bfd.poll_timeout(); // then `handle_timeout(now)`, and poll actions again
//! ```
//!
//! Each change of a session between Up and anything else comes out exactly once, in order. A session
//! that has never been up tells nobody that it is down: it is down until it says otherwise.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod config;
mod jitter;
mod session;
mod sessions;

pub use config::SessionConfig;
pub use session::{Reason, Rejected, SessionStatus};
pub use sessions::{Action, Bfd, SessionId};
pub use xvs_wire::bfd::{Diagnostic, PacketError, State};
