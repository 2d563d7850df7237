//! The election seen from outside: one director on a bench, and many on a simulated link.

#![expect(clippy::unwrap_used, reason = "a test says what fails by its line")]

mod acceptance;
mod bench;
mod election;
mod groups;
mod operator;
mod reload;
mod simulation;
mod tracking;
mod wire;
