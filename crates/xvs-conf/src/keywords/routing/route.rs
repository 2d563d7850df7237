//! Lines of routes, in the words of `ip route`.

use super::{is_destination, needed_value};
use crate::{
    codes,
    config::Route,
    keywords::{Line, Scope},
};

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

/// A route line.
pub(crate) fn route(line: &Line<'_>, fixed: bool, scope: &mut Scope<'_>) -> Option<Route> {
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
