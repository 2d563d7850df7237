//! `virtual_server_group`: lines of addresses, ranges and marks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use xvs_types::Family;

use super::{Draft, Line, Scope};
use crate::{
    codes,
    config::{GroupEntry, VirtualServerGroup},
    diagnostic::Consequence,
};

/// Every address becomes a rule of its own; a group of more is refused rather than filling tables.
const MAX_ADDRESSES: u128 = 65_536;

/// Reads a group.
pub(super) fn read(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let mut group = VirtualServerGroup {
        name: line.word(1).to_owned(),
        entries: Vec::new(),
    };
    for entry in line.entries() {
        let found = if entry.word(0) == "fwmark" {
            mark(&entry, scope)
        } else {
            addresses(&entry, scope)
        };
        group.entries.extend(found);
    }
    if group.entries.is_empty() {
        scope.sink.reported(
            codes::EMPTY_BLOCK,
            line.span(),
            format!("virtual server group `{}` has no entry", group.name),
            "it is left out",
        );
        return;
    }
    if mixes_families(&group) {
        scope.sink.reported(
            codes::CONFLICT,
            line.span(),
            format!(
                "group `{}` has both families and a mark of no family",
                group.name
            ),
            "write `fwmark N inet` or `fwmark N inet6`; the group is left out",
        );
        return;
    }
    draft.config.virtual_server_groups.push(group);
}

fn mixes_families(group: &VirtualServerGroup) -> bool {
    let has = |wanted: Option<Family>| {
        group.entries.iter().any(|entry| match entry {
            GroupEntry::Addresses { first, .. } => Some(Family::of(*first)) == wanted,
            GroupEntry::Mark { family, .. } => *family == wanted,
        })
    };
    has(Some(Family::V4)) && has(Some(Family::V6)) && has(None)
}

fn mark(entry: &Line<'_>, scope: &mut Scope<'_>) -> Option<GroupEntry> {
    let Some(_) = entry.get(1) else {
        scope.sink.add(
            codes::MISSING_VALUE,
            Consequence::MissingValue,
            entry.at(0),
            "`fwmark` needs a value",
            "keepalived stops here with exit status 2",
        );
        return None;
    };
    let mark = entry.lax_integer(1, 0..=4_294_967_295, "the entry is left out", scope)?;
    let family = match entry.get(2) {
        None => None,
        Some("inet") => Some(Family::V4),
        Some("inet6") => Some(Family::V6),
        Some(other) => {
            entry.reject(
                2,
                format!("`{other}` is no address family"),
                "write `inet` or `inet6`; the entry is left out",
                scope,
            );
            return None;
        }
    };
    Some(GroupEntry::Mark { mark, family })
}

fn addresses(entry: &Line<'_>, scope: &mut Scope<'_>) -> Option<GroupEntry> {
    let keeps = "the entry is left out";
    let port = match entry.get(1) {
        Some(word) if word.bytes().any(|byte| byte != b'0') => {
            entry.lax_integer(1, 1..=65_535, keeps, scope)?
        }
        _ => 0,
    };
    let word = entry.word(0);
    let (first, last) = match range(word) {
        Ok(range) => range,
        Err(cause) => {
            scope
                .sink
                .reported(codes::INVALID_ADDRESS, entry.at(0), cause, keeps);
            return None;
        }
    };
    if count(first, last) > MAX_ADDRESSES {
        scope.sink.add(
            codes::EXPANSION_LIMIT,
            Consequence::Broken,
            entry.at(0),
            format!("`{word}` is more than {MAX_ADDRESSES} addresses"),
            "each address is a virtual server of its own; use a firewall mark",
        );
        return None;
    }
    Some(GroupEntry::Addresses { first, last, port })
}

/// `A`, `A-N`, `A-B` or `A/LEN` as the first and the last address.
fn range(word: &str) -> Result<(IpAddr, IpAddr), String> {
    let parse = |text: &str| {
        text.parse::<IpAddr>()
            .map_err(|_source| format!("`{text}` is not an IP address"))
    };
    if let Some((address, length)) = word.split_once('/') {
        let first = parse(address)?;
        return prefix(first, length)
            .map(|last| (first, last))
            .ok_or_else(|| format!("`/{length}` does not fit `{address}`"));
    }
    let Some((address, end)) = word.split_once('-') else {
        return parse(word).map(|address| (address, address));
    };
    let first = parse(address)?;
    let last = match first {
        _ if end.contains(['.', ':']) => Some(parse(end)?),
        IpAddr::V4(first) => end.parse::<u8>().ok().map(|end| {
            let [a, b, c, _] = first.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, end))
        }),
        IpAddr::V6(first) => u16::from_str_radix(end, 16).ok().map(|end| {
            let mut segments = first.segments();
            segments[7] = end;
            IpAddr::V6(Ipv6Addr::from(segments))
        }),
    };
    match last {
        Some(last) if Family::of(last) == Family::of(first) && last >= first => Ok((first, last)),
        _ => Err(format!("`{word}` is no range of addresses")),
    }
}

/// The last address of a prefix; none when bits behind the prefix are set.
fn prefix(first: IpAddr, length: &str) -> Option<IpAddr> {
    let length: u32 = length.parse().ok().filter(|length| *length > 0)?;
    match first {
        IpAddr::V4(first) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            (length <= 32 && first.to_bits() & host == 0)
                .then(|| IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() | host)))
        }
        IpAddr::V6(first) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            (length <= 128 && first.to_bits() & host == 0)
                .then(|| IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() | host)))
        }
    }
}

fn count(first: IpAddr, last: IpAddr) -> u128 {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    (bits(last) - bits(first)).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(word: &str) -> Option<String> {
        range(word)
            .ok()
            .map(|(first, last)| format!("{first} {last}"))
    }

    #[test]
    fn ranges_are_read_in_every_form() {
        assert_eq!(text("10.0.0.1").unwrap(), "10.0.0.1 10.0.0.1");
        assert_eq!(text("10.0.0.1-5").unwrap(), "10.0.0.1 10.0.0.5");
        assert_eq!(text("10.0.0.250-10.0.1.3").unwrap(), "10.0.0.250 10.0.1.3");
        assert_eq!(text("10.0.0.0/30").unwrap(), "10.0.0.0 10.0.0.3");
        assert_eq!(text("fd00::1-f").unwrap(), "fd00::1 fd00::f");
        assert_eq!(text("fd00::/126").unwrap(), "fd00:: fd00::3");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for word in [
            "10.0.0.5-1",
            "10.0.0.1-256",
            "10.0.0.1/24",
            "10.0.0.0/0",
            "10.0.0.0/33",
            "10.0.0.1-fd00::1",
            "fd00::1-",
            "x",
        ] {
            assert_eq!(text(word), None, "{word}");
        }
    }
}
