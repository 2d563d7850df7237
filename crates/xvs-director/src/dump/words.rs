//! Addresses, programs and numbers in the words of keepalived 2.2.7's dumps.

use std::{fs, net::IpAddr, time::Duration};

use serde_json::{Number, Value};
use xvs_conf::config::{Lifetime, Script, VirtualAddress, VrrpInstance};

/// An address with all that is said of it; `is_set` when the host has it.
pub(super) fn address(address: &VirtualAddress, of: &VrrpInstance, is_set: bool) -> String {
    let mut words = vec![with_length(address.address, address.prefix_length)];
    let mut say = |word: &str, value: Option<String>| {
        words.push(word.to_owned());
        words.extend(value);
    };
    if let Some(peer) = address.peer {
        say("peer", Some(peer.to_string()));
    }
    if let Some(broadcast) = address.broadcast {
        say("brd", Some(broadcast.to_string()));
    }
    say("dev", Some(device(address, of)));
    let scope = address.scope.as_deref().unwrap_or("global");
    say("scope", Some(scope.to_owned()));
    if let Some(label) = &address.label {
        say("label", Some(label.clone()));
    }
    if address.address.is_ipv6() {
        say("preferred_lft", Some(preferred(address)));
    }
    for flag in &address.flags {
        say(flag, None);
    }
    if is_set {
        say("set", None);
    }
    if is_set && !of.accept {
        say("nftable_set", None);
    }
    words.join(" ")
}

/// The length of a prefix is said unless it is the whole address.
fn with_length(address: IpAddr, length: u8) -> String {
    let whole = if address.is_ipv4() { 32 } else { 128 };
    if length == whole {
        address.to_string()
    } else {
        format!("{address}/{length}")
    }
}

fn device(address: &VirtualAddress, of: &VrrpInstance) -> String {
    let base = of.interface.as_deref().unwrap_or_default();
    match (&address.interface, vmac_name(of)) {
        (Some(named), _) if named != base => named.clone(),
        (_, Some(vmac)) => format!("{vmac}@{base}"),
        (_, None) => base.to_owned(),
    }
}

/// How long an IPv6 address is preferred: one of a whole prefix not at all, unless that is said.
fn preferred(address: &VirtualAddress) -> String {
    let unsaid = match address.prefix_length {
        128 => Lifetime::Seconds(0),
        _ => Lifetime::Forever,
    };
    match address.preferred_lifetime.unwrap_or(unsaid) {
        Lifetime::Forever => "forever".to_owned(),
        Lifetime::Seconds(seconds) => seconds.to_string(),
    }
}

/// The name of a virtual router's interface with its virtual MAC address, if it has one.
pub(super) fn vmac_name(instance: &VrrpInstance) -> Option<String> {
    let vmac = instance.vmac.as_ref()?;
    let named = vmac.name.clone();
    Some(named.unwrap_or_else(|| format!("vrrp.{}", instance.virtual_router_id)))
}

/// A program as the kernel finds it, and its arguments, each in quotes.
pub(super) fn command(script: &Script) -> String {
    let words = script.arguments.iter().enumerate();
    let quoted = words.map(|(index, word)| {
        let found = (index == 0).then(|| fs::canonicalize(word).ok()).flatten();
        match found {
            Some(path) => format!("'{}'", path.display()),
            None => format!("'{word}'"),
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Seconds, as a whole number where they are one.
pub(super) fn seconds(time: Duration) -> Value {
    if time.subsec_nanos() == 0 {
        return Value::from(time.as_secs());
    }
    Number::from_f64(time.as_secs_f64()).map_or(Value::Null, Value::Number)
}

/// The same of milliseconds.
pub(super) fn milliseconds(time: u64) -> Value {
    seconds(Duration::from_millis(time))
}
