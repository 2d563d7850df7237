//! The connection synchronisation daemon, as `ipvsadm --start-daemon` describes it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Which side of the synchronisation this director is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncRole {
    /// Sends connections.
    Master,
    /// Receives connections.
    Backup,
}

/// Settings of one sync daemon; what was not given is none and gets the kernel's default when listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SyncDaemon {
    /// Master or backup.
    pub role: SyncRole,
    /// The interface of the multicast group.
    pub interface: String,
    /// The sync id, 0 to 255; default 0.
    pub sync_id: u8,
    /// Greatest length of a message in bytes; default the MTU less headers.
    pub max_length: Option<u16>,
    /// The multicast group; default 224.0.0.81.
    pub group: Option<IpAddr>,
    /// The UDP port; default 8848.
    pub port: Option<u16>,
    /// TTL or hop limit of messages; default 1.
    pub ttl: Option<u8>,
}
