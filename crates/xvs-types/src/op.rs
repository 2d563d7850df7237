//! The one order that changes a dataplane.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    Endpoint, RealServer, Setting, SyncDaemon, SyncRole, Thresholds, Timeouts, VirtualServer,
    VirtualServerId,
};

/// One change of the rules. A list of them is applied all or nothing unless its caller asks for one
/// by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Adds a real server at the head of its virtual server's list.
    AddRealServer {
        /// Its virtual server.
        virtual_server: VirtualServerId,
        /// The new one.
        real_server: RealServer,
    },
    /// Adds a virtual server without real servers.
    AddVirtualServer {
        /// The new one.
        virtual_server: VirtualServer,
    },
    /// Removes a real server; its connections stay.
    DeleteRealServer {
        /// Its virtual server.
        virtual_server: VirtualServerId,
        /// Which one.
        endpoint: Endpoint,
    },
    /// Removes a virtual server and its real servers; connections stay.
    DeleteVirtualServer {
        /// Which one.
        id: VirtualServerId,
    },
    /// Replaces the settings of a real server; counters and connections stay.
    EditRealServer {
        /// Its virtual server.
        virtual_server: VirtualServerId,
        /// The settings; `endpoint` names which one.
        real_server: RealServer,
    },
    /// Replaces the settings of a virtual server; real servers, counters and connections stay.
    EditVirtualServer {
        /// The settings; `id` names which one.
        virtual_server: VirtualServer,
    },
    /// Removes every virtual server (`ipvsadm -C`).
    Flush,
    /// Changes a setting (`xvs sysctl`).
    SetSetting {
        /// Which one.
        setting: Setting,
        /// Its new value.
        value: i32,
    },
    /// Changes timeouts (`ipvsadm --set`); the API carries the resulting three.
    SetTimeouts {
        /// The new ones.
        timeouts: Timeouts,
    },
    /// Notes that a sync daemon is wanted.
    StartSyncDaemon {
        /// Its settings.
        daemon: SyncDaemon,
    },
    /// Notes that a sync daemon is wanted no more.
    StopSyncDaemon {
        /// Which one.
        role: SyncRole,
    },
    /// Zeroes the counters of one virtual server, or of all (`ipvsadm -Z`).
    Zero {
        /// Which one; none for all.
        id: Option<VirtualServerId>,
    },
}

/// Why a dataplane refused an [`Op`]; nothing of the op was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpError {
    /// The real server has another family than its virtual server, and the method cannot cross.
    #[error(
        "real server `{endpoint}` has another address family than its virtual server; only tunnelling can cross families"
    )]
    FamilyMismatch {
        /// Which one.
        endpoint: Endpoint,
    },
    /// A limit of the dataplane was reached.
    #[error("no room for another {what}: the limit is {limit}")]
    Full {
        /// What there is no room for.
        what: String,
        /// How many there may be.
        limit: u64,
    },
    /// The interface of a sync daemon does not exist.
    #[error("no interface is named `{interface}`")]
    InterfaceMissing {
        /// Its name.
        interface: String,
    },
    /// The settings contradict each other.
    #[error("{reason}")]
    Invalid {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The address of a real server is no host's: unspecified, multicast, broadcast or the like.
    #[error("real server address `{address}` is not a unicast address of a host")]
    NotUnicast {
        /// The address.
        address: IpAddr,
    },
    /// The port of an all-ports virtual server without persistence.
    #[error("virtual server `{id}` has port 0, which needs persistence (`-p`)")]
    PortZeroNeedsPersistence {
        /// Which one.
        id: VirtualServerId,
    },
    /// The real server exists.
    #[error("real server `{endpoint}` exists already")]
    RealServerExists {
        /// Which one.
        endpoint: Endpoint,
    },
    /// The real server does not exist.
    #[error("no real server `{endpoint}`")]
    RealServerMissing {
        /// Which one.
        endpoint: Endpoint,
    },
    /// The sync daemon runs already.
    #[error("a sync daemon of this role runs already")]
    SyncDaemonExists,
    /// No such sync daemon runs.
    #[error("no sync daemon of this role runs")]
    SyncDaemonMissing,
    /// The kernel or the maps refused.
    #[error("the dataplane failed: {reason}")]
    System {
        /// What failed, on what.
        reason: String,
    },
    /// The lower threshold of a real server is above its upper one.
    #[error(
        "the lower threshold {} of real server `{endpoint}` is above its upper threshold {}",
        .thresholds.lower,
        .thresholds.upper
    )]
    ThresholdsReversed {
        /// Which one.
        endpoint: Endpoint,
        /// The thresholds.
        thresholds: Thresholds,
    },
    /// The virtual server exists.
    #[error("virtual server `{id}` exists already")]
    VirtualServerExists {
        /// Which one.
        id: VirtualServerId,
    },
    /// The virtual server does not exist.
    #[error("no virtual server `{id}`")]
    VirtualServerMissing {
        /// Which one.
        id: VirtualServerId,
    },
}
