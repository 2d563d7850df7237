//! Replays recordings of the kernel's IPVS and says where xvs differs.
//!
//! A *recording* is a file of scenarios, a line each: commands, frames in, every frame out, listings.
//! A [`Director`] is what is put in the place of the recorded one: the dataplane in this process with
//! a virtual clock, or the loaded programs run by `BPF_PROG_TEST_RUN`. [`replay`] takes a director
//! through a scenario and answers the differences.
//!
//! Known differences stand in a file beside the recordings, each with its line in `docs/compat.md`.

mod command;
mod compare;
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
mod replay;
mod scenario;
mod suite;
mod tally;
mod topology;
mod way;
mod wire;

use std::{io, path::PathBuf};

pub use director::{Answer, Director, Seen};
pub use known::Known;
pub use live::Live;
pub use network::Network;
pub use offline::Offline;
pub use replay::replay;
pub use scenario::{LocalSocket, Output, Scenario, Setup, Step, load};
pub use suite::Suite;
pub use tally::Tally;
pub use topology::{Leg, Topology};
pub use way::{Pins, Way, ways};

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not what it should be.
    #[error("cannot understand `{}`: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
