//! Virtual routers of the whole daemon, in a network namespace: what they take from the wire, whom they
//! tell, how they are scheduled.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

#[path = "../support/mod.rs"]
mod support;

mod busy;
mod hostile;
mod inside;
mod told;
