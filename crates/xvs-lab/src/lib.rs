//! Topologies of real hosts in network namespaces, captures of what passes between them, and the
//! labs that show each forwarding method at work.
//!
//! [`Topology`] and [`Host`] serve tests of any crate. The daemon needs nothing of this.

mod capture;
pub mod curl;
mod error;
mod frame;
mod host;
mod ledger;
mod namespace;
mod process;
mod topology;
mod walk;
mod web;

pub use capture::{Capture, Port, Sighting};
pub use error::LabError;
pub use frame::{Frame, Ip, Mac, Tcp};
pub use host::{Host, Running};
pub use ledger::folder;
pub use namespace::Namespace;
pub use process::ProcessId;
pub use topology::Topology;
pub use walk::{End, Hop, NamedMac, Walk, Wiring};
pub use web::{WebFiles, WebServer};
