//! What a virtual router brings to the host, from its configuration.

use xvs_conf::config::{self as conf, Lifetime, VirtualAddress, VrrpInstance};
use xvs_net::{AddressScope, Mac};
use xvs_vrrp::{Name, RouterConfig};
use xvs_wire::vrrp::{mac_v4, mac_v6};

use super::{
    super::plan::{HeldAddress, Holding, Vmac},
    routing,
};

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
    let addresses = lines
        .map(|line| address(line, &own, &instance.name, notes))
        .collect();
    let mut left_out = |kind: &str, word: String| {
        notes.push(format!(
            "virtual router `{}`: one of its `{kind}` is left out: `{word}` is not understood",
            instance.name
        ));
    };
    let mut routes = Vec::new();
    for line in &instance.routes {
        match routing::route(line, instance.family) {
            Ok(route) => routes.push(route),
            Err(word) => left_out("virtual_routes", word),
        }
    }
    let mut rules = Vec::new();
    for line in &instance.rules {
        match routing::rule(line, instance.family) {
            Ok(rule) => rules.push(rule),
            Err(word) => left_out("virtual_rules", word),
        }
    }
    Holding {
        vmac,
        addresses,
        routes,
        rules,
        arp_pause: instance.garp.garp_interval,
        advertisement_pause: instance.garp.gna_interval,
    }
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
    let prefix = config.global.vmac_prefix.as_deref().unwrap_or("vrrp");
    let family = if v4 { "" } else { "6" };
    let default = || format!("{prefix}{family}.{}", router.vrid.get());
    Vmac {
        link: vmac.name.clone().unwrap_or_else(default).into(),
        mac: Mac(mac),
        transmits: !vmac.transmit_on_base,
    }
}

fn address(
    line: &VirtualAddress,
    own: &Name,
    router: &str,
    notes: &mut Vec<String>,
) -> HeldAddress {
    let mut note = |text: String| notes.push(format!("virtual router `{router}`: {text}"));
    let scope = scope(line.scope.as_deref()).unwrap_or_else(|| {
        note(format!("the scope of {} becomes `global`", line.address));
        AddressScope::Global
    });
    if let Some(peer) = line.peer {
        note(format!("{} is added without its peer {peer}", line.address));
    }
    let v6 = line.address.is_ipv6();
    HeldAddress {
        link: line
            .interface
            .as_deref()
            .map_or_else(|| own.clone(), Name::from),
        address: line.address,
        length: line.prefix_length,
        broadcast: line.broadcast,
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
