//! What the crate sees and does in real network namespaces, made for each test and without an uplink.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests say why they are skipped, and helpers of tests panic like tests"
)]

mod announce;
mod bfd;
mod firewall;
mod host;
mod settings;
mod support;
mod watch;
