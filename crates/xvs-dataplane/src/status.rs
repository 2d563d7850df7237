//! What a dataplane says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Hook;

/// The whole of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataplaneStatus {
    /// Links that carry the datapath.
    pub attachments: Vec<AttachmentStatus>,
    /// The IPv4 flow table.
    pub table_v4: TableStatus,
    /// The IPv6 flow table.
    pub table_v6: TableStatus,
    /// Packets dropped since the maps were made, by reason; reasons that never happened are 0.
    pub drops: BTreeMap<String, u64>,
    /// Other events worth counting (evictions, races, overflow inserts, TOA without room, ...).
    pub events: BTreeMap<String, u64>,
}

/// A link that carries the datapath.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentStatus {
    /// Interface index.
    pub ifindex: u32,
    /// Interface name.
    pub name: String,
    /// Where the datapath runs.
    pub hook: Hook,
    /// How it is attached in fact: `tcx`, `clsact`, `xdp (driver)`, ...
    pub attached_by: String,
}

/// The fill of a flow table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStatus {
    /// Entries it holds.
    pub capacity: u64,
    /// Entries in use; NAT and FULLNAT connections use two.
    pub used: u64,
    /// Entries in the overflow hash.
    pub overflow: u64,
}
