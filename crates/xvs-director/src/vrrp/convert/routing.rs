//! Routes and rules of a virtual router, from the words that `ip route` and `ip rule` take.
//!
//! The words that configurations have are understood; a line with another word is left out as a whole
//! and said, since half a route is another route.

use std::{net::IpAddr, str::FromStr};

use xvs_conf::config::{PolicyRule, Route};
use xvs_net::{Prefix, RouteKind, RouteSpec, RuleSpec};
use xvs_types::Family;
use xvs_vrrp::Name;

use super::super::plan::{HeldRoute, HeldRule};

/// Tables by name (`/etc/iproute2/rt_tables` as it is delivered).
const TABLES: [(&str, u32); 3] = [("default", 253), ("main", 254), ("local", 255)];
const TABLE_MAIN: u32 = 254;

/// A route of a virtual router, or the word that is not understood. Without `dev` the kernel finds the
/// link by the gateway.
pub(super) fn route(line: &Route, family: Family) -> Result<HeldRoute, String> {
    let mut spec = RouteSpec {
        destination: prefix(&line.destination, family)?,
        kind: RouteKind::Unicast,
        gateway: None,
        onlink: false,
        source: None,
        table: TABLE_MAIN,
        metric: None,
        mtu: None,
    };
    let mut link = line.interface.as_deref().map(Name::from);
    let mut words = line.options.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or_else(|| word.to_owned());
        match word {
            "via" | "gw" | "nexthop" if spec.gateway.is_none() => {
                let mut address = next()?;
                if matches!(address, "inet" | "inet6" | "via") {
                    address = next()?;
                }
                spec.gateway = Some(number(address)?);
            }
            "dev" | "oif" => link = Some(next()?.into()),
            "src" => spec.source = Some(number(next()?)?),
            "table" => spec.table = table(next()?)?,
            "metric" | "priority" | "preference" => spec.metric = Some(number(next()?)?),
            "mtu" => spec.mtu = Some(number(next()?)?),
            "onlink" => spec.onlink = true,
            "blackhole" => spec.kind = RouteKind::Blackhole,
            "prohibit" => spec.kind = RouteKind::Prohibit,
            "unreachable" => spec.kind = RouteKind::Unreachable,
            "unicast" => spec.kind = RouteKind::Unicast,
            other => return Err(other.to_owned()),
        }
    }
    Ok(HeldRoute {
        link,
        spec,
        tracked: !line.untracked,
    })
}

/// A rule of a virtual router, or the word that is not understood.
pub(super) fn rule(line: &PolicyRule, family: Family) -> Result<HeldRule, String> {
    let mut spec = RuleSpec {
        family,
        preference: line.preference,
        from: None,
        to: None,
        incoming: None,
        outgoing: None,
        mark: None,
        table: TABLE_MAIN,
    };
    let mut words = line.options.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or_else(|| word.to_owned());
        match word {
            "from" => spec.from = Some(prefix(next()?, family)?).filter(|one| one.length > 0),
            "to" => spec.to = Some(prefix(next()?, family)?).filter(|one| one.length > 0),
            "iif" | "dev" => spec.incoming = Some(next()?.to_owned()),
            "oif" => spec.outgoing = Some(next()?.to_owned()),
            "fwmark" => spec.mark = Some(mark(next()?)?),
            "table" | "lookup" => spec.table = table(next()?)?,
            other => return Err(other.to_owned()),
        }
    }
    if let Some(other) = spec.from.or(spec.to) {
        spec.family = Family::of(other.address);
    }
    Ok(HeldRule {
        spec,
        tracked: !line.untracked,
    })
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_not| word.to_owned())
}

fn table(word: &str) -> Result<u32, String> {
    let named = TABLES.iter().find(|(name, _number)| *name == word);
    named.map_or_else(|| number(word), |(_name, number)| Ok(*number))
}

/// `default`, `all`, an address, or an address with a length.
fn prefix(word: &str, family: Family) -> Result<Prefix, String> {
    if matches!(word, "default" | "all" | "any") {
        let address = match family {
            Family::V4 => IpAddr::from([0; 4]),
            Family::V6 => IpAddr::from([0; 16]),
        };
        return Ok(Prefix { address, length: 0 });
    }
    match word.split_once('/') {
        None => Ok(Prefix::host(number(word)?)),
        Some((address, length)) => Ok(Prefix {
            address: number(address)?,
            length: number(length)?,
        }),
    }
}

/// `MARK` or `MARK/MASK`, decimal or hexadecimal.
fn mark(word: &str) -> Result<(u32, u32), String> {
    let one = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).map_err(|_not| word.to_owned()),
        None => number(text),
    };
    match word.split_once('/') {
        None => Ok((one(word)?, u32::MAX)),
        Some((mark, mask)) => Ok((one(mark)?, one(mask)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(destination: &str, options: &str) -> Route {
        Route {
            destination: destination.to_owned(),
            interface: None,
            options: options.split_whitespace().map(str::to_owned).collect(),
            untracked: false,
            track_group: None,
        }
    }

    #[test]
    fn the_words_of_a_route_are_understood() {
        let words = "via 10.99.0.254 dev eth1 src 10.99.0.100 metric 5 table 100 mtu 1400";
        let held = route(&line("192.0.2.0/24", words), Family::V4).unwrap();
        assert_eq!(held.link, Some("eth1".into()));
        assert_eq!(held.spec.gateway, Some("10.99.0.254".parse().unwrap()));
        assert_eq!((held.spec.table, held.spec.metric), (100, Some(5)));
        assert_eq!(held.spec.destination.length, 24);
        let default = route(&line("default", "via fe80::1 dev eth0"), Family::V6).unwrap();
        assert_eq!(default.spec.destination.to_string(), "::/0");
    }

    #[test]
    fn a_word_that_is_not_understood_is_named() {
        let refused = route(
            &line("192.0.2.0/24", "via 10.0.0.1 encap mpls 100"),
            Family::V4,
        );
        assert_eq!(refused.unwrap_err(), "encap");
        let refused = route(&line("192.0.2.0/24", "via nowhere"), Family::V4);
        assert_eq!(refused.unwrap_err(), "nowhere");
    }

    #[test]
    fn the_words_of_a_rule_are_understood() {
        let line = PolicyRule {
            preference: 100,
            options: "from 10.99.0.0/24 fwmark 0x10/0xff table 100"
                .split(' ')
                .map(str::to_owned)
                .collect(),
            untracked: true,
            track_group: None,
        };
        let held = rule(&line, Family::V4).unwrap();
        assert_eq!((held.spec.mark, held.spec.table), (Some((0x10, 0xff)), 100));
        assert!(!held.tracked);
    }
}
