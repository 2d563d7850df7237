//! Routes: what is local, what leads where, and where the kernel would send a packet.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use netlink_packet_route::{
    RouteNetlinkMessage,
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteType, RouteVia,
    },
};
use xvs_types::Family;

use crate::{
    Host, HostError, Prefix, RouteAnswer, RouteEntry,
    host::{FAMILIES, address_family},
};

/// The kernel's `local` table (`RT_TABLE_LOCAL`).
const TABLE_LOCAL: u32 = 255;

impl Host {
    /// Every prefix that the kernel's `local` table delivers to this host, of both families.
    ///
    /// Entries of type `local` only: the table's broadcast, multicast and anycast entries are no
    /// addresses that a virtual server may have.
    ///
    /// # Errors
    ///
    /// Netlink fails.
    pub async fn local_prefixes(&self) -> Result<BTreeSet<Prefix>, HostError> {
        let mut prefixes = BTreeSet::new();
        for family in FAMILIES {
            let mut request = RouteMessage::default();
            request.header.address_family = address_family(family);
            request.attributes.push(RouteAttribute::Table(TABLE_LOCAL));
            let answers = self
                .dump(
                    "read the `local` routing table",
                    RouteNetlinkMessage::GetRoute(request),
                )
                .await?;
            prefixes.extend(destinations(
                &answers,
                TABLE_LOCAL,
                RouteType::Local,
                family,
            ));
        }
        Ok(prefixes)
    }

    /// The unicast routes of every table but `local`, of both families, one entry a next hop.
    ///
    /// # Errors
    ///
    /// Netlink fails.
    pub async fn routes(&self) -> Result<BTreeSet<RouteEntry>, HostError> {
        let mut routes = BTreeSet::new();
        for family in FAMILIES {
            let mut request = RouteMessage::default();
            request.header.address_family = address_family(family);
            request.header.kind = RouteType::Unicast;
            let answers = self
                .dump("list routes", RouteNetlinkMessage::GetRoute(request))
                .await?;
            for route in answers.iter().filter_map(route_message) {
                if table(route) != TABLE_LOCAL && route.header.kind == RouteType::Unicast {
                    routes.extend(entries(route, family));
                }
            }
        }
        Ok(routes)
    }

    /// Where the kernel would send a packet to `address`.
    ///
    /// The answer honours routing rules, learned path MTUs and redirects. `mtu` is the route's
    /// (`ip route ... mtu`) or a learned path MTU, else that of the link.
    ///
    /// # Errors
    ///
    /// [`HostError::Unreachable`] when there is no route or it rejects packets; else netlink fails.
    pub async fn route_to(&self, address: IpAddr) -> Result<RouteAnswer, HostError> {
        let family = Family::of(address);
        let mut request = RouteMessage::default();
        request.header.address_family = address_family(family);
        request.header.destination_prefix_length = family.bits();
        request
            .attributes
            .push(RouteAttribute::Destination(address.into()));
        let action = format!("find the route to {address}");
        let answers = self
            .request(&action, RouteNetlinkMessage::GetRoute(request), 0)
            .await
            .map_err(|error| unreachable_or(error, address))?;
        let lacks = |missing| HostError::Answer {
            action: action.clone(),
            missing,
        };
        let route = answers
            .iter()
            .find_map(route_message)
            .ok_or_else(|| lacks("a route"))?;
        let local = match rejection(&route.header) {
            Some(reason) => {
                return Err(HostError::Unreachable {
                    address,
                    reason: reason.to_owned(),
                });
            }
            None => route.header.kind == RouteType::Local,
        };
        let hop = Hop::of(&route.attributes);
        let ifindex = hop.ifindex.ok_or_else(|| lacks("a link"))?;
        let mtu = match mtu_metric(route) {
            Some(mtu) => mtu,
            None => {
                let link = self
                    .link(ifindex)
                    .await?
                    .ok_or_else(|| lacks("the link's MTU"))?;
                match family {
                    Family::V4 => link.mtu,
                    Family::V6 => link.mtu_v6,
                }
            }
        };
        Ok(RouteAnswer {
            ifindex,
            gateway: hop.gateway,
            source: hop.source,
            mtu,
            local,
        })
    }
}

/// What the routes of a kind in a table lead to.
pub(crate) fn destinations(
    answers: &[RouteNetlinkMessage],
    of_table: u32,
    kind: RouteType,
    family: Family,
) -> BTreeSet<Prefix> {
    let routes = answers.iter().filter_map(route_message);
    let wanted = routes.filter(|route| table(route) == of_table && route.header.kind == kind);
    wanted.map(|route| destination(route, family)).collect()
}

fn route_message(message: &RouteNetlinkMessage) -> Option<&RouteMessage> {
    match message {
        RouteNetlinkMessage::NewRoute(route) => Some(route),
        _ => None,
    }
}

/// The table of a route: the attribute holds what does not fit the header's byte.
fn table(route: &RouteMessage) -> u32 {
    route
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Table(table) => Some(*table),
            _ => None,
        })
        .unwrap_or_else(|| route.header.table.into())
}

/// The destination of a route; the kernel leaves the address out of a default route.
fn destination(route: &RouteMessage, family: Family) -> Prefix {
    let any: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let address = route
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Destination(destination) => ip(destination),
            _ => None,
        });
    Prefix {
        address: address.unwrap_or(any),
        length: route.header.destination_prefix_length,
    }
}

fn entries(route: &RouteMessage, family: Family) -> Vec<RouteEntry> {
    let destination = destination(route, family);
    let mut entries = Vec::new();
    let single = Hop::of(&route.attributes);
    entries.extend(single.ifindex.map(|ifindex| RouteEntry {
        destination,
        ifindex,
        gateway: single.gateway,
    }));
    for attribute in &route.attributes {
        let RouteAttribute::MultiPath(hops) = attribute else {
            continue;
        };
        entries.extend(hops.iter().map(|hop| RouteEntry {
            destination,
            ifindex: hop.interface_index,
            gateway: Hop::of(&hop.attributes).gateway,
        }));
    }
    entries
}

/// The attributes of a route that say how a packet leaves.
#[derive(Default)]
struct Hop {
    ifindex: Option<u32>,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
}

impl Hop {
    fn of(attributes: &[RouteAttribute]) -> Self {
        let mut hop = Self::default();
        for attribute in attributes {
            match attribute {
                RouteAttribute::Oif(index) => hop.ifindex = Some(*index),
                RouteAttribute::Gateway(gateway) => hop.gateway = ip(gateway),
                // A gateway of the other family: IPv4 by an IPv6 router, RFC 5549.
                RouteAttribute::Via(RouteVia::Inet(gateway)) => {
                    hop.gateway = Some((*gateway).into());
                }
                RouteAttribute::Via(RouteVia::Inet6(gateway)) => {
                    hop.gateway = Some((*gateway).into());
                }
                RouteAttribute::PrefSource(source) => hop.source = ip(source),
                _ => {}
            }
        }
        hop
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn mtu_metric(route: &RouteMessage) -> Option<u32> {
    route
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Metrics(metrics) => metrics.iter().find_map(|metric| match metric {
                RouteMetric::Mtu(mtu) => Some(*mtu),
                _ => None,
            }),
            _ => None,
        })
}

/// Why a route that the kernel found carries no packets; IPv6 answers with such routes.
fn rejection(header: &RouteHeader) -> Option<&'static str> {
    match header.kind {
        RouteType::BlackHole => Some("the route is a blackhole"),
        RouteType::Prohibit => Some("the route is prohibited"),
        RouteType::Throw => Some("the route is a throw"),
        RouteType::Unreachable => Some("the route says unreachable"),
        _ => None,
    }
}

/// IPv4 answers a look-up that ends at a rejecting route, or nowhere, with the error of sending.
fn unreachable_or(error: HostError, address: IpAddr) -> HostError {
    let reason = match error.errno() {
        Some(libc::EACCES) => "the route is prohibited".to_owned(),
        // `fib_props` gives a blackhole EINVAL.
        Some(libc::EINVAL) if address.is_ipv4() => "the route is a blackhole".to_owned(),
        Some(code @ (libc::EHOSTUNREACH | libc::ENETUNREACH)) => {
            io::Error::from_raw_os_error(code).to_string()
        }
        _ => return error,
    };
    HostError::Unreachable { address, reason }
}
