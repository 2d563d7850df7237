//! How addresses, ports, marks and flags are written.

use std::net::IpAddr;

use xvs_types::{
    Endpoint, Family, Persistence, PersistenceMask, Protocol, Scheduler, SchedulerFlags,
    VirtualServerId,
};

use super::numbers;
use crate::names::Names;

/// The size of ipvsadm's buffer for an address with its port, less its end.
const LONGEST_NAME: usize = 59;

/// `ADDRESS:PORT`, by name unless `numeric`; IPv6 addresses have no names.
pub(super) fn endpoint(
    endpoint: Endpoint,
    protocol: Option<Protocol>,
    numeric: bool,
    names: &dyn Names,
) -> String {
    if numeric {
        return numeric_endpoint(endpoint);
    }
    let host = match endpoint.address {
        IpAddr::V4(address) => names
            .host_name(address)
            .unwrap_or_else(|| address.to_string()),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let service = protocol.and_then(|protocol| names.service_name(endpoint.port, protocol));
    let text = match service {
        Some(service) => format!("{host}:{service}"),
        None => format!("{host}:{}", endpoint.port),
    };
    cut(text, LONGEST_NAME)
}

fn numeric_endpoint(endpoint: Endpoint) -> String {
    let IpAddr::V4(address) = endpoint.address else {
        return endpoint.to_string();
    };
    let mut text = String::with_capacity("255.255.255.255:65535".len());
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        numbers::digits(octet.into(), &mut text);
    }
    text.push(':');
    numbers::digits(endpoint.port.into(), &mut text);
    text
}

/// A text at the left of a column of `width` characters.
pub(super) fn left(text: &str, width: usize, out: &mut String) {
    out.push_str(text);
    let characters = if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    };
    numbers::blanks(width.saturating_sub(characters), out);
}

/// At most `length` characters of `text`.
pub(super) fn cut(mut text: String, length: usize) -> String {
    if text.len() <= length {
        return text;
    }
    if let Some((end, _)) = text.char_indices().nth(length) {
        text.truncate(end);
    }
    text
}

/// The number of a mark as ipvsadm prints it: signed.
pub(super) fn signed_mark(mark: u32) -> i32 {
    mark.cast_signed()
}

/// The protocol of a virtual server; none for a mark.
pub(super) fn protocol(id: &VirtualServerId) -> Option<Protocol> {
    match id {
        VirtualServerId::Address { protocol, .. } => Some(*protocol),
        VirtualServerId::Mark { .. } => None,
    }
}

/// A mask that is not the default.
pub(super) fn mask(persistence: &Persistence) -> Option<String> {
    match persistence.mask {
        PersistenceMask::V4(mask) if mask.to_bits() == u32::MAX => None,
        PersistenceMask::V4(mask) => Some(mask.to_string()),
        PersistenceMask::V6(128) => None,
        PersistenceMask::V6(prefix) => Some(prefix.to_string()),
    }
}

/// The flags of a scheduler, separated by commas. sh and mh have names for two of them and none
/// for the third, so theirs may be empty though a flag is set.
pub(super) fn flags(scheduler: Scheduler, flags: SchedulerFlags) -> String {
    let all: &[(SchedulerFlags, &str)] = match scheduler {
        Scheduler::Sh => &[
            (SchedulerFlags::FALLBACK, "sh-fallback"),
            (SchedulerFlags::PORT, "sh-port"),
        ],
        Scheduler::Mh => &[
            (SchedulerFlags::FALLBACK, "mh-fallback"),
            (SchedulerFlags::PORT, "mh-port"),
        ],
        _ => &PLAIN_FLAGS,
    };
    named(all, flags)
}

/// The flags by their plain names, which any scheduler takes; none is lost.
pub(super) fn plain_flags(flags: SchedulerFlags) -> String {
    named(&PLAIN_FLAGS, flags)
}

const PLAIN_FLAGS: [(SchedulerFlags, &str); 3] = [
    (SchedulerFlags::FALLBACK, "flag-1"),
    (SchedulerFlags::PORT, "flag-2"),
    (SchedulerFlags::THIRD, "flag-3"),
];

fn named(all: &[(SchedulerFlags, &str)], flags: SchedulerFlags) -> String {
    let set: Vec<&str> = all
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, name)| *name)
        .collect();
    set.join(",")
}

/// Whether a family is IPv6.
pub(super) fn is_v6(family: Family) -> bool {
    family == Family::V6
}
