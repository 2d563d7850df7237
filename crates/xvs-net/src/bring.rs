//! Bringing packets to the dataplane that the firewall has seen: links, routes and routing rules.
//!
//! ```text
//!   packet -> firewall (marks it) -> rule 2 or 3 -> table -> `xvs-mark` == `xvs-marked` -> dataplane
//!                                    rule 1: what comes by `xvs-marked`, or from this host, skips them
//!                                    rule 4: the `local` table, which the kernel has as rule 0
//! ```
//!
//! A firewall mark exists only after netfilter's PREROUTING. Then the host routes, and its first rule
//! delivers what is local; so that rule moves behind ours, which bring packets into a veth whose far
//! end carries the dataplane. What is wanted is compared with what is there, and only differences are
//! made: a second call, or one of a daemon after a crash, finds everything as it should be.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    IpProtocol, RouteNetlinkMessage,
    link::{
        InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo as LinkDetail, LinkMessage,
    },
    route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType},
    rule::{RuleAction, RuleAttribute, RuleMessage},
};
use xvs_types::Family;

use crate::{
    AddressScope, AddressSpec, Change, Host, HostError, Mac, Prefix, Sysctl,
    host::{FAMILIES, address_family},
    routes,
    routing::{PROTOCOL_KEEPALIVED, needless_on},
};

/// The link into which packets are routed.
pub const ENTRY: &str = "xvs-mark";
/// Its far end, by which they come to the dataplane.
pub const BROUGHT_BY: &str = "xvs-marked";
/// The address of both: locally administered, and `xvs` in it.
pub const BROUGHT_MAC: Mac = Mac([0x02, 0x78, 0x76, 0x73, 0, 1]);

/// The IPv4 dummy address (RFC 7600), which nobody else has: a link without any address passes no packet
/// of a source that routes by another link, unless `rp_filter` is 0 on all links.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// Bytes of the largest packet that goes this way: what one of several segments may have.
const MTU: u32 = 65_535;
/// Tables of ours: for packets with a mark, and for those to addresses of virtual servers.
const TABLES: [u32; 2] = [0x7876_7301, 0x7876_7302];
/// The kernel's `local` table (`RT_TABLE_LOCAL`).
const TABLE_LOCAL: u32 = 255;
/// `RTPROT_KERNEL` of `linux/rtnetlink.h`.
const PROTOCOL_KERNEL: u8 = 2;

/// What is brought to the dataplane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// Packets with these marks, to what is local.
    pub marks: BTreeSet<(Family, u32)>,
    /// What is local.
    pub local: BTreeSet<Prefix>,
    /// Packets of what is balanced to these addresses, whatever their mark.
    pub addresses: BTreeSet<IpAddr>,
}

/// A routing rule as far as ours differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    family: Family,
    preference: u32,
    incoming: Option<String>,
    mark: Option<u32>,
    /// The protocol of the packets, as in their headers.
    carries: Option<u8>,
    /// The table that is asked; else the rule to go on with is the last of ours.
    table: Option<u32>,
}

/// What is brought whatever its mark: TCP, UDP, ESP, AH and SCTP. Who asks for a neighbour asks whether its
/// address is local, of no protocol (ARP) or of ICMPv6, and must find that it is.
const BALANCED: [u8; 5] = [6, 17, 50, 51, 132];

/// Places of the rules, behind the kernel's first one.
const SKIP: u32 = 1;
const MARKED: u32 = 2;
const ADDRESSED: u32 = 3;
const LOCAL: u32 = 4;

impl Host {
    /// Brings packets to the link [`BROUGHT_BY`], and answers its index. Rules, routes and links that
    /// are there already stay.
    ///
    /// # Errors
    ///
    /// The kernel has no veth or no routing by rules, or the right is lacking.
    pub async fn bring(&self, wanted: &Brought) -> Result<u32, HostError> {
        let (entry, link) = self.veth().await?;
        for (which, table) in TABLES.into_iter().enumerate() {
            let prefixes: BTreeSet<Prefix> = match which {
                0 => wanted.local.iter().copied().filter(is_reachable).collect(),
                _ => wanted.addresses.iter().copied().map(Prefix::host).collect(),
            };
            self.make_routes(table, entry, &prefixes).await?;
        }
        for family in families() {
            self.make_rules(family, &rules(family, wanted)).await?;
        }
        Ok(link)
    }

    /// Takes back what [`Host::bring`] made.
    ///
    /// # Errors
    ///
    /// The right is lacking.
    pub async fn bring_no_more(&self) -> Result<(), HostError> {
        for family in families() {
            let usual = BTreeSet::from([Rule::local(family, 0)]);
            self.make_rules(family, &usual).await?;
        }
        if let Some(link) = self.link_index(ENTRY).await? {
            self.remove_link(link).await?;
        }
        Ok(())
    }

    /// The two ends, entry first; made where they are not there.
    async fn veth(&self) -> Result<(u32, u32), HostError> {
        let made = self
            .request(
                &format!("make the links `{ENTRY}` and `{BROUGHT_BY}`"),
                RouteNetlinkMessage::NewLink(pair()),
                NLM_F_CREATE | NLM_F_EXCL,
            )
            .await;
        needless_on(made, &[libc::EEXIST])?;
        for (sysctl, value) in settings() {
            if let Err(error) = sysctl.set(value) {
                // Without IPv6 there is no such setting, and nothing to set.
                tracing::debug!(%error, "a setting of `{BROUGHT_BY}`");
            }
        }
        let missing = |name: &'static str| HostError::Answer {
            action: format!("find the link `{name}`"),
            missing: "a link",
        };
        let entry = self.link_index(ENTRY).await?;
        let entry = entry.ok_or_else(|| missing(ENTRY))?;
        let link = self.link_index(BROUGHT_BY).await?;
        let link = link.ok_or_else(|| missing(BROUGHT_BY))?;
        self.set_link_up(entry).await?;
        self.set_link_up(link).await?;
        self.add_address(&AddressSpec {
            scope: AddressScope::Host,
            ..AddressSpec::host(link, ADDRESS.into())
        })
        .await?;
        Ok((entry, link))
    }

    async fn link_index(&self, name: &str) -> Result<Option<u32>, HostError> {
        let links = self.links().await?;
        let found = links.iter().find(|link| link.name == name);
        Ok(found.map(|link| link.index))
    }

    /// Makes a table of ours lead to these prefixes alone.
    async fn make_routes(
        &self,
        table: u32,
        entry: u32,
        wanted: &BTreeSet<Prefix>,
    ) -> Result<(), HostError> {
        for family in families() {
            let of_family = |prefix: &&Prefix| Family::of(prefix.address) == family;
            let wanted: BTreeSet<Prefix> = wanted.iter().filter(of_family).copied().collect();
            let there = self.prefixes_in(table, family).await?;
            for prefix in wanted.difference(&there) {
                let made = self
                    .request(
                        &format!("add the route to {prefix}"),
                        RouteNetlinkMessage::NewRoute(route(table, entry, prefix)),
                        NLM_F_CREATE | NLM_F_EXCL,
                    )
                    .await;
                needless_on(made, &[libc::EEXIST])?;
            }
            for prefix in there.difference(&wanted) {
                let gone = self
                    .request(
                        &format!("remove the route to {prefix}"),
                        RouteNetlinkMessage::DelRoute(route(table, entry, prefix)),
                        0,
                    )
                    .await;
                needless_on(gone, &[libc::ESRCH, libc::ENODEV])?;
            }
        }
        Ok(())
    }

    async fn prefixes_in(&self, table: u32, family: Family) -> Result<BTreeSet<Prefix>, HostError> {
        let mut request = RouteMessage::default();
        request.header.address_family = address_family(family);
        request.attributes.push(RouteAttribute::Table(table));
        let answers = self
            .dump(
                "read a routing table of ours",
                RouteNetlinkMessage::GetRoute(request),
            )
            .await;
        let answers = match answers {
            // A table without routes is none.
            Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(BTreeSet::new()),
            answers => answers?,
        };
        Ok(routes::destinations(
            &answers,
            table,
            RouteType::Unicast,
            family,
        ))
    }

    /// Makes these the rules from the first to ours: adds first, so that what is local is always found.
    async fn make_rules(&self, family: Family, wanted: &BTreeSet<Rule>) -> Result<(), HostError> {
        let mut request = RuleMessage::default();
        request.header.family = address_family(family);
        let answers = self
            .dump("list routing rules", RouteNetlinkMessage::GetRule(request))
            .await?;
        let there: BTreeSet<Rule> = answers
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewRule(rule) => Rule::of(family, rule),
                _ => None,
            })
            .collect();
        // The last place first: where the others go on.
        for rule in wanted.iter().rev().filter(|rule| !there.contains(rule)) {
            let made = self
                .request(
                    &format!("add the routing rule {}", rule.preference),
                    RouteNetlinkMessage::NewRule(rule.message()),
                    NLM_F_CREATE | NLM_F_EXCL,
                )
                .await;
            needless_on(made, &[libc::EEXIST])?;
        }
        for rule in there.difference(wanted) {
            let gone = self
                .request(
                    &format!("remove the routing rule {}", rule.preference),
                    RouteNetlinkMessage::DelRule(rule.message()),
                    0,
                )
                .await;
            let _was_there: Change = needless_on(gone, &[libc::ENOENT])?;
        }
        Ok(())
    }
}

/// The families that this kernel has.
fn families() -> impl Iterator<Item = Family> {
    let has = |family: &Family| {
        *family == Family::V4
            || Sysctl::ipv6_link("all", "forwarding").is_some_and(|one| one.value().is_ok())
    };
    FAMILIES.into_iter().filter(has)
}

/// The rules that bring what is wanted of a family.
fn rules(family: Family, wanted: &Brought) -> BTreeSet<Rule> {
    let rule = |preference| Rule {
        family,
        preference,
        incoming: None,
        mark: None,
        carries: None,
        table: None,
    };
    let [marked, addressed] = TABLES;
    // What comes from this host is not balanced, and what was brought goes on.
    let skips = [BROUGHT_BY, "lo"].map(|link| Rule {
        incoming: Some(link.to_owned()),
        ..rule(SKIP)
    });
    let marks = wanted.marks.iter().filter(|(of, _)| *of == family);
    let marks = marks.map(|(_, mark)| Rule {
        mark: Some(*mark),
        table: Some(marked),
        ..rule(MARKED)
    });
    let addresses = BALANCED.map(|protocol| Rule {
        carries: Some(protocol),
        table: Some(addressed),
        ..rule(ADDRESSED)
    });
    let ours = skips.into_iter().chain(marks).chain(addresses);
    ours.chain([Rule::local(family, LOCAL)]).collect()
}

impl Rule {
    /// The rule that delivers what is local.
    fn local(family: Family, preference: u32) -> Self {
        Self {
            family,
            preference,
            incoming: None,
            mark: None,
            carries: None,
            table: Some(TABLE_LOCAL),
        }
    }

    /// A rule of the kernel's, where it is in one of our places and may be ours, or is the first one.
    fn of(family: Family, message: &RuleMessage) -> Option<Self> {
        let mut rule = Self {
            table: Some(u32::from(message.header.table)),
            ..Self::local(family, 0)
        };
        let mut protocol = None;
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(preference) => rule.preference = *preference,
                RuleAttribute::Table(table) => rule.table = Some(*table),
                RuleAttribute::Iifname(name) => rule.incoming = Some(name.clone()),
                RuleAttribute::FwMark(mark) => rule.mark = Some(*mark).filter(|mark| *mark != 0),
                RuleAttribute::IpProtocol(found) => {
                    rule.carries = u8::try_from(i32::from(*found)).ok();
                }
                RuleAttribute::Protocol(found) => protocol = Some(u8::from(*found)),
                _ => {}
            }
        }
        if message.header.action == RuleAction::Goto {
            rule.table = None;
        }
        let ours = (SKIP..=LOCAL).contains(&rule.preference) && protocol == Some(rule.protocol());
        let first = rule == Self::local(family, 0);
        (ours || first).then_some(rule)
    }

    fn protocol(&self) -> u8 {
        if self.table == Some(TABLE_LOCAL) && self.preference == 0 {
            PROTOCOL_KERNEL
        } else {
            PROTOCOL_KEEPALIVED
        }
    }

    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = address_family(self.family);
        let attributes = &mut message.attributes;
        attributes.push(RuleAttribute::Priority(self.preference));
        attributes.push(RuleAttribute::Protocol(RouteProtocol::from(
            self.protocol(),
        )));
        match self.table {
            Some(table) => {
                message.header.action = RuleAction::ToTable;
                message.header.table = u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
                attributes.push(RuleAttribute::Table(table));
            }
            None => {
                message.header.action = RuleAction::Goto;
                attributes.push(RuleAttribute::Goto(LOCAL));
            }
        }
        attributes.extend(self.incoming.clone().map(RuleAttribute::Iifname));
        if let Some(protocol) = self.carries {
            let protocol = IpProtocol::from(i32::from(protocol));
            attributes.push(RuleAttribute::IpProtocol(protocol));
        }
        if let Some(mark) = self.mark {
            attributes.push(RuleAttribute::FwMark(mark));
            attributes.push(RuleAttribute::FwMask(u32::MAX));
        }
        message
    }
}

/// Whether others can reach a local prefix.
fn is_reachable(prefix: &Prefix) -> bool {
    match prefix.address {
        IpAddr::V4(address) => !address.is_loopback() && address != ADDRESS,
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_unicast_link_local() && !address.is_multicast()
        }
    }
}

/// A veth with one address at both ends, on which nobody is asked for: frames that are routed into one
/// end are addressed to the other.
fn pair() -> LinkMessage {
    let end = |name: &str| {
        let mut message = LinkMessage::default();
        message.header.flags = LinkFlags::Noarp;
        message.header.change_mask = LinkFlags::Noarp;
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Address(BROUGHT_MAC.0.to_vec()),
            LinkAttribute::Mtu(MTU),
        ];
        message
    };
    let mut message = end(ENTRY);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkDetail::Kind(InfoKind::Veth),
        LinkDetail::Data(InfoData::Veth(InfoVeth::Peer(end(BROUGHT_BY)))),
    ]));
    message
}

/// Settings of the two ends: what is brought has its own way back, and goes on as from any link.
fn settings() -> impl Iterator<Item = (Sysctl, u32)> {
    // Addresses of IPv6 are of no use to them: `IN6_ADDR_GEN_MODE_NONE`.
    let silent = [ENTRY, BROUGHT_BY].map(|link| (Sysctl::ipv6_link(link, "addr_gen_mode"), 1));
    let open = [
        (Sysctl::ipv4_link(BROUGHT_BY, "rp_filter"), 2),
        (Sysctl::ipv4_link(BROUGHT_BY, "forwarding"), 1),
        (Sysctl::ipv6_link(BROUGHT_BY, "forwarding"), 1),
    ];
    let all = silent.into_iter().chain(open);
    all.filter_map(|(sysctl, value)| Some((sysctl?, value)))
}

fn route(table: u32, entry: u32, prefix: &Prefix) -> RouteMessage {
    let family = Family::of(prefix.address);
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = address_family(family);
    header.destination_prefix_length = prefix.length;
    header.protocol = RouteProtocol::from(PROTOCOL_KEEPALIVED);
    header.kind = RouteType::Unicast;
    header.scope = match family {
        Family::V4 => RouteScope::Link,
        Family::V6 => RouteScope::Universe,
    };
    header.table = RouteHeader::RT_TABLE_UNSPEC;
    let destination = (prefix.length > 0).then(|| prefix.address.into());
    message.attributes = vec![RouteAttribute::Table(table), RouteAttribute::Oif(entry)];
    message
        .attributes
        .extend(destination.map(RouteAttribute::Destination));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_known_again_by_what_the_kernel_lists() {
        let wanted = Brought {
            marks: BTreeSet::from([(Family::V4, 7), (Family::V6, 8)]),
            ..Brought::default()
        };
        for family in FAMILIES {
            let rules = rules(family, &wanted);
            assert_eq!(rules.len(), 9);
            for rule in rules {
                assert_eq!(Rule::of(family, &rule.message()), Some(rule));
            }
        }
        let usual = Rule::local(Family::V4, 0);
        assert_eq!(Rule::of(Family::V4, &usual.message()), Some(usual));
    }

    #[test]
    fn rules_of_others_are_not_ours() {
        let mut other = Rule::local(Family::V4, 32_766).message();
        assert_eq!(Rule::of(Family::V4, &other), None);
        other = Rule::local(Family::V4, 2).message();
        other
            .attributes
            .retain(|one| !matches!(one, RuleAttribute::Protocol(_)));
        assert_eq!(Rule::of(Family::V4, &other), None);
    }
}
