//! A director's host: the VIPs on a link, forwarding on, redirects off.
//!
//! Forwarding is what lets the kernel carry the packets that the datapath leaves to it. A director
//! with one link would tell clients to go straight to the real servers, hence no redirects.

use xvs_net::{LinkInfo, Prefix, Sysctl};

use crate::{
    Common, DirectorCommand, Item, Report, SetupError, VipPrefix, command::Command,
    item::link_sysctls,
};

/// Names the record's folder.
const ROLE: &str = "director";

/// Does what `xvs director` was asked, and tells how the host is then.
///
/// # Errors
///
/// Something is unknown or refused; `up` then leaves what was there.
pub fn director(command: &DirectorCommand) -> Result<Report, SetupError> {
    match command {
        DirectorCommand::Up(up) => {
            self::command(&up.common).up(|links| plan(&up.vips, &up.interface, links))
        }
        DirectorCommand::Down(down) => {
            let vips: Vec<_> = down.vips.iter().map(|vip| vip.0.address).collect();
            self::command(&down.common).down(&vips)
        }
        DirectorCommand::Status(status) => {
            let command = self::command(&status.common);
            match &status.interface {
                Some(interface) => command.status(|links| plan(&status.vips, interface, links)),
                None => command.recorded_status(),
            }
        }
    }
}

fn command(common: &Common) -> Command<'_> {
    Command {
        role: ROLE,
        common,
        connections: 1,
    }
}

/// The items, in the order in which they are set up: the host forwards before clients find a VIP.
fn plan(vips: &[VipPrefix], interface: &str, links: &[LinkInfo]) -> Result<Vec<Item>, SetupError> {
    if !links.iter().any(|link| link.name == interface) {
        return Err(SetupError::UnknownLink {
            link: interface.to_owned(),
        });
    }
    let mut items = Vec::new();
    for link in ["all", "default", interface] {
        items.extend(link_sysctls(link, &[("send_redirects", "0")]));
    }
    items.push(Item::Sysctl {
        sysctl: Sysctl::ip_forward(),
        value: "1".to_owned(),
        also: changed_along(links, Sysctl::ipv4_link, &["default"])
            // the kernel flips it against forwarding (inet_forward_change in net/ipv4/devinet.c)
            .chain(Sysctl::ipv4_link("all", "accept_redirects"))
            .collect(),
    });
    // a host that forwards IPv6 forgets the routes it learnt from router advertisements, so
    // without need it is left alone
    if vips.iter().any(|vip| vip.0.address.is_ipv6()) {
        items.push(Item::Sysctl {
            sysctl: Sysctl::ipv6_forwarding(),
            value: "1".to_owned(),
            also: changed_along(links, Sysctl::ipv6_link, &["default"]).collect(),
        });
    }
    items.extend(vips.iter().map(|vip| address(interface, vip.0)));
    Ok(items)
}

fn address(interface: &str, prefix: Prefix) -> Item {
    Item::Address {
        link: interface.to_owned(),
        prefix,
    }
}

/// `forwarding` of each link, which the setting for all links overwrites.
fn changed_along<'a>(
    links: &'a [LinkInfo],
    of_link: impl Fn(&str, &str) -> Option<Sysctl> + 'a,
    templates: &'a [&'a str],
) -> impl Iterator<Item = Sysctl> + 'a {
    let names = links.iter().map(|link| link.name.as_str());
    names
        .chain(templates.iter().copied())
        .filter_map(move |name| of_link(name, "forwarding"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::link;

    fn names(vips: &[&str]) -> Vec<String> {
        let vips: Vec<VipPrefix> = vips.iter().map(|vip| vip.parse().unwrap()).collect();
        let links = [link("lo"), link("eth0"), link("eth1")];
        let items = plan(&vips, "eth1", &links).unwrap();
        items
            .iter()
            .map(|item| format!("{item}={}", item.wanted()))
            .collect()
    }

    #[test]
    fn a_director_forwards_and_sends_no_redirects() {
        assert_eq!(
            names(&["192.168.56.40", "10.0.0.1/24"]),
            [
                "net.ipv4.conf.all.send_redirects=0",
                "net.ipv4.conf.default.send_redirects=0",
                "net.ipv4.conf.eth1.send_redirects=0",
                "net.ipv4.ip_forward=1",
                "address 192.168.56.40/32 on eth1=present",
                "address 10.0.0.1/24 on eth1=present",
            ]
        );
    }

    #[test]
    fn ipv6_is_forwarded_for_an_ipv6_vip_only() {
        let items = names(&["2001:db8::1"]);
        assert!(items.contains(&"net.ipv6.conf.all.forwarding=1".to_owned()));
        assert!(items.contains(&"address 2001:db8::1/128 on eth1=present".to_owned()));
    }

    #[test]
    fn every_links_forwarding_is_remembered() {
        let links = [link("lo"), link("eth0")];
        let items = plan(&["10.0.0.1".parse().unwrap()], "eth0", &links).unwrap();
        let also: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Sysctl { also, .. } => Some(also),
                _ => None,
            })
            .flatten()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            also,
            [
                "net.ipv4.conf.lo.forwarding",
                "net.ipv4.conf.eth0.forwarding",
                "net.ipv4.conf.default.forwarding",
                "net.ipv4.conf.all.accept_redirects",
            ]
        );
    }

    #[test]
    fn an_unknown_interface_is_named() {
        let error = plan(&["10.0.0.1".parse().unwrap()], "eth7", &[link("lo")]).unwrap_err();
        assert!(error.to_string().contains("`eth7`"));
    }
}
