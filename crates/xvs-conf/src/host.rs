//! What the caller brings: files, and facts about the host.
//!
//! This crate opens no file and asks no system call. [`Files`] reads for it, [`HostFacts`] answers for
//! it; [`MemoryFiles`] and [`StaticHost`] are both for tests, labs and checks away from the host.

mod facts;
mod files;

pub use facts::{HostFacts, Interface, ScriptFact, StaticHost};
pub use files::{FileError, Files, MemoryFiles};
