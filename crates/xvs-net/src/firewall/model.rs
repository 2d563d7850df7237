//! A packet filter, reduced to what decides whether a rule touches a virtual server.
//!
//! A condition that is not understood may hold, so a rule is listed rather than missed. The order of
//! rules is not looked at: that an earlier rule accepts a packet does not hide a later one that drops
//! it, since both are the operator's intent for the VIP.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
};

use xvs_types::{Family, Protocol};

use super::{FirewallRule, FirewallTarget};

/// The filter chains of one listing.
#[derive(Debug, Default)]
pub(super) struct Ruleset {
    /// By table and name.
    pub(super) chains: BTreeMap<ChainKey, Chain>,
}

/// Table (with its family) and name of a chain.
pub(super) type ChainKey = (String, String);

/// A chain.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Where its packets enter: it filters input, forwarded or incoming packets. Other chains matter
    /// only when they are jumped to.
    pub(super) is_base: bool,
    /// The family it sees; none for both.
    pub(super) family: Option<Family>,
    /// What no rule decides is dropped.
    pub(super) drops_the_rest: bool,
    /// Its rules.
    pub(super) rules: Vec<Rule>,
}

/// A rule; one whose verdict depends on a map is several with the same text.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// What the operator knows it by.
    pub(super) text: String,
    /// All of them must hold.
    pub(super) conditions: Vec<Condition>,
    /// What becomes of a packet.
    pub(super) verdict: Verdict,
}

/// What becomes of a packet for which a rule's conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is dropped, rejected or handed to a program that may drop it.
    Drop,
    /// The rules of the named chain of the same table decide.
    Jump(String),
    /// It passes this rule: accepted, counted, logged.
    Pass,
}

/// A condition on a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Its destination address lies in one of the ranges.
    Destination(Span<IpAddr>),
    /// It is of this family.
    Family(Family),
    /// It comes from the host itself, as packets of clients do not.
    Loopback,
    /// Its destination port lies in one of the ranges.
    Port(Span<u16>),
    /// Its transport protocol is one of these, by IANA number.
    Protocol(Span<u8>),
    /// Something else, which may hold.
    Unknown,
}

/// Some ranges of values, or all other values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span<T> {
    /// The ranges.
    pub(super) ranges: Vec<RangeInclusive<T>>,
    /// The values outside the ranges are meant.
    pub(super) negated: bool,
}

impl<T: PartialOrd> Span<T> {
    fn contains(&self, value: &T) -> bool {
        self.ranges.iter().any(|range| range.contains(value)) != self.negated
    }
}

/// Whether a condition holds for the packets of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    Never,
    Maybe,
    /// It asks for the target's address.
    NamesIt,
}

impl Ruleset {
    /// The rules and policies that act on the target's packets.
    pub(super) fn touching(&self, target: &FirewallTarget) -> BTreeSet<FirewallRule> {
        let mut found = BTreeSet::new();
        let family = Family::of(target.address);
        for (key, chain) in &self.chains {
            if !chain.is_base || chain.family.is_some_and(|other| other != family) {
                continue;
            }
            self.walk(key, false, target, &mut BTreeSet::new(), &mut found);
            if chain.drops_the_rest {
                found.insert(rule(key, "policy drop", false));
            }
        }
        found
    }

    /// Adds what touches the target in a chain that its packets reach; `named` if by a rule that
    /// names it.
    fn walk(
        &self,
        key: &ChainKey,
        named: bool,
        target: &FirewallTarget,
        seen: &mut BTreeSet<(ChainKey, bool)>,
        found: &mut BTreeSet<FirewallRule>,
    ) {
        let Some(chain) = self.chains.get(key) else {
            return;
        };
        if !seen.insert((key.clone(), named)) {
            return;
        }
        for found_rule in &chain.rules {
            let holds = found_rule
                .conditions
                .iter()
                .map(|condition| condition.holds(target))
                .fold(Some(Holds::Maybe), strongest);
            let Some(holds) = holds else { continue };
            let names = named || holds == Holds::NamesIt;
            if names || found_rule.verdict == Verdict::Drop {
                found.insert(rule(key, &found_rule.text, names));
            }
            if let Verdict::Jump(chain) = &found_rule.verdict {
                let key = (key.0.clone(), chain.clone());
                self.walk(&key, names, target, seen, found);
            }
        }
    }
}

/// Folds conditions of one rule: none once one can never hold.
fn strongest(so_far: Option<Holds>, next: Holds) -> Option<Holds> {
    match next {
        Holds::Never => None,
        _ => so_far.map(|so_far| so_far.max(next)),
    }
}

fn rule((table, chain): &ChainKey, text: &str, names_vip: bool) -> FirewallRule {
    FirewallRule {
        table: table.clone(),
        chain: chain.clone(),
        text: text.to_owned(),
        names_vip,
    }
}

impl Condition {
    fn holds(&self, target: &FirewallTarget) -> Holds {
        let holds = match self {
            Self::Destination(span) => {
                return match span.contains(&target.address) {
                    false => Holds::Never,
                    true if span.negated => Holds::Maybe,
                    true => Holds::NamesIt,
                };
            }
            Self::Family(family) => Family::of(target.address) == *family,
            Self::Loopback => false,
            Self::Port(span) => match target.service {
                None | Some((_, 0)) => true,
                Some((_, port)) => span.contains(&port),
            },
            Self::Protocol(span) => target
                .service
                .is_none_or(|(protocol, _port)| span.contains(&protocol.number())),
            Self::Unknown => true,
        };
        if holds { Holds::Maybe } else { Holds::Never }
    }

    /// The condition that the protocol is `name`, as both tools write it: a name or a number.
    pub(super) fn protocols<'a>(names: impl IntoIterator<Item = &'a str>, negated: bool) -> Self {
        let numbers: Option<Vec<_>> = names.into_iter().map(protocol_number).collect();
        match numbers {
            Some(numbers) => Self::Protocol(Span {
                ranges: numbers.into_iter().map(|number| number..=number).collect(),
                negated,
            }),
            None => Self::Unknown,
        }
    }
}

/// The number of a protocol; none for a name that the kernel's tools have and this list has not.
fn protocol_number(name: &str) -> Option<u8> {
    let known = match name {
        "icmp" => 1,
        "igmp" => 2,
        "tcp" => Protocol::Tcp.number(),
        "udp" => Protocol::Udp.number(),
        "dccp" => 33,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmpv6" | "ipv6-icmp" => 58,
        "vrrp" => 112,
        "sctp" => Protocol::Sctp.number(),
        "udplite" => 136,
        other => return other.parse().ok(),
    };
    Some(known)
}

/// The range of a prefix written `ADDRESS[/LENGTH]`.
pub(super) fn prefix_range(text: &str) -> Option<RangeInclusive<IpAddr>> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address.parse().ok()?, length.parse().ok()?),
        None => {
            let address: IpAddr = text.parse().ok()?;
            (address, Family::of(address).bits())
        }
    };
    let host_bits = u32::from(Family::of(address).bits().checked_sub(length)?);
    Some(match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            let bits = address.to_bits();
            IpAddr::V4((bits & mask).into())..=IpAddr::V4((bits | !mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            let bits = address.to_bits();
            IpAddr::V6((bits & mask).into())..=IpAddr::V6((bits | !mask).into())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> FirewallTarget {
        FirewallTarget {
            address: "10.0.0.100".parse().unwrap(),
            service: Some((Protocol::Tcp, 80)),
        }
    }

    fn destination(prefix: &str, negated: bool) -> Condition {
        Condition::Destination(Span {
            ranges: vec![prefix_range(prefix).unwrap()],
            negated,
        })
    }

    fn chain(is_base: bool, rules: &[(&str, Vec<Condition>, Verdict)]) -> Chain {
        let rules = rules.iter().map(|(text, conditions, verdict)| Rule {
            text: (*text).to_owned(),
            conditions: conditions.clone(),
            verdict: verdict.clone(),
        });
        Chain {
            is_base,
            rules: rules.collect(),
            ..Chain::default()
        }
    }

    #[test]
    fn a_prefix_is_a_range() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let range = prefix_range("10.0.0.77/24").unwrap();
        assert_eq!(range.start().to_string(), "10.0.0.0");
        assert_eq!(range.end().to_string(), "10.0.0.255");
        let all = prefix_range("::/0").unwrap();
        assert!(all.contains(&ip("ffff::1")));
        // Addresses of the other family lie in no range of this one.
        assert!(!prefix_range("0.0.0.0/0").unwrap().contains(&ip("::1")));
        assert!(!all.contains(&ip("10.0.0.1")));
        assert_eq!(prefix_range("10.0.0.0/33"), None);
        assert_eq!(prefix_range("vip.example"), None);
    }

    #[test]
    fn conditions_hold_for_what_they_describe() {
        let ports = |first, last, negated| {
            Condition::Port(Span {
                ranges: vec![first..=last],
                negated,
            })
        };
        for (condition, expected) in [
            (destination("10.0.0.0/24", false), Holds::NamesIt),
            (destination("10.0.1.0/24", false), Holds::Never),
            (destination("10.0.0.100", true), Holds::Never),
            (destination("10.0.1.0/24", true), Holds::Maybe),
            (Condition::Family(Family::V6), Holds::Never),
            (Condition::Loopback, Holds::Never),
            (ports(80, 90, false), Holds::Maybe),
            (ports(22, 22, false), Holds::Never),
            (ports(80, 80, true), Holds::Never),
            (Condition::protocols(["tcp", "udp"], false), Holds::Maybe),
            (Condition::protocols(["17"], false), Holds::Never),
            (Condition::protocols(["no-such"], false), Holds::Maybe),
            (Condition::Unknown, Holds::Maybe),
        ] {
            assert_eq!(condition.holds(&target()), expected, "{condition:?}");
        }
        let mut every_port = target();
        every_port.service = Some((Protocol::Tcp, 0));
        assert_eq!(ports(22, 22, false).holds(&every_port), Holds::Maybe);
    }

    #[test]
    fn jumps_are_followed_and_loops_end() {
        let jump = |chain: &str| Verdict::Jump(chain.to_owned());
        let vip = vec![destination("10.0.0.100", false)];
        let other = vec![destination("10.0.0.101", false)];
        let key = |name: &str| ("ip filter".to_owned(), name.to_owned());
        let ruleset = Ruleset {
            chains: BTreeMap::from([
                (
                    key("input"),
                    chain(true, &[("a", vip, jump("web")), ("b", other, jump("mail"))]),
                ),
                (
                    key("web"),
                    chain(
                        false,
                        &[("c", vec![], Verdict::Pass), ("d", vec![], jump("web"))],
                    ),
                ),
                (key("mail"), chain(false, &[("e", vec![], Verdict::Drop)])),
                (key("unused"), chain(false, &[("f", vec![], Verdict::Drop)])),
            ]),
        };
        let found = ruleset.touching(&target());
        let texts: Vec<_> = found.iter().map(|rule| rule.text.as_str()).collect();
        assert_eq!(texts, ["a", "c", "d"]);
        assert!(found.iter().all(|rule| rule.names_vip));
    }
}
