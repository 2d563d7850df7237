//! Routes and rules of policy routing, in the words of `ip route` and `ip rule`.

use serde::Serialize;

/// One line of `virtual_routes` or `static_routes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Destination: `default` or an address with a prefix.
    pub destination: String,
    /// The interface (`dev`, `oif`), if one is named.
    pub interface: Option<String>,
    /// All words behind the destination as `ip route add` takes them, without what is ours alone.
    pub options: Vec<String>,
    /// Losing it changes nothing (`no_track`).
    pub untracked: bool,
    /// `track_group`, static routes only.
    pub track_group: Option<String>,
}

/// One line of `virtual_rules` or `static_rules`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyRule {
    /// The preference; a rule without one gets 16384 and a warning.
    pub preference: u32,
    /// All other words as `ip rule add` takes them, without what is ours alone.
    pub options: Vec<String>,
    /// Losing it changes nothing (`no_track`).
    pub untracked: bool,
    /// `track_group`, static rules only.
    pub track_group: Option<String>,
}
