//! The labs as their users run them: by commands of the `xvs` binary, which `XVS_BIN` names or which
//! is beside the tests' own folder.
//!
//! What runs by default is a sample that fits into a few minutes; with `XVS_LAB_ALL=1` (as
//! `make lab-all` sets it) every method runs on every hook in both families.

#![expect(clippy::unwrap_used, reason = "a test fails where a value is missing")]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod daemon;
mod ends;
mod methods;
mod pair;
mod xvs;
