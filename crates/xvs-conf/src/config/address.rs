//! Addresses that the daemon adds to interfaces.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

/// One line of `virtual_ipaddress`, `virtual_ipaddress_excluded` or `static_ipaddress`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the prefix; default 32 or 128.
    pub prefix_length: u8,
    /// `brd`, IPv4 only; `+` and `-` are computed from the prefix.
    pub broadcast: Option<Ipv4Addr>,
    /// `dev`; none for the interface of the instance.
    pub interface: Option<String>,
    /// `scope` by name or number; default global.
    pub scope: Option<String>,
    /// `label`, IPv4 only, at most 15 bytes.
    pub label: Option<String>,
    /// `peer`.
    pub peer: Option<IpAddr>,
    /// `preferred_lft`; none for the kernel's default.
    pub preferred_lifetime: Option<Lifetime>,
    /// Address flags as written: `home`, `-nodad`, `mngtmpaddr`, `noprefixroute`, `autojoin`.
    pub flags: Vec<String>,
    /// Losing it changes nothing (`no_track`).
    pub untracked: bool,
    /// It goes on the VMAC interface of the instance (`use_vmac`).
    pub use_vmac: bool,
    /// `track_group`, static addresses only.
    pub track_group: Option<String>,
}

/// How long an address is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// Always.
    Forever,
    /// So many seconds.
    Seconds(u32),
}
