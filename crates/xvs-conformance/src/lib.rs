//! Replays recordings of the kernel's IPVS and says where xvs differs.
//!
//! A [`Recording`] is either commands, frames in, every frame out and listings, or commands and who got
//! each connection. A [`Director`] is what is put in the place of the recorded one: the dataplane in this process with
//! a virtual clock, or the loaded programs run by `BPF_PROG_TEST_RUN`, or a daemon in a network
//! namespace. Taken through a recording, it gives a list of differences.
//!
//! Known differences stand in a file beside the recordings, each with its line in `docs/compat.md`.

mod command;
mod compare;
mod crew;
mod daemon;
mod decisions;
mod director;
mod firewall;
mod host;
mod known;
mod live;
mod namespace;
mod network;
mod offline;
mod place;
mod plane;
mod record;
mod recording;
mod replay;
mod scenario;
mod suite;
mod tally;
mod topology;
mod way;
mod wire;

pub use decisions::Decisions;
pub use director::{Answer, Director, Seen};
pub use known::{Known, matches};
pub use live::{Balancer, Live};
pub use network::Network;
pub use offline::Offline;
pub use recording::{LoadError, Recording};
pub use replay::replay;
pub use scenario::{LocalSocket, Output, Scenario, Setup, Step};
pub use suite::Suite;
pub use tally::Tally;
pub use topology::{Leg, Topology};
pub use way::{Pins, Way, ways};
