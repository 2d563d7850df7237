//! The daemon with a keepalived.conf and a simulated dataplane: checks against real servers in a network
//! namespace.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

#[path = "../support/mod.rs"]
mod support;

mod bed;
mod beside;
mod bfd;
mod connections;
mod face;
mod globals;
mod health;
mod hostile;
mod mail;
mod own;
mod privileges;
mod recorded;
mod reload;
mod scale;
mod seeds;
