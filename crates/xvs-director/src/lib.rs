//! The daemon of xvs.
//!
//! It wires the dataplane, the network and the control API together ([`run`]; the picture is on top
//! of `daemon.rs`), keeps the rule base on disk, and ends in good order. It knows no argv, and no
//! eBPF: its caller hands it the dataplane.

mod api;
mod bfd;
mod changes;
mod checks;
mod configuration;
mod daemon;
mod dump;
mod events;
mod firewall;
mod journal;
mod keeper;
mod lock;
mod lvs;
mod manager;
mod network;
mod options;
mod privileges;
mod programs;
mod signals;
mod state;
mod sysctl;
pub mod vrrp;
mod worker;

pub use changes::RuleChanges;
pub use configuration::{Disk, InForce, LoadError, Loaded, Parts, Source, ThisHost, counted};
pub use daemon::{RunError, run};
pub use events::Events;
pub use keeper::Keeper;
pub use lock::{InstanceLock, LockError};
pub use manager::{ServiceManager, ServiceManagerError};
pub use network::StartNetworkError;
pub use options::{Options, Started};
pub use privileges::{
    KEPT, KEPT_FOR_PROGRAMS, PrivilegeError, drop_own_privileges, drop_privileges,
};
pub use state::{AddedAddress, State, StateError, StateFile};
pub use sysctl::{SYSCTL_FILE, settings_of};
