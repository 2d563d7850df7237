//! When health checks run, and what follows from their results.
//!
//! This crate owns retries, quorum and hysteresis, sorry servers, inhibited servers and dynamic
//! weights, as keepalived 2.2.7 has them. It has no socket and no clock. Results and the time go in;
//! actions come out:
//!
//! ```text
//!   configure ---------+    +------------------------------+    +--> Run, Cancel   (a probe)
//!   handle_result -----+    | Checks                       |    +--> Apply         (ops, atomic)
//!   handle_timeout ----+--->|  services: quorum, pool      |--->+--> Notify        (scripts, FIFO, mail)
//!   handle_addresses --+    |   real servers: up, weight   |    +--> Log
//!   stop --------------+    |    checkers: when, retries   |
//!                           +------------------------------+
//!                                poll_timeout, poll_action
//! ```
//!
//! All actions must be taken out after every input. The ops of one input come as one batch, before the
//! notifications that they cause, and the batch is meant to be applied all or nothing.
//!
//! The pool of a virtual server is derived from the states of its real servers and compared with what
//! was sent; nothing is sent twice, and what comes in comes in before anything leaves. So when the
//! quorum returns the sorry server leaves last, where keepalived has an empty pool for a moment.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod action;
mod checker;
mod checks;
mod config;
mod event;
mod pool;
mod server;
mod service;

pub use action::{Action, Notification, Subject};
pub use checks::{Checks, Release};
pub use config::{
    CheckerConfig, CheckerId, Kind, Outcome, Quorum, RealServerConfig, Share, SorryServer, Timing,
    VirtualServerConfig,
};
pub use event::{Event, What};
pub use service::{CheckerStatus, RealServerStatus, VirtualServerStatus};
