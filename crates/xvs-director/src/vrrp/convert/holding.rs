//! What a virtual router brings to the host, from its configuration.

use xvs_conf::config::{self as conf, Lifetime, VirtualAddress, VrrpInstance};
use xvs_net::{AddressScope, Mac};
use xvs_types::Family;
use xvs_vrrp::{Name, RouterConfig};
use xvs_wire::vrrp::{mac_v4, mac_v6};

use super::{
    super::plan::{HeldAddress, HeldRoute, HeldRule, Holding, Pauses, Vmac},
    routing,
};

/// `DFLT_INT` of keepalived.
const DEFAULT_INTERFACE: &str = "eth0";

/// What `instance`, which became `router`, holds as master; what it leaves out goes to `notes`.
pub(super) fn holding(
    config: &conf::Config,
    instance: &VrrpInstance,
    router: &RouterConfig,
    notes: &mut Vec<String>,
) -> Holding {
    let vmac = instance
        .vmac
        .as_ref()
        .map(|vmac| virtual_mac(config, vmac, router));
    let own = vmac
        .as_ref()
        .map_or(&router.interface, |vmac| &vmac.link)
        .clone();
    let lines = instance
        .addresses
        .iter()
        .chain(&instance.excluded_addresses);
    let who = format!("virtual router `{}`", instance.name);
    let mut addresses: Vec<_> = lines.map(|line| address(line, &own, &who, notes)).collect();
    let everywhere = instance
        .vmac
        .as_ref()
        .is_some_and(|vmac| vmac.for_addresses);
    let other_vmacs = match &vmac {
        Some(vmac) if everywhere => move_to_vmacs(config, router, vmac, &mut addresses),
        Some(_) | None => Vec::new(),
    };
    let routing = (&instance.routes[..], &instance.rules[..]);
    let (routes, rules) = read_routing(routing, instance.family, &who, notes);
    Holding {
        vmac,
        other_vmacs,
        addresses,
        routes,
        rules,
        pauses: Pauses {
            arp: instance.garp.garp_interval,
            advertisement: instance.garp.gna_interval,
        },
        // The owner answers always (RFC 5798 6.4.3).
        refuses: !instance.accept && !router.priority.is_owner(),
    }
}

/// What the host has whoever is master.
pub(super) fn fixed(config: &conf::Config, notes: &mut Vec<String>) -> Holding {
    let who = "static settings";
    let default = config.global.default_interface.as_deref();
    let link = default.unwrap_or(DEFAULT_INTERFACE).into();
    let lines = config.static_addresses.iter();
    let addresses = lines.map(|line| address(line, &link, who, notes)).collect();
    let routing = (&config.static_routes[..], &config.static_rules[..]);
    // `default` and `all` alone do not say their family: they are IPv4, as `ip` takes them.
    let (routes, rules) = read_routing(routing, Family::V4, who, notes);
    Holding {
        addresses,
        routes,
        rules,
        ..Holding::default()
    }
}

/// Routes and rules that are understood; the others are told.
fn read_routing(
    (routes, rules): (&[conf::Route], &[conf::PolicyRule]),
    family: Family,
    who: &str,
    notes: &mut Vec<String>,
) -> (Vec<HeldRoute>, Vec<HeldRule>) {
    let mut left_out = |kind: &str, word: String| {
        let text = format!("{who}: a {kind} is left out: `{word}` is not understood");
        notes.push(text);
    };
    let mut held = (Vec::new(), Vec::new());
    for line in routes {
        match routing::route(line, family) {
            Ok(route) => held.0.push(route),
            Err(word) => left_out("route", word),
        }
    }
    for line in rules {
        match routing::rule(line, family) {
            Ok(rule) => held.1.push(rule),
            Err(word) => left_out("rule", word),
        }
    }
    held
}

fn virtual_mac(config: &conf::Config, vmac: &conf::Vmac, router: &RouterConfig) -> Vmac {
    let v4 = router.addresses.is_v4();
    let standard = if v4 {
        mac_v4(router.vrid)
    } else {
        mac_v6(router.vrid)
    };
    // A MAC address of five bytes ends with the identifier.
    let mut mac = standard;
    if let Some(given) = &vmac.mac {
        for (slot, byte) in mac.iter_mut().zip(given) {
            *slot = *byte;
        }
    }
    let default = || vmac_name(config, router);
    Vmac {
        link: vmac.name.clone().unwrap_or_else(default).into(),
        base: router.interface.clone(),
        mac: Mac(mac),
        transmits: !vmac.transmit_on_base,
    }
}

fn vmac_name(config: &conf::Config, router: &RouterConfig) -> String {
    let prefix = config.global.vmac_prefix.as_deref().unwrap_or("vrrp");
    let family = if router.addresses.is_v4() { "" } else { "6" };
    format!("{prefix}{family}.{}", router.vrid.get())
}

/// Moves addresses on other interfaces than the virtual router's to interfaces over those with its
/// MAC address (`use_vmac_addr`), and answers these.
fn move_to_vmacs(
    config: &conf::Config,
    router: &RouterConfig,
    own: &Vmac,
    addresses: &mut [HeldAddress],
) -> Vec<Vmac> {
    let mut others: Vec<Vmac> = Vec::new();
    for address in addresses {
        if address.link == own.link || address.link == own.base {
            continue;
        }
        let known = others.iter().find(|vmac| vmac.base == address.link);
        let link = known.map_or_else(
            || format!("{}.{}", vmac_name(config, router), others.len() + 1).into(),
            |vmac| vmac.link.clone(),
        );
        if known.is_none() {
            others.push(Vmac {
                link: Name::clone(&link),
                base: address.link.clone(),
                mac: own.mac,
                transmits: false,
            });
        }
        address.link = link;
    }
    others
}

fn address(line: &VirtualAddress, own: &Name, who: &str, notes: &mut Vec<String>) -> HeldAddress {
    let mut note = |text: String| notes.push(format!("{who}: {text}"));
    let scope = scope(line.scope.as_deref()).unwrap_or_else(|| {
        note(format!("the scope of {} becomes `global`", line.address));
        AddressScope::Global
    });
    let v6 = line.address.is_ipv6();
    HeldAddress {
        link: line
            .interface
            .as_deref()
            .map_or_else(|| own.clone(), Name::from),
        address: line.address,
        length: line.prefix_length,
        broadcast: line.broadcast,
        peer: line.peer,
        label: line.label.clone(),
        scope,
        tracked: !line.untracked,
        preferred: match line.preferred_lifetime {
            Some(Lifetime::Forever) => true,
            Some(Lifetime::Seconds(seconds)) => seconds > 0,
            // keepalived: an address of one host is no source of the host's own packets.
            None => !(v6 && line.prefix_length == 128),
        },
    }
}

/// By name or by the number that the kernel has for it.
fn scope(word: Option<&str>) -> Option<AddressScope> {
    match word {
        None | Some("global" | "0") => Some(AddressScope::Global),
        Some("link" | "253") => Some(AddressScope::Link),
        Some("host" | "254") => Some(AddressScope::Host),
        Some(_) => None,
    }
}
