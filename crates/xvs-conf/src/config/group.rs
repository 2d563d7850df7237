//! Groups: sync groups, track groups, GARP groups, interface delays.

use std::time::Duration;

use serde::Serialize;

use super::{Notification, Tracked};

/// A `vrrp_sync_group`: virtual routers that change state together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncGroup {
    /// Its name.
    pub name: String,
    /// Its instances, by name; never empty.
    pub members: Vec<String>,
    /// What is told when its state changes.
    pub notification: Notification,
    /// Tracked interfaces.
    pub track_interfaces: Vec<Tracked>,
    /// Tracked scripts.
    pub track_scripts: Vec<Tracked>,
    /// Tracked files.
    pub track_files: Vec<Tracked>,
    /// Tracked processes.
    pub track_processes: Vec<Tracked>,
    /// Tracked BFD sessions.
    pub track_bfd: Vec<Tracked>,
    /// Weights of members are kept (`sync_group_tracking_weight`).
    pub tracking_weight: bool,
    /// Whether members tell changes of priority; none for the global setting.
    pub notify_priority_changes: Option<bool>,
}

impl SyncGroup {
    /// Whether `instance` is one of its members, whose priorities nothing may move.
    #[must_use]
    pub fn binds(&self, instance: &str) -> bool {
        !self.tracking_weight && self.members.iter().any(|name| name == instance)
    }
}

/// A `track_group`: instances whose static addresses, routes and rules belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrackGroup {
    /// Its name.
    pub name: String,
    /// Its instances, by name.
    pub members: Vec<String>,
}

/// A `garp_group`: interfaces that share their spacing of gratuitous packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GarpGroup {
    /// Time between gratuitous ARPs; at least one of both is set.
    pub garp_interval: Option<Duration>,
    /// Time between unsolicited neighbour advertisements.
    pub gna_interval: Option<Duration>,
    /// The interfaces.
    pub interfaces: Vec<String>,
}

/// One line of `interface_up_down_delays`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterfaceDelay {
    /// The interface.
    pub interface: String,
    /// How long it must be down, 0 to 255 s.
    pub down: Duration,
    /// How long it must be up, 0 to 255 s; default as `down`.
    pub up: Duration,
}
