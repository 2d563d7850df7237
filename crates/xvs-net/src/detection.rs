//! How fast the kernel notices that a neighbour moved without a word.
//!
//! With its defaults the kernel took 54 s to send to a managed neighbour's new Ethernet address
//! (Linux 6.18); with the settings below 1 to 3 s, and at most about 9, and it needs no daemon for
//! that. They cost one unicast probe a neighbour every few seconds. The longer times come from
//! entries that nobody uses, as the datapath goes round them: the kernel looks at those every 5 s,
//! which only `net.ipv4.neigh.default.interval_probe_time_ms` of the first namespace changes.

use xvs_types::Family;

use crate::Sysctl;

/// Settings below `net.ipv4.neigh.LINK` and `net.ipv6.neigh.LINK`.
const SETTINGS: [(&str, i64); 4] = [
    // A confirmed neighbour counts as confirmed for half to one and a half of this.
    ("base_reachable_time_ms", 1_000),
    // Seconds from the use of a stale entry to its first probe.
    ("delay_first_probe_time", 1),
    // After the probes to the known Ethernet address failed, the link is asked; default 0: never.
    ("mcast_resolicit", 3),
    // Probes to the known Ethernet address, a second apart.
    ("ucast_solicit", 1),
];

/// The settings, for every neighbour of `link`, with which the kernel notices within seconds
/// that one moved; setting them is the caller's, who keeps the records to restore.
///
/// None when `link` cannot be the name of a link.
#[must_use]
pub fn quick_detection(family: Family, link: &str) -> Option<Vec<(Sysctl, i64)>> {
    SETTINGS
        .iter()
        .map(|(setting, value)| Some((Sysctl::neighbour(family, link, setting)?, *value)))
        .collect()
}
