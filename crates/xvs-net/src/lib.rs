//! The host's network as the daemon sees and changes it.
//!
//! This crate owns links, addresses, routes, neighbours, sysctls and network namespaces, the frames
//! that announce a moved address, and what the host's firewall says about a virtual server. It
//! decides nothing about virtual or real servers and knows no eBPF: the director asks here and tells
//! the dataplane.

mod addresses;
mod error;
mod host;
mod links;
mod neighbours;
mod routes;
mod types;

pub use addresses::{AddressScope, AddressSpec, Change};
pub use error::HostError;
pub use host::Host;
pub use neighbours::Kept;
pub use types::{
    LinkAddress, LinkInfo, Mac, Neighbour, NeighbourKey, NeighbourState, Prefix, RouteAnswer,
    RouteEntry,
};
