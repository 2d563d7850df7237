//! Which links should carry the datapath, and why.
//!
//! A pure function of what the host looks like. Each frame must be seen once, so a link that is a
//! port of another (of a bridge, a bond) never carries it; the bridge itself may. Among the others
//! the choice is generous: packets of clients and replies of real servers may come in by any link
//! that has an address or a route, and a program on a link too many costs a look at a packet, while
//! one too few loses connections.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{LinkAddress, LinkInfo, Mac, Prefix, RouteEntry};

/// What the choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Every link.
    pub links: &'a [LinkInfo],
    /// Every address of a link.
    pub addresses: &'a [LinkAddress],
    /// The unicast routes.
    pub routes: &'a [RouteEntry],
    /// Whether there is any virtual server, one by firewall mark included.
    pub virtual_servers: bool,
    /// The addresses of the virtual servers.
    pub vips: &'a [IpAddr],
    /// The addresses of the real servers.
    pub real_servers: &'a [IpAddr],
    /// Whether a VIP is an address of this host, whose own connections to it go by the loopback device.
    pub vip_is_here: bool,
}

/// Who says which links carry the datapath.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// The surroundings do.
    Auto,
    /// The operator does, by name; what can carry nothing is still left out.
    Named(&'a [String]),
}

/// A link, and whether it should carry the datapath.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarryChoice {
    /// The link.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Whether it should.
    pub carries: bool,
    /// Why, or why not.
    pub reason: CarryReason,
    /// The Ethernet addresses that are the director's on this link: the link's own, and those of
    /// the macvlans over it (VRRP's virtual MACs).
    pub macs: Vec<Mac>,
}

/// Why a link carries the datapath, or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CarryReason {
    /// It carries: an address lies on it.
    Address(Prefix),
    /// It carries: the default route leads there, so clients come from there.
    DefaultRoute,
    /// It does not: the administrator switched it off.
    Down,
    /// It carries: the host's own connections to its VIPs go by it, whatever the operator named.
    LocalClients,
    /// It does not: it is the loopback device, and no VIP is here.
    Loopback,
    /// It does not: it is a macvlan, whose frames are seen on the link under it.
    Macvlan {
        /// The name of the link under it.
        lower: String,
    },
    /// It carries: the operator named it.
    Named,
    /// It does not: nothing leads there.
    Nothing,
    /// It does not: the operator named others.
    NotNamed,
    /// It does not: its frames have no Ethernet header.
    NotEthernet,
    /// It does not: there is no virtual server.
    NoVirtualServer,
    /// It does not: it is a port, and its frames are seen on its master.
    Port {
        /// The name of the bridge, bond, team or VRF.
        master: String,
    },
    /// It carries: a route to a real server leads there.
    RealServer(IpAddr),
    /// It carries: a route leads there.
    Route(Prefix),
    /// It carries: a VIP lies on it.
    Vip(IpAddr),
}

impl CarryReason {
    /// Whether it is a reason to carry the datapath.
    #[must_use]
    pub fn carries(&self) -> bool {
        match self {
            Self::Address(_)
            | Self::DefaultRoute
            | Self::LocalClients
            | Self::Named
            | Self::RealServer(_)
            | Self::Route(_)
            | Self::Vip(_) => true,
            Self::Down
            | Self::Loopback
            | Self::Macvlan { .. }
            | Self::Nothing
            | Self::NotNamed
            | Self::NotEthernet
            | Self::NoVirtualServer
            | Self::Port { .. } => false,
        }
    }
}

impl fmt::Display for CarryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(prefix) => write!(f, "it has the address {prefix}"),
            Self::DefaultRoute => f.write_str("the default route leads there"),
            Self::Down => f.write_str("it is down"),
            Self::LocalClients => f.write_str("connections of this host to its VIPs go there"),
            Self::Loopback => f.write_str("it is the loopback device"),
            Self::Macvlan { lower } => {
                write!(f, "it is a macvlan; its frames are seen on `{lower}`")
            }
            Self::Named => f.write_str("it was named"),
            Self::Nothing => f.write_str("it has neither an address nor a route"),
            Self::NotNamed => f.write_str("others were named"),
            Self::NotEthernet => f.write_str("its frames have no Ethernet header"),
            Self::NoVirtualServer => f.write_str("there is no virtual server"),
            Self::Port { master } => {
                write!(f, "it is a port of `{master}`, where its frames are seen")
            }
            Self::RealServer(address) => {
                write!(f, "the route to real server {address} leads there")
            }
            Self::Route(prefix) => write!(f, "the route to {prefix} leads there"),
            Self::Vip(address) => write!(f, "it has the VIP {address}"),
        }
    }
}

/// Chooses the links that should carry the datapath; the answer has every link, in its order.
///
/// A name in [`Wanted::Named`] without a link has no entry: it may come later.
#[must_use]
pub fn links_to_carry(around: &Surroundings<'_>, wanted: Wanted<'_>) -> Vec<CarryChoice> {
    around
        .links
        .iter()
        .map(|link| {
            let reason = cannot(around, link)
                .or_else(|| (!around.virtual_servers).then_some(CarryReason::NoVirtualServer))
                .or_else(|| link.loopback.then_some(CarryReason::LocalClients))
                .unwrap_or_else(|| match wanted {
                    Wanted::Named(names) if names.contains(&link.name) => CarryReason::Named,
                    Wanted::Named(_) => CarryReason::NotNamed,
                    Wanted::Auto => reason_to_carry(around, link.index),
                });
            CarryChoice {
                ifindex: link.index,
                name: link.name.clone(),
                carries: reason.carries(),
                reason,
                macs: macs(around.links, link),
            }
        })
        .collect()
}

/// Why a link can carry nothing, whoever wants it.
fn cannot(around: &Surroundings<'_>, link: &LinkInfo) -> Option<CarryReason> {
    let name = |index: u32| {
        let found = around.links.iter().find(|link| link.index == index);
        found.map_or_else(|| format!("link {index}"), |link| link.name.clone())
    };
    if link.loopback {
        return (!around.vip_is_here).then_some(CarryReason::Loopback);
    }
    if let Some(master) = link.master {
        return Some(CarryReason::Port {
            master: name(master),
        });
    }
    if !link.ethernet {
        return Some(CarryReason::NotEthernet);
    }
    match link.lower {
        Some(lower) if is_macvlan(link) => Some(CarryReason::Macvlan { lower: name(lower) }),
        _ => (!link.up).then_some(CarryReason::Down),
    }
}

/// The strongest reason to carry the datapath, the one an operator looks for first.
fn reason_to_carry(around: &Surroundings<'_>, ifindex: u32) -> CarryReason {
    let own_addresses = || around.addresses.iter().filter(|a| a.ifindex == ifindex);
    let own_routes = || around.routes.iter().filter(|r| r.ifindex == ifindex);
    if let Some(vip) = own_addresses().find(|address| around.vips.contains(&address.address)) {
        return CarryReason::Vip(vip.address);
    }
    let real_server = around
        .real_servers
        .iter()
        .find(|server| best_routes(around.routes, **server).any(|route| route.ifindex == ifindex));
    if let Some(address) = real_server {
        return CarryReason::RealServer(*address);
    }
    if own_routes().any(|route| route.destination.length == 0) {
        return CarryReason::DefaultRoute;
    }
    let routed = own_routes().find(|route| route.gateway.is_some());
    if let Some(route) = routed {
        return CarryReason::Route(route.destination);
    }
    if let Some(found) = own_addresses().next() {
        return CarryReason::Address(Prefix {
            address: found.address,
            length: found.length,
        });
    }
    own_routes().next().map_or(CarryReason::Nothing, |route| {
        CarryReason::Route(route.destination)
    })
}

/// The longest-matching routes to `address`; several where it is reached by several links.
fn best_routes(routes: &[RouteEntry], address: IpAddr) -> impl Iterator<Item = &RouteEntry> {
    let matching = move || {
        routes
            .iter()
            .filter(move |route| route.destination.contains(address))
    };
    let longest = matching().map(|route| route.destination.length).max();
    matching().filter(move |route| Some(route.destination.length) == longest)
}

fn macs(links: &[LinkInfo], link: &LinkInfo) -> Vec<Mac> {
    let over = links
        .iter()
        .filter(|other| is_macvlan(other) && other.lower == Some(link.index));
    let mut macs: Vec<_> = link.mac.into_iter().collect();
    if link.loopback {
        // Its frames have no addresses.
        macs = vec![Mac::default()];
    }
    macs.extend(over.filter_map(|other| other.mac));
    macs
}

fn is_macvlan(link: &LinkInfo) -> bool {
    link.kind.as_deref() == Some("macvlan")
}

#[cfg(test)]
mod tests;
