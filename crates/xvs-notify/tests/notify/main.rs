//! The notifier with real processes, FIFOs and servers.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fifo;
mod mail;
mod scripts;
mod sink;
mod support;
mod tutorial;
mod webhook;
