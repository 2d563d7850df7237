//! Lines of addresses, routes and rules, in instances and outside of them.

use std::net::{IpAddr, Ipv4Addr};

use super::{Line, Scope};
use crate::{
    codes,
    config::{Lifetime, PolicyRule, Route, VirtualAddress},
    diagnostic::Consequence,
};

/// Preference of a rule that names none.
const DEFAULT_PREFERENCE: u32 = 16_384;

/// Scopes that `ip` knows by name (`/etc/iproute2/rt_scopes`).
const SCOPES: &[&str] = &["global", "site", "link", "host", "nowhere"];

/// Words of a route that take one value.
const ROUTE_VALUES: &[&str] = &[
    "src",
    "via",
    "gw",
    "from",
    "tos",
    "dsfield",
    "table",
    "protocol",
    "scope",
    "metric",
    "priority",
    "preference",
    "dev",
    "oif",
    "expires",
    "mtu",
    "hoplimit",
    "advmss",
    "rtt",
    "rttvar",
    "reordering",
    "window",
    "cwnd",
    "ssthresh",
    "realms",
    "rto_min",
    "initcwnd",
    "initrwnd",
    "features",
    "quickack",
    "congctl",
    "pref",
    "ttl-propagate",
    "fastopen_no_cookie",
    "vrf",
    "or",
    "weight",
    "as",
    "track_group",
    "encap",
    "type",
];

/// Words of a route that stand alone.
const ROUTE_FLAGS: &[&str] = &[
    "inet",
    "inet6",
    "onlink",
    "add",
    "prepend",
    "append",
    "nexthop",
    "no_track",
    "lock",
    "unicast",
    "local",
    "broadcast",
    "multicast",
    "throw",
    "unreachable",
    "prohibit",
    "blackhole",
    "nat",
    "mpls",
    "ip",
    "ip6",
    "ila",
    "seg6",
];

/// Words of a rule that take one value.
const RULE_VALUES: &[&str] = &[
    "from",
    "to",
    "table",
    "lookup",
    "preference",
    "order",
    "priority",
    "tos",
    "dsfield",
    "fwmark",
    "realms",
    "suppress_prefixlength",
    "sup_pl",
    "suppress_ifgroup",
    "sup_group",
    "dev",
    "iif",
    "oif",
    "tun_id",
    "uidrange",
    "protocol",
    "ipproto",
    "sport",
    "dport",
    "track_group",
    "type",
    "goto",
];

/// Words of a rule that stand alone.
const RULE_FLAGS: &[&str] = &[
    "inet",
    "inet6",
    "not",
    "l3mdev",
    "no_track",
    "nop",
    "blackhole",
    "prohibit",
    "unreachable",
];

/// An address line; `fixed` ones stand outside of instances.
pub(super) fn address(
    line: &Line<'_>,
    fixed: bool,
    scope: &mut Scope<'_>,
) -> Option<VirtualAddress> {
    let (address, prefix_length) = address_with_prefix(line, scope)?;
    let mut parsed = VirtualAddress {
        address,
        prefix_length,
        broadcast: None,
        interface: None,
        scope: None,
        label: None,
        peer: None,
        preferred_lifetime: None,
        flags: Vec::new(),
        untracked: false,
        use_vmac: false,
        track_group: None,
    };
    let mut broadcast_sign = None;
    let mut index = 1;
    while let Some(option) = line.get(index) {
        match option {
            "home" | "-nodad" | "mngtmpaddr" | "noprefixroute" | "autojoin" => {
                parsed.flags.push(option.to_owned());
            }
            "no_track" => parsed.untracked = true,
            "use_vmac" if !fixed => parsed.use_vmac = true,
            "dev" | "scope" | "broadcast" | "brd" | "label" | "peer" | "preferred_lft" => {
                index += 1;
                value_option(&mut parsed, option, line, index, &mut broadcast_sign, scope)?;
            }
            "track_group" if fixed => {
                index += 1;
                value_option(&mut parsed, option, line, index, &mut broadcast_sign, scope)?;
            }
            other => line.reject(
                index,
                format!("`{other}` is no option of an address"),
                "it is ignored; write one address on each line",
                scope,
            ),
        }
        index += 1;
    }
    finish_address(&mut parsed, broadcast_sign, line, scope);
    if fixed && parsed.interface.is_none() && scope.host.interface("eth0").is_none() {
        scope.sink.add(
            codes::INTERFACE,
            Consequence::Fatal,
            line.at(0),
            "a static address needs an interface",
            "add `dev` and its name",
        );
        return None;
    }
    Some(parsed)
}

/// One option with its value; none when the whole address is left out.
fn value_option(
    parsed: &mut VirtualAddress,
    option: &str,
    line: &Line<'_>,
    index: usize,
    broadcast_sign: &mut Option<char>,
    scope: &mut Scope<'_>,
) -> Option<()> {
    let keeps = "the address is left out";
    let Some(value) = line.get(index) else {
        line.reject(index - 1, format!("`{option}` has no value"), keeps, scope);
        return None;
    };
    match option {
        "dev" if parsed.interface.is_some() => {
            line.reject(index, "a second interface for one address", keeps, scope);
            return None;
        }
        "dev" => parsed.interface = Some(scope.interface(value, line.at(index))?),
        "scope" if SCOPES.contains(&value) || value.parse::<u8>().is_ok() => {
            parsed.scope = Some(value.to_owned());
        }
        "scope" => line.reject(
            index,
            format!("`{value}` is no scope"),
            "it is ignored; the scope is global",
            scope,
        ),
        "label" if value.len() >= 16 => {
            line.reject(index, "a label has at most 15 bytes", keeps, scope);
            return None;
        }
        "label" => parsed.label = Some(value.to_owned()),
        "peer" => peer(parsed, value, line, index, scope),
        "preferred_lft" if value == "forever" => {
            parsed.preferred_lifetime = Some(Lifetime::Forever);
        }
        "preferred_lft" => {
            parsed.preferred_lifetime = line
                .lax_integer(index, 0..=4_294_967_295, "it is ignored", scope)
                .map(Lifetime::Seconds);
        }
        "track_group" if scope.known.track_groups.contains(value) => {
            parsed.track_group = Some(value.to_owned());
        }
        "track_group" => scope.sink.reported(
            codes::UNKNOWN_NAME,
            line.at(index),
            format!("no `track_group` named `{value}` stands above"),
            "it is ignored",
        ),
        _ => match (value, parsed.address) {
            (_, IpAddr::V6(_)) => {
                line.reject(
                    index,
                    "an IPv6 address has no broadcast address",
                    keeps,
                    scope,
                );
                return None;
            }
            ("+", _) => *broadcast_sign = Some('+'),
            ("-", _) => *broadcast_sign = Some('-'),
            _ => match value.parse() {
                Ok(broadcast) => parsed.broadcast = Some(broadcast),
                Err(_) => {
                    line.reject(
                        index,
                        format!("`{value}` is no broadcast address"),
                        keeps,
                        scope,
                    );
                    return None;
                }
            },
        },
    }
    Some(())
}

fn peer(
    parsed: &mut VirtualAddress,
    value: &str,
    line: &Line<'_>,
    index: usize,
    scope: &mut Scope<'_>,
) {
    match value.parse::<IpAddr>() {
        Ok(peer) if peer.is_ipv4() == parsed.address.is_ipv4() && parsed.peer.is_none() => {
            let host = if peer.is_ipv4() { 32 } else { 128 };
            if parsed.prefix_length != host {
                line.reject(
                    index,
                    "an address with a peer has no prefix of its own",
                    "the prefix is ignored",
                    scope,
                );
            }
            parsed.prefix_length = host;
            parsed.peer = Some(peer);
        }
        _ => line.reject(
            index,
            format!("`{value}` cannot be the peer"),
            "it is ignored",
            scope,
        ),
    }
}

fn finish_address(
    parsed: &mut VirtualAddress,
    broadcast_sign: Option<char>,
    line: &Line<'_>,
    scope: &mut Scope<'_>,
) {
    if parsed.peer.is_some() && (broadcast_sign.is_some() || parsed.broadcast.is_some()) {
        line.reject(
            0,
            "an address has either a broadcast address or a peer",
            "the broadcast address is ignored",
            scope,
        );
        parsed.broadcast = None;
    } else if let (Some(sign), IpAddr::V4(address)) = (broadcast_sign, parsed.address) {
        if parsed.prefix_length > 30 {
            line.reject(
                0,
                format!("a /{} has no broadcast address", parsed.prefix_length),
                "it is ignored",
                scope,
            );
        } else {
            let host = u32::MAX
                .checked_shr(parsed.prefix_length.into())
                .unwrap_or(0);
            let bits = if sign == '+' {
                address.to_bits() | host
            } else {
                address.to_bits() & !host
            };
            parsed.broadcast = Some(Ipv4Addr::from_bits(bits));
        }
    }
    if parsed.address.is_ipv6() {
        for (name, present) in [
            (
                "scope",
                parsed
                    .scope
                    .as_deref()
                    .is_some_and(|scope| scope != "global" && scope != "0"),
            ),
            ("label", parsed.label.is_some()),
        ] {
            if present {
                line.reject(
                    0,
                    format!("an IPv6 address takes no {name}"),
                    "it is ignored",
                    scope,
                );
            }
        }
        parsed.scope = None;
        parsed.label = None;
    }
}

fn address_with_prefix(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<(IpAddr, u8)> {
    let word = line.word(0);
    let (address, prefix) = match word.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (word, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        let message = if word.contains(',') {
            format!("`{word}` is not an IP address; one address stands on each line")
        } else {
            format!("`{word}` is not an IP address")
        };
        scope.sink.reported(
            codes::INVALID_ADDRESS,
            line.at(0),
            message,
            "it is left out",
        );
        return None;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match prefix.map(|prefix| prefix.parse::<u8>().ok().filter(|len| *len <= most)) {
        None => most,
        Some(Some(length)) => length,
        Some(None) => {
            scope.sink.reported(
                codes::INVALID_NUMBER,
                line.at(0),
                format!("a prefix of `{address}` has 0 to {most} bits"),
                format!("it is {most}"),
            );
            most
        }
    };
    Some((address, length))
}

/// A route line.
pub(super) fn route(line: &Line<'_>, fixed: bool, scope: &mut Scope<'_>) -> Option<Route> {
    let mut route = Route {
        destination: String::new(),
        interface: None,
        options: Vec::new(),
        untracked: false,
        track_group: None,
    };
    let mut index = 0;
    while let Some(word) = line.get(index) {
        if ROUTE_FLAGS.contains(&word) || word == "to" {
            match word {
                "no_track" => route.untracked = true,
                "nexthop" | "blackhole" | "unreachable" | "prohibit" | "throw" | "onlink" => {
                    route.options.push(word.to_owned());
                }
                _ => {}
            }
        } else if ROUTE_VALUES.contains(&word) && (index > 0 || word != "default") {
            index += 1;
            let value = needed_value(line, index, scope)?;
            route_value(&mut route, word, value, fixed, line, index, scope)?;
        } else if route.destination.is_empty() && is_destination(word) {
            word.clone_into(&mut route.destination);
        } else {
            line.reject(
                index,
                format!("`{word}` is no word of a route"),
                "the route is left out",
                scope,
            );
            return None;
        }
        index += 1;
    }
    if route.destination.is_empty() {
        line.reject(0, "a route needs a destination", "it is left out", scope);
        return None;
    }
    if route.interface.is_none() && !route.untracked {
        scope.sink.reported(
            codes::MISSING_SETTING,
            line.span(),
            format!("the route to `{}` names no interface", route.destination),
            "add `dev` and its name; without one its loss goes unseen",
        );
        route.untracked = true;
    }
    Some(route)
}

fn route_value(
    route: &mut Route,
    word: &str,
    value: &str,
    fixed: bool,
    line: &Line<'_>,
    index: usize,
    scope: &mut Scope<'_>,
) -> Option<()> {
    match word {
        "dev" | "oif" => {
            let interface = scope.interface(value, line.at(index))?;
            route.options.extend(["dev".to_owned(), interface.clone()]);
            // The interface of one of several hops is not that of the route.
            if !route.options.iter().any(|option| option == "nexthop") {
                route.interface = Some(interface);
            }
        }
        "gw" | "or" => {
            scope.sink.reported(
                codes::DEPRECATED,
                line.at(index - 1),
                format!("`{word}` in a route is deprecated"),
                "write `via`, or `nexthop via`",
            );
            let word = if word == "gw" { "via" } else { "nexthop" };
            route.options.push(word.to_owned());
            if word == "nexthop" {
                route.options.push("via".to_owned());
            }
            route.options.push(value.to_owned());
        }
        "via" | "src" | "from" if !is_destination(value) && !matches!(value, "inet" | "inet6") => {
            line.reject(
                index,
                format!("`{value}` is not an IP address"),
                "the route is left out",
                scope,
            );
            return None;
        }
        "track_group" if fixed && scope.known.track_groups.contains(value) => {
            route.track_group = Some(value.to_owned());
        }
        "track_group" => scope.sink.reported(
            codes::UNKNOWN_NAME,
            line.at(index),
            format!("no `track_group` named `{value}` stands above"),
            "it is ignored",
        ),
        _ => route.options.extend([word.to_owned(), value.to_owned()]),
    }
    Some(())
}

/// A rule line.
pub(super) fn rule(line: &Line<'_>, fixed: bool, scope: &mut Scope<'_>) -> Option<PolicyRule> {
    let mut rule = PolicyRule {
        preference: 0,
        options: Vec::new(),
        untracked: false,
        track_group: None,
    };
    let mut preference = None;
    let mut index = 0;
    while let Some(word) = line.get(index) {
        if RULE_FLAGS.contains(&word) {
            if word == "no_track" {
                rule.untracked = true;
            } else {
                rule.options.push(word.to_owned());
            }
        } else if RULE_VALUES.contains(&word) {
            index += 1;
            let value = needed_value(line, index, scope)?;
            match word {
                "preference" | "order" | "priority" => {
                    preference = Some(line.lax_integer(
                        index,
                        0..=4_294_967_295,
                        "the rule is left out",
                        scope,
                    )?);
                }
                "from" | "to" if !is_destination(value) => {
                    line.reject(
                        index,
                        format!("`{value}` is not an address with a prefix"),
                        "the rule is left out",
                        scope,
                    );
                    return None;
                }
                "dev" | "iif" | "oif" => {
                    let interface = scope.interface(value, line.at(index))?;
                    rule.options.extend([word.to_owned(), interface]);
                }
                "track_group" if fixed && scope.known.track_groups.contains(value) => {
                    rule.track_group = Some(value.to_owned());
                }
                "track_group" => scope.sink.reported(
                    codes::UNKNOWN_NAME,
                    line.at(index),
                    format!("no `track_group` named `{value}` stands above"),
                    "it is ignored",
                ),
                _ => rule.options.extend([word.to_owned(), value.to_owned()]),
            }
        } else {
            line.reject(
                index,
                format!("`{word}` is no word of a rule"),
                "the rule is left out",
                scope,
            );
            return None;
        }
        index += 1;
    }
    if !has_action(&rule.options) {
        line.reject(
            0,
            "a rule needs an action",
            "write `table`, `goto`, `blackhole`, `prohibit`, `unreachable` or `nop`; it is left out",
            scope,
        );
        return None;
    }
    rule.preference = preference.unwrap_or_else(|| {
        scope.sink.reported(
            codes::MISSING_SETTING,
            line.span(),
            "the rule has no preference",
            format!("it is {DEFAULT_PREFERENCE}, which hardly is what you want"),
        );
        DEFAULT_PREFERENCE
    });
    Some(rule)
}

fn has_action(options: &[String]) -> bool {
    const ACTIONS: &[&str] = &[
        "table",
        "lookup",
        "goto",
        "nop",
        "blackhole",
        "prohibit",
        "unreachable",
        "l3mdev",
        "type",
    ];
    options
        .iter()
        .any(|option| ACTIONS.contains(&option.as_str()))
}

fn needed_value<'a>(line: &Line<'a>, index: usize, scope: &mut Scope<'_>) -> Option<&'a str> {
    let value = line.get(index);
    if value.is_none() {
        scope.sink.add(
            codes::MISSING_VALUE,
            Consequence::MissingValue,
            line.at(index - 1),
            format!("`{}` needs a value", line.word(index - 1)),
            "keepalived stops here with exit status 2",
        );
    }
    value
}

fn is_destination(word: &str) -> bool {
    if matches!(word, "default" | "any" | "all" | "default6") {
        return true;
    }
    let (address, prefix) = match word.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (word, None),
    };
    address.parse::<IpAddr>().is_ok_and(|address| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        prefix.is_none_or(|prefix| prefix.parse::<u8>().is_ok_and(|bits| bits <= most))
    })
}
