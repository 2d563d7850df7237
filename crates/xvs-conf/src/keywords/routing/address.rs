//! Lines of addresses: `virtual_ipaddress` and its kin.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    codes,
    config::{Lifetime, VirtualAddress},
    diagnostic::Consequence,
    keywords::{Line, Scope},
};

/// Scopes that `ip` knows by name (`/etc/iproute2/rt_scopes`).
const SCOPES: &[&str] = &["global", "site", "link", "host", "nowhere"];

/// An address line; `fixed` ones stand outside of instances.
pub(crate) fn address(
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
