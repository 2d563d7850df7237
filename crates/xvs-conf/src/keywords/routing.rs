//! Lines of addresses, routes and rules, in instances and outside of them.

mod address;
mod route;
mod rule;

pub(super) use address::address;
pub(super) use route::route;
pub(super) use rule::rule;

use std::net::IpAddr;

use super::{Line, Scope};
use crate::{codes, diagnostic::Consequence};

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
