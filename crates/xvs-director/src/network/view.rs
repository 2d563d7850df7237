//! What was last read of the host's network.

use std::{collections::BTreeSet, net::IpAddr};

use xvs_dataplane::{Mac, Prefix, Route};
use xvs_net::{LinkAddress, LinkInfo, RouteAnswer, RouteEntry};

/// Links, addresses and routes, as last read.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Every link but those by which packets are brought to the dataplane.
    pub(crate) links: Vec<LinkInfo>,
    /// Whether those are there.
    pub(crate) brings: bool,
    /// Every address of every link.
    pub(crate) addresses: Vec<LinkAddress>,
    /// The prefixes that are local to this host.
    pub(crate) local_prefixes: BTreeSet<xvs_net::Prefix>,
    /// Every unicast route.
    pub(crate) routes: BTreeSet<RouteEntry>,
}

impl View {
    /// The link with index `ifindex`.
    pub(crate) fn link(&self, ifindex: u32) -> Option<&LinkInfo> {
        self.links.iter().find(|link| link.index == ifindex)
    }

    /// The link named `name`.
    pub(crate) fn link_named(&self, name: &str) -> Option<&LinkInfo> {
        self.links.iter().find(|link| link.name == name)
    }

    /// Whether a link of this host has `address`.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|one| one.address == address)
    }
}

/// xvs-net and xvs-dataplane know nothing of each other: these say the same in the other's words.
pub(crate) fn mac(mac: xvs_net::Mac) -> Mac {
    Mac(mac.0)
}

pub(crate) fn prefix(prefix: &xvs_net::Prefix) -> Prefix {
    Prefix {
        address: prefix.address,
        length: prefix.length,
    }
}

pub(crate) fn route(answer: &RouteAnswer) -> Route {
    Route {
        ifindex: answer.ifindex,
        gateway: answer.gateway,
        source: answer.source,
        mtu: answer.mtu,
        local: answer.local,
    }
}
