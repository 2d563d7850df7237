//! Links for unit tests.

use xvs_net::LinkInfo;

/// A link as a host has it: `lo` is the loopback, any other carries Ethernet frames.
pub(crate) fn link(name: &str) -> LinkInfo {
    LinkInfo {
        index: 2,
        name: name.to_owned(),
        mac: None,
        mtu: 1_500,
        mtu_v6: 1_500,
        up: true,
        carrier: true,
        loopback: name == "lo",
        ethernet: name != "lo",
        kind: None,
        master: None,
        lower: None,
    }
}
