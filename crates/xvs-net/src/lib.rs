//! The host's network as the daemon sees and changes it.
//!
//! This crate owns links, addresses, routes, neighbours, sysctls and network namespaces, the frames
//! that announce a moved address, and what the host's firewall says about a virtual server. It
//! decides nothing about virtual or real servers and knows no eBPF: the director asks here and tells
//! the dataplane.

mod addresses;
mod announce;
mod bfd;
mod bring;
mod carry;
mod changes;
mod command;
mod detection;
mod driver;
mod error;
mod firewall;
mod hook;
mod host;
mod links;
mod macvlan;
mod neighbours;
mod netns;
mod refuse;
mod routes;
mod routing;
mod ruleset;
mod subscription;
mod sysctl;
mod types;
mod vrrp;
mod watch;

pub use addresses::{AddressScope, AddressSpec, Change};
pub use announce::{AnnounceError, Announcement, Announcer};
pub use bfd::{BfdEvent, BfdService, BfdSocketError, bfd_session};
pub use bring::{BROUGHT_BY, BROUGHT_MAC, Brought, ENTRY};
pub use carry::{CarryChoice, CarryReason, Surroundings, Wanted, links_to_carry};
pub use changes::{ChangedNeighbours, Changes};
pub use command::CommandError;
pub use detection::quick_detection;
pub use driver::{DriverError, driver};
pub use error::HostError;
pub use firewall::{FirewallError, FirewallReport, FirewallRule, FirewallTarget, examine_firewall};
pub use hook::{AutoHook, HookChoice, choose_hook};
pub use host::Host;
pub use neighbours::Kept;
pub use netns::{NetnsError, enter_netns, netns_exists};
pub use refuse::{RefuseError, Refused};
pub use routing::{RouteKind, RouteSpec, RuleSpec};
pub use ruleset::RulesetWatcher;
pub use subscription::WatchError;
pub use sysctl::{Restored, Sysctl, SysctlError, SysctlPathError, SysctlRecord, local_port_range};
pub use types::{
    LinkAddress, LinkInfo, Mac, Neighbour, NeighbourKey, NeighbourState, Prefix, RouteAnswer,
    RouteEntry,
};
pub use vrrp::{VrrpProtocol, VrrpSocket, VrrpSocketError};
pub use watch::Watcher;
