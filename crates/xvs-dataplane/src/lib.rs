//! The dataplane: the loaded datapath and everything that changes or reads its maps.
//!
//! It owns loading, attaching, pinning and adopting the eBPF programs, the way from an
//! [`Op`](xvs_types::Op) to map values, expiry, listings, statistics and next hops. It does not read
//! netlink (the director tells it about links, routes and neighbours), argv or configuration text.

mod bpf;
mod dataplane;
mod filter;
mod host;
mod simulated;
mod status;
#[cfg(feature = "testing")]
pub mod testing;

pub use bpf::{Bpf, BpfOptions, OpenError};
pub use dataplane::{Atomicity, Dataplane};
pub use filter::ConnectionFilter;
pub use host::{Attachment, Hook, Mac, NeighbourKey, Prefix, Route};
pub use simulated::{Simulated, SimulatedState};
pub use status::{AttachmentStatus, DataplaneStatus, TableStatus};
