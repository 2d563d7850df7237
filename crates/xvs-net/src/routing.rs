//! Adding and removing routes and routing rules.
//!
//! Both changes are idempotent and say what was there before, as those of addresses do.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    route::{
        RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteProtocol,
        RouteScope, RouteType,
    },
    rule::{RuleAction, RuleAttribute, RuleMessage},
};
use serde::{Deserialize, Serialize};
use xvs_types::Family;

use crate::{Change, Host, HostError, Prefix, host::address_family};

/// `RTPROT_KEEPALIVED` of `linux/rtnetlink.h`: by it operators and other daemons know whose it is.
const PROTOCOL_KEEPALIVED: u8 = 18;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSpec {
    /// What it leads to; the length 0 is the default route.
    pub destination: Prefix,
    /// What becomes of packets; default [`RouteKind::Unicast`].
    pub kind: RouteKind,
    /// The next router.
    pub gateway: Option<IpAddr>,
    /// The gateway is on the link though no address says so.
    pub onlink: bool,
    /// The address that the host sends from.
    pub source: Option<IpAddr>,
    /// The routing table; default 254, `main`.
    pub table: u32,
    /// The less the better; the kernel's default is 0 for IPv4 and 1024 for IPv6.
    pub metric: Option<u32>,
    /// Bytes of the largest packet.
    pub mtu: Option<u32>,
}

/// What becomes of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// Dropped in silence.
    Blackhole,
    /// Refused by the administrator.
    Prohibit,
    /// Sent.
    #[default]
    Unicast,
    /// Refused as unreachable.
    Unreachable,
}

/// A routing rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// Its family.
    pub family: Family,
    /// Its place among the rules; the least is asked first.
    pub preference: u32,
    /// Packets from there.
    pub from: Option<Prefix>,
    /// Packets to there.
    pub to: Option<Prefix>,
    /// Packets that came in by this link.
    pub incoming: Option<String>,
    /// Packets of sockets that are bound to this link.
    pub outgoing: Option<String>,
    /// Packets with this mark, under this mask.
    pub mark: Option<(u32, u32)>,
    /// The table that is asked.
    pub table: u32,
}

impl Host {
    /// Adds a route by the link `ifindex`, or by none; [`Change::Needless`] when the table has one to
    /// the same destination with the same metric.
    ///
    /// # Errors
    ///
    /// The gateway cannot be reached, the source is no address of this host, or the right is lacking.
    pub async fn add_route(
        &self,
        spec: &RouteSpec,
        ifindex: Option<u32>,
    ) -> Result<Change, HostError> {
        let made = self
            .request(
                &format!("add the route to {}", spec.destination),
                RouteNetlinkMessage::NewRoute(route(spec, ifindex)),
                NLM_F_CREATE | NLM_F_EXCL,
            )
            .await;
        needless_on(made, &[libc::EEXIST])
    }

    /// Removes a route; [`Change::Needless`] when there is none.
    ///
    /// # Errors
    ///
    /// The right is lacking.
    pub async fn remove_route(
        &self,
        spec: &RouteSpec,
        ifindex: Option<u32>,
    ) -> Result<Change, HostError> {
        let removed = self
            .request(
                &format!("remove the route to {}", spec.destination),
                RouteNetlinkMessage::DelRoute(route(spec, ifindex)),
                0,
            )
            .await;
        needless_on(removed, &[libc::ESRCH, libc::ENODEV])
    }

    /// Adds a routing rule; [`Change::Needless`] when there is one like it.
    ///
    /// # Errors
    ///
    /// The right is lacking.
    pub async fn add_rule(&self, spec: &RuleSpec) -> Result<Change, HostError> {
        let made = self
            .request(
                &format!("add the routing rule {}", spec.preference),
                RouteNetlinkMessage::NewRule(rule(spec)),
                NLM_F_CREATE | NLM_F_EXCL,
            )
            .await;
        needless_on(made, &[libc::EEXIST])
    }

    /// Removes a routing rule; [`Change::Needless`] when there is none.
    ///
    /// # Errors
    ///
    /// The right is lacking.
    pub async fn remove_rule(&self, spec: &RuleSpec) -> Result<Change, HostError> {
        let removed = self
            .request(
                &format!("remove the routing rule {}", spec.preference),
                RouteNetlinkMessage::DelRule(rule(spec)),
                0,
            )
            .await;
        needless_on(removed, &[libc::ENOENT])
    }
}

fn needless_on<T>(result: Result<T, HostError>, errors: &[i32]) -> Result<Change, HostError> {
    match result {
        Ok(_) => Ok(Change::Made),
        Err(error) if error.errno().is_some_and(|errno| errors.contains(&errno)) => {
            Ok(Change::Needless)
        }
        Err(error) => Err(error),
    }
}

fn route(spec: &RouteSpec, ifindex: Option<u32>) -> RouteMessage {
    let family = Family::of(spec.destination.address);
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = address_family(family);
    header.destination_prefix_length = spec.destination.length;
    header.protocol = RouteProtocol::from(PROTOCOL_KEEPALIVED);
    header.kind = match spec.kind {
        RouteKind::Blackhole => RouteType::BlackHole,
        RouteKind::Prohibit => RouteType::Prohibit,
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Unreachable => RouteType::Unreachable,
    };
    // As `ip route` has it: what needs no router is on the link.
    let on_link = spec.gateway.is_none() && spec.kind == RouteKind::Unicast;
    header.scope = if on_link && family == Family::V4 {
        RouteScope::Link
    } else {
        RouteScope::Universe
    };
    header.table = u8::try_from(spec.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    if spec.onlink {
        header.flags = RouteFlags::Onlink;
    }
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(spec.table));
    if spec.destination.length > 0 {
        let destination = spec.destination.address.into();
        attributes.push(RouteAttribute::Destination(destination));
    }
    attributes.extend(spec.gateway.map(|one| RouteAttribute::Gateway(one.into())));
    attributes.extend(
        spec.source
            .map(|one| RouteAttribute::PrefSource(one.into())),
    );
    attributes.extend(ifindex.map(RouteAttribute::Oif));
    attributes.extend(spec.metric.map(RouteAttribute::Priority));
    attributes.extend(
        spec.mtu
            .map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])),
    );
    message
}

fn rule(spec: &RuleSpec) -> RuleMessage {
    let mut message = RuleMessage::default();
    let header = &mut message.header;
    header.family = address_family(spec.family);
    header.action = RuleAction::ToTable;
    header.table = u8::try_from(spec.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    header.src_len = spec.from.map_or(0, |prefix| prefix.length);
    header.dst_len = spec.to.map_or(0, |prefix| prefix.length);
    let attributes = &mut message.attributes;
    attributes.push(RuleAttribute::Priority(spec.preference));
    attributes.push(RuleAttribute::Table(spec.table));
    attributes.push(RuleAttribute::Protocol(RouteProtocol::from(
        PROTOCOL_KEEPALIVED,
    )));
    attributes.extend(
        spec.from
            .map(|prefix| RuleAttribute::Source(prefix.address)),
    );
    attributes.extend(
        spec.to
            .map(|prefix| RuleAttribute::Destination(prefix.address)),
    );
    attributes.extend(spec.incoming.clone().map(RuleAttribute::Iifname));
    attributes.extend(spec.outgoing.clone().map(RuleAttribute::Oifname));
    if let Some((mark, mask)) = spec.mark {
        attributes.push(RuleAttribute::FwMark(mark));
        attributes.push(RuleAttribute::FwMask(mask));
    }
    message
}
