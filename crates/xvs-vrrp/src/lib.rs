//! Virtual routers, sync groups, tracking and the election between directors.
//!
//! This crate owns when a director is master: VRRP versions 2 and 3 (RFC 3768, RFC 5798, RFC 9568)
//! as keepalived runs them. It has no socket, no clock and no netlink. Packets, reports of links and
//! trackers, and the time go in; actions come out:
//!
//! ```text
//!   handle_packet ----+                                  +--> Advertise
//!   handle_timeout ---+    +-------------------------+   +--> TakeAddresses, ReleaseAddresses
//!   handle_link ------+--->| Vrrp                    |---+--> Announce
//!   handle_tracker ---+    |  units: sync groups     |   +--> Notify
//!   reload, stop,     |    |  routers: Init, Backup, |   +--> Log
//!   failover, ... ----+    |    Master, Fault        |
//!                          +-------------------------+
//!                               poll_timeout, poll_action
//! ```
//!
//! What differs from keepalived on purpose, each because it is safer and breaks no peer:
//! advertisements with another address list are accepted and reported (as keepalived does from 2.3.3
//! on); lost addresses are put back without an election; whoever was not run for longer than an
//! interval looks for unread advertisements before it claims to be alone; addresses are announced
//! again once a minute; a replayed authentication header is rejected in every state, and a conflict
//! between masters is notified once, not with every advertisement.

mod action;
mod authentication;
mod config;
mod event;
mod name;
mod numbers;
mod outbox;
mod receive;
mod reject;
mod router;
mod state;
mod status;
mod timers;
mod tracking;
mod transmit;
mod vrrp;

pub use action::{Action, Notification, NotifyKind, Subject, Transmit};
pub use authentication::key;
pub use config::{
    AnnounceConfig, AuthenticationConfig, ChecksumPolicy, Config, ConfigError, GroupConfig,
    Initial, Peer, Preempt, RouterConfig, Transport, VirtualAddresses,
};
pub use event::{Event, Reason, Severity};
pub use name::Name;
pub use numbers::{AdverInterval, Priority};
pub use receive::{Ingress, Received};
pub use reject::{Reject, RejectCounters};
pub use state::State;
pub use status::{RouterCounters, RouterStatus};
pub use tracking::{Track, TrackWeight, TrackerStatus};
pub use transmit::TransmitError;
pub use vrrp::{CommandError, Link, Resume, Vrrp};
pub use xvs_wire::vrrp::{Version, Vrid};
