//! The JSON of the API, as types that server and client share.
//!
//! Ops, listings and timeouts are those of [`xvs_types`]; here is what only the API needs. Every
//! request refuses fields it does not know, so that a misspelt one is never ignored; every answer may
//! grow fields.

mod batch;
mod checks;
mod configuration;
mod connections;
mod events;
mod problem;
mod servers;
mod settings;
mod status;
mod sysctl;
mod vrrp;

pub use batch::{Batch, BatchOutcome, OpOutcome};
pub use checks::{
    BfdSessionStatus, CheckedRealServer, CheckedVirtualServer, CheckerReport, CheckerState,
    ChecksStatus, LastCheck,
};
pub use configuration::{ConfigurationPlan, ConfigurationRequest, ConfigurationStatus};
pub use connections::{
    ConnectionCount, ConnectionPage, ConnectionQuery, ParseTargetError, Target, parse_state,
};
pub use events::{Event, EventKind};
pub use problem::{Code, Problem};
pub use servers::ServerQuery;
pub(crate) use servers::WithoutCounters;
pub use settings::{HookChoice, HookSetting, InterfaceSetting, ParseHookError, StopRequest};
pub use status::{LinkStatus, Status, TableFill, Version};
pub use sysctl::{SettingChanges, SettingListing};
pub use vrrp::{
    VirtualRouterCounters, VirtualRouterStatus, VrrpFailover, VrrpPriority, VrrpStatus,
    VrrpTransition,
};

/// The version of the API: the `1` of `/v1`. It changes when an old client could misunderstand.
pub const API_VERSION: u32 = 1;
