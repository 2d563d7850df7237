//! The typed configuration: what a file means, with every default filled in.
//!
//! Its types are complete: whoever reads a [`Config`] needs no rule of keepalived's grammar. What one
//! configuration would ask of a dataplane is in [`Config::virtual_server_rules`].

mod address;
mod bfd;
mod checker;
mod global;
mod group;
mod instance;
mod own;
mod programs;
mod real_server;
mod routing;
mod rules;
mod script;
mod track;
mod virtual_server;

pub use address::{Lifetime, VirtualAddress};
pub use bfd::BfdInstance;
pub use checker::{
    BfdCheck, CheckKind, Checker, Connection, DnsCheck, DnsType, FileCheck, HttpCheck, HttpVersion,
    MiscCheck, RegexCheck, ReplyByte, SmtpCheck, StatusRange, TlsCheck, UdpCheck, Url,
};
pub use global::{
    Fifo, FlushOnStop, GarpSettings, GlobalDefs, IpvsTimeouts, KeptSetting, LvsSyncDaemon,
    Notification,
};
pub use group::{GarpGroup, InterfaceDelay, SyncGroup, TrackGroup};
pub use instance::{
    Authentication, Checksum, InitialState, Ipvlan, IpvlanMode, UnicastPeer, Vmac, VrrpInstance,
};
pub use own::{OwnSettings, SmtpTls, SmtpUser, Webhook};
pub use real_server::RealServer;
pub use routing::{PolicyRule, Route};
pub use script::{Script, ScriptUser};
pub use track::{ParameterMatch, TrackFile, TrackProcess, TrackScript, TrackWeight, Tracked};
pub use virtual_server::{
    GroupEntry, SorryServer, SslSettings, Target, Timing, VirtualServer, VirtualServerGroup,
};

use serde::Serialize;

/// A whole configuration that a daemon can start with.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Config {
    /// `global_defs` and the settings outside of blocks.
    pub global: GlobalDefs,
    /// `static_ipaddress`: addresses that stay as long as the daemon runs.
    pub static_addresses: Vec<VirtualAddress>,
    /// `static_routes`.
    pub static_routes: Vec<Route>,
    /// `static_rules`.
    pub static_rules: Vec<PolicyRule>,
    /// `track_group`.
    pub track_groups: Vec<TrackGroup>,
    /// `garp_group`.
    pub garp_groups: Vec<GarpGroup>,
    /// `interface_up_down_delays`.
    pub interface_delays: Vec<InterfaceDelay>,
    /// `linkbeat_interfaces`, by name.
    pub linkbeat_interfaces: Vec<String>,
    /// `vrrp_script`s that may run.
    pub scripts: Vec<TrackScript>,
    /// `track_file`.
    pub track_files: Vec<TrackFile>,
    /// `vrrp_track_process`.
    pub track_processes: Vec<TrackProcess>,
    /// `vrrp_instance`.
    pub instances: Vec<VrrpInstance>,
    /// `vrrp_sync_group`.
    pub sync_groups: Vec<SyncGroup>,
    /// `bfd_instance`.
    pub bfd_instances: Vec<BfdInstance>,
    /// `SSL`.
    pub ssl: Option<SslSettings>,
    /// `virtual_server_group`.
    pub virtual_server_groups: Vec<VirtualServerGroup>,
    /// `virtual_server`.
    pub virtual_servers: Vec<VirtualServer>,
}
