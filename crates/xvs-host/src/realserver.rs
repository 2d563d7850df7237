//! A real server's host: what each forwarding method needs of it.
//!
//! - DR and TUN: the VIP on `lo`, which no neighbour may learn of (`arp_ignore`, `arp_announce`).
//! - TUN: packets taken out of their tunnel, by the kernel's device or by our program, and no
//!   reverse path check where they come out.
//! - FULLNAT: servers are told the client that the director's SYN names.

use std::net::IpAddr;

use xvs_net::{LinkInfo, Prefix};

use crate::{
    Common, Decapsulation, Down, Ingress, Item, RealserverCommand, RealserverMethod,
    RealserverStatus, RealserverUp, Report, SetupError, command::Command, item::link_sysctls,
};

/// Names the record's folder.
const ROLE: &str = "realserver";

/// Does what `xvs realserver` was asked, and tells how the host is then.
///
/// # Errors
///
/// Something is unknown or refused; `up` then leaves what was there.
pub fn realserver(command: &RealserverCommand) -> Result<Report, SetupError> {
    match command {
        RealserverCommand::Up(up) => up_command(up),
        RealserverCommand::Down(down) => down_command(down),
        RealserverCommand::Status(status) => status_command(status),
    }
}

fn up_command(up: &RealserverUp) -> Result<Report, SetupError> {
    let wish = Wish {
        method: up.method,
        vips: &up.vips,
        interfaces: &up.interfaces,
        decapsulation: up.decapsulation,
    };
    command(&up.common, up.connections).up(|links| plan(&wish, links))
}

fn down_command(down: &Down) -> Result<Report, SetupError> {
    let vips: Vec<_> = down.vips.iter().map(|vip| vip.0.address).collect();
    command(&down.common, 1).down(&vips)
}

fn status_command(status: &RealserverStatus) -> Result<Report, SetupError> {
    let command = command(&status.common, 1);
    let Some(method) = status.method else {
        return command.recorded_status();
    };
    let wish = Wish {
        method,
        vips: &status.vips,
        interfaces: &status.interfaces,
        decapsulation: status.decapsulation,
    };
    command.status(|links| plan(&wish, links))
}

fn command(common: &Common, connections: u32) -> Command<'_> {
    Command {
        role: ROLE,
        common,
        connections,
    }
}

/// What the command line asks for.
struct Wish<'a> {
    method: RealserverMethod,
    vips: &'a [IpAddr],
    interfaces: &'a [String],
    decapsulation: Decapsulation,
}

/// The items of a wish, in the order in which they are set up: neighbours are kept from learning
/// a VIP before it exists, and programs know their VIPs before packets reach them.
fn plan(wish: &Wish<'_>, links: &[LinkInfo]) -> Result<Vec<Item>, SetupError> {
    let named = named_links(wish.interfaces, links)?;
    match wish.method {
        RealserverMethod::Dr => Ok(vip_on_loopback(wish, &named)),
        RealserverMethod::Tun => tunnel(wish, &named, links),
        RealserverMethod::Fullnat => {
            let mut items = vec![Item::PeerNames];
            items.extend(programs(Ingress::Client, &named, links)?);
            Ok(items)
        }
    }
}

fn vip_on_loopback(wish: &Wish<'_>, named: &[&LinkInfo]) -> Vec<Item> {
    let mut items = Vec::new();
    // IPv6 needs nothing of the kind: the kernel answers solicitations for a link's own addresses
    if wish.vips.iter().any(IpAddr::is_ipv4) {
        let links = ["all", "lo"]
            .into_iter()
            .chain(named.iter().map(|link| link.name.as_str()));
        for link in links {
            items.extend(link_sysctls(
                link,
                &[("arp_ignore", "1"), ("arp_announce", "2")],
            ));
        }
    }
    items.extend(wish.vips.iter().map(|vip| Item::Address {
        link: "lo".to_owned(),
        prefix: Prefix::host(*vip),
    }));
    items
}

fn tunnel(
    wish: &Wish<'_>,
    named: &[&LinkInfo],
    links: &[LinkInfo],
) -> Result<Vec<Item>, SetupError> {
    let devices = kernel_devices(wish, links)?;
    let receiving = match &devices {
        Some(devices) => devices.clone(),
        None => ethernet_links(named, links)?,
    };
    let mut items = Vec::new();
    // The kernel takes the stricter of a link's setting and that of `all`
    if wish.vips.iter().any(IpAddr::is_ipv4) {
        let names = std::iter::once("all").chain(receiving.iter().map(|link| link.name.as_str()));
        for link in names {
            items.extend(link_sysctls(link, &[("rp_filter", "0")]));
        }
    }
    items.extend(vip_on_loopback(wish, named));
    if devices.is_some() {
        items.extend(receiving.iter().map(|link| Item::LinkUp {
            link: link.name.clone(),
        }));
    } else {
        let vips = wish.vips.iter();
        items.extend(vips.map(|vip| Item::DecapsulatedVip { vip: *vip }));
        items.extend(programs(Ingress::Decapsulation, named, links)?);
    }
    Ok(items)
}

/// The kernel's tunnel devices for the families of the VIPs; none when our program does the work.
///
/// They are those that the kernel itself makes in each namespace when its module is loaded, and
/// they take tunnels within one family.
fn kernel_devices<'a>(
    wish: &Wish<'_>,
    links: &'a [LinkInfo],
) -> Result<Option<Vec<&'a LinkInfo>>, SetupError> {
    if wish.decapsulation == Decapsulation::Program {
        return Ok(None);
    }
    let mut devices = Vec::new();
    for (wanted, name) in [
        (wish.vips.iter().any(IpAddr::is_ipv4), "tunl0"),
        (wish.vips.iter().any(IpAddr::is_ipv6), "ip6tnl0"),
    ] {
        if !wanted {
            continue;
        }
        match (find(links, name), wish.decapsulation) {
            (Ok(link), _) => devices.push(link),
            (Err(error), Decapsulation::Kernel) => return Err(error),
            (Err(_absent), _) => return Ok(None),
        }
    }
    Ok(Some(devices))
}

fn programs(
    program: Ingress,
    named: &[&LinkInfo],
    links: &[LinkInfo],
) -> Result<Vec<Item>, SetupError> {
    let links = ethernet_links(named, links)?;
    Ok(links
        .into_iter()
        .map(|link| Item::Program {
            program,
            link: link.name.clone(),
        })
        .collect())
}

/// The links that were named; by default those with Ethernet frames. A port is left out, since its
/// packets come in by its master too.
fn ethernet_links<'a>(
    named: &[&'a LinkInfo],
    links: &'a [LinkInfo],
) -> Result<Vec<&'a LinkInfo>, SetupError> {
    if let Some(other) = named.iter().find(|link| !link.ethernet) {
        return Err(SetupError::NotEthernet {
            link: other.name.clone(),
        });
    }
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let found: Vec<_> = links
        .iter()
        .filter(|link| link.ethernet && !link.loopback && link.master.is_none())
        .collect();
    if found.is_empty() {
        return Err(SetupError::NoLink);
    }
    Ok(found)
}

fn named_links<'a>(
    names: &[String],
    links: &'a [LinkInfo],
) -> Result<Vec<&'a LinkInfo>, SetupError> {
    names.iter().map(|name| find(links, name)).collect()
}

fn find<'a>(links: &'a [LinkInfo], name: &str) -> Result<&'a LinkInfo, SetupError> {
    links
        .iter()
        .find(|link| link.name == name)
        .ok_or_else(|| SetupError::UnknownLink {
            link: name.to_owned(),
        })
}

#[cfg(test)]
mod tests;
