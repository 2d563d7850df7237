//! The words of xvs as types with units.
//!
//! This crate owns what a virtual server, a real server and a connection *are*, the one order that
//! changes a dataplane ([`Op`]), the rule base that takes it ([`Rules`]) and how two rule bases differ
//! ([`diff`]). It knows no socket, no clock, no file, no byte of the wire and no runtime.

mod diff;
mod endpoint;
mod family;
mod listing;
mod op;
mod persistence;
mod real_server;
mod rules;
mod scheduler;
mod settings;
mod sync_daemon;
mod timeouts;
mod virtual_server;

pub use diff::{Rule, diff};
pub use endpoint::{Endpoint, ParseEndpointError};
pub use family::{Family, Protocol};
pub use listing::{
    ConnectionListing, ConnectionState, Counters, EffectiveMethod, Rates, RealServerListing,
    ServerScope, VirtualServerListing,
};
pub use op::{Op, OpError};
pub use persistence::{Persistence, PersistenceEngine, PersistenceMask};
pub use real_server::{
    ForwardingMethod, RealServer, Thresholds, Tunnel, TunnelChecksum, TunnelKind, Weight,
};
pub use rules::{Rules, Undo};
pub use scheduler::{ParseSchedulerError, Scheduler, SchedulerFlags};
pub use settings::{Effect, Setting, SettingError, Settings};
pub use sync_daemon::{SyncDaemon, SyncRole};
pub use timeouts::Timeouts;
pub use virtual_server::{VirtualServer, VirtualServerId};
