//! Which links carry the datapath and by which hook, with the reasons that status shows.

use std::{collections::BTreeMap, net::IpAddr};

use xvs_control::wire::{Code, HookChoice, Problem};
use xvs_dataplane::{Attachment, Hook};
use xvs_net::{
    AutoHook, CarryReason, RouteEntry, Surroundings, Wanted, choose_hook, links_to_carry,
};

use super::{
    Placement,
    footprint::Footprint,
    view::{View, mac},
};

/// A link that shall carry the datapath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// What the dataplane is told.
    pub(crate) attachment: Attachment,
    /// Why this link, and why this hook.
    pub(crate) reason: String,
}

/// The links that shall carry the datapath for rules with this footprint. `drivers` has the driver of
/// a link by its name, where one is known.
pub(super) fn place(
    view: &View,
    footprint: &Footprint,
    placement: &Placement,
    drivers: &BTreeMap<String, Option<String>>,
) -> Vec<Placed> {
    place_with(view, footprint, !footprint.is_empty(), placement, drivers)
}

/// The links that would carry the datapath if there were a virtual server: those that the operator
/// named, by the hook that the operator named. None where xvs chooses either.
pub(super) fn place_on_trial(view: &View, placement: &Placement) -> Vec<Placed> {
    if placement.hook == HookChoice::Auto || placement.interfaces.is_none() {
        return Vec::new();
    }
    place_with(
        view,
        &Footprint::default(),
        true,
        placement,
        &BTreeMap::new(),
    )
}

fn place_with(
    view: &View,
    footprint: &Footprint,
    virtual_servers: bool,
    placement: &Placement,
    drivers: &BTreeMap<String, Option<String>>,
) -> Vec<Placed> {
    let vips = footprint.vips();
    let real_servers = footprint.real_servers();
    let is_here = |address: &IpAddr| {
        let mut local = view.local_prefixes.iter();
        local.any(|prefix| prefix.contains(*address))
    };
    let answers = real_servers.iter().any(is_here);
    let routes: Vec<RouteEntry> = view.routes.iter().copied().collect();
    let around = Surroundings {
        links: &view.links,
        addresses: &view.addresses,
        routes: &routes,
        virtual_servers,
        vips: &vips,
        real_servers: &real_servers,
        vip_is_here: vips.iter().any(is_here),
    };
    links_to_carry(&around, wanted(placement))
        .into_iter()
        .filter(|choice| choice.carries)
        .filter_map(|choice| {
            let link = view.link(choice.ifindex)?;
            let (hook, why) = match placement.hook {
                _ if link.loopback => (Hook::Tcx, "tcx, as always there".to_owned()),
                HookChoice::Auto => {
                    let driver = drivers.get(&link.name).cloned().flatten();
                    let auto = choose_hook(link, driver.as_deref());
                    let hook = match auto.hook {
                        AutoHook::Tcx => Hook::Tcx,
                        AutoHook::Xdp => Hook::Xdp,
                    };
                    (hook, format!("{hook}, for {}", auto.reason))
                }
                HookChoice::Tcx => (Hook::Tcx, "tcx was asked for".to_owned()),
                HookChoice::Xdp => (Hook::Xdp, "xdp was asked for".to_owned()),
                HookChoice::XdpGeneric => {
                    (Hook::XdpGeneric, "xdp-generic was asked for".to_owned())
                }
            };
            Some(Placed {
                attachment: Attachment {
                    ifindex: choice.ifindex,
                    name: choice.name,
                    macs: choice.macs.into_iter().map(mac).collect(),
                    hook,
                    answers: answers && !link.loopback,
                },
                reason: format!("{}; {why}", choice.reason),
            })
        })
        .collect()
}

/// Whether the links that `placement` names are there and can carry the datapath at all.
pub(super) fn check(view: &View, placement: &Placement) -> Result<(), Problem> {
    for name in placement.interfaces.iter().flatten() {
        if view.link_named(name).is_none() {
            let there: Vec<&str> = view.links.iter().map(|link| link.name.as_str()).collect();
            return Err(
                Problem::new(Code::UnknownInterface, format!("no interface `{name}`"))
                    .with_hint(format!("there are {}", there.join(" "))),
            );
        }
    }
    let around = Surroundings {
        links: &view.links,
        addresses: &[],
        routes: &[],
        virtual_servers: true,
        vips: &[],
        real_servers: &[],
        vip_is_here: false,
    };
    for choice in links_to_carry(&around, wanted(placement)) {
        let named = placement
            .interfaces
            .as_ref()
            .is_some_and(|names| names.contains(&choice.name));
        // A link that is down may come up.
        if named && !choice.carries && choice.reason != CarryReason::Down {
            return Err(Problem::new(
                Code::HookUnsupported,
                format!(
                    "`{}` cannot carry the datapath: {}",
                    choice.name, choice.reason
                ),
            ));
        }
    }
    Ok(())
}

fn wanted(placement: &Placement) -> Wanted<'_> {
    placement
        .interfaces
        .as_deref()
        .map_or(Wanted::Auto, Wanted::Named)
}

#[cfg(test)]
mod tests {
    use xvs_net::{LinkAddress, LinkInfo};
    use xvs_types::{RealServer, VirtualServer, VirtualServerId};

    use super::*;
    use crate::changes::RuleChanges;

    fn link(index: u32, name: &str) -> LinkInfo {
        LinkInfo {
            index,
            name: name.to_owned(),
            mac: Some(xvs_net::Mac([2, 0, 0, 0, 0, 1])),
            mtu: 1500,
            mtu_v6: 1500,
            up: true,
            carrier: true,
            loopback: name == "lo",
            ethernet: name != "lo",
            kind: None,
            master: None,
            lower: None,
        }
    }

    fn view() -> View {
        let mut port = link(4, "port0");
        port.master = Some(9);
        View {
            links: vec![link(1, "lo"), link(2, "eth0"), link(3, "eth1"), port],
            addresses: vec![LinkAddress {
                ifindex: 2,
                address: "192.0.2.1".parse().unwrap(),
                length: 24,
                tentative: false,
            }],
            ..View::default()
        }
    }

    fn rules() -> Footprint {
        let id = VirtualServerId::tcp("192.0.2.1:80".parse().unwrap());
        let mut footprint = Footprint::default();
        footprint.take(RuleChanges::All(vec![(VirtualServer::new(id), Vec::new())]));
        footprint
    }

    fn drivers() -> BTreeMap<String, Option<String>> {
        BTreeMap::from([("eth0".to_owned(), Some("ice".to_owned()))])
    }

    #[test]
    fn nothing_is_attached_without_a_virtual_server() {
        let placed = place(
            &view(),
            &Footprint::default(),
            &Placement::default(),
            &drivers(),
        );
        assert_eq!(placed, []);
    }

    #[test]
    fn the_reasons_for_link_and_hook_are_told() {
        let placed = place(&view(), &rules(), &Placement::default(), &drivers());
        assert_eq!(placed.len(), 1);
        assert_eq!(placed[0].attachment.hook, Hook::Xdp);
        assert_eq!(
            placed[0].reason,
            "it has the VIP 192.0.2.1; xdp, for its driver `ice` runs XDP natively"
        );
    }

    #[test]
    fn a_vip_and_a_real_server_of_this_host_need_the_loopback_link_and_what_leaves() {
        let mut view = view();
        let local = |address: &str| xvs_net::Prefix::host(address.parse().unwrap());
        view.local_prefixes.insert(local("192.0.2.1"));
        let placement = Placement {
            hook: HookChoice::XdpGeneric,
            interfaces: None,
        };
        let placed = place(&view, &rules(), &placement, &drivers());
        let found: Vec<_> = placed.iter().map(|one| &one.attachment).collect();
        assert_eq!(
            (found[0].name.as_str(), found[0].hook, found[0].answers),
            ("lo", Hook::Tcx, false)
        );
        assert_eq!(
            (found[1].name.as_str(), found[1].hook, found[1].answers),
            ("eth0", Hook::XdpGeneric, false)
        );
        let server = RealServer::new("192.0.2.1:8080".parse().unwrap());
        let mut footprint = Footprint::default();
        footprint.take(RuleChanges::All(vec![(
            VirtualServer::new(VirtualServerId::tcp("192.0.2.1:80".parse().unwrap())),
            vec![server],
        )]));
        let placed = place(&view, &footprint, &placement, &drivers());
        assert!(!placed[0].attachment.answers && placed[1].attachment.answers);
    }

    #[test]
    fn a_hook_that_was_asked_for_is_the_one() {
        for (hook, expected) in [
            (HookChoice::Tcx, Hook::Tcx),
            (HookChoice::Xdp, Hook::Xdp),
            (HookChoice::XdpGeneric, Hook::XdpGeneric),
        ] {
            let placement = Placement {
                hook,
                interfaces: Some(vec!["eth1".to_owned()]),
            };
            let placed = place(&view(), &rules(), &placement, &drivers());
            assert_eq!(placed.len(), 1);
            assert_eq!(placed[0].attachment.name, "eth1");
            assert_eq!(placed[0].attachment.hook, expected);
        }
    }

    #[test]
    fn only_what_the_operator_chose_is_put_on_trial() {
        let placement = |hook, names: Option<&str>| Placement {
            hook,
            interfaces: names.map(|name| vec![name.to_owned()]),
        };
        let tried = |placement: Placement| place_on_trial(&view(), &placement).len();
        assert_eq!(tried(placement(HookChoice::Xdp, Some("eth1"))), 1);
        assert_eq!(tried(placement(HookChoice::Auto, Some("eth1"))), 0);
        assert_eq!(tried(placement(HookChoice::Xdp, None)), 0);
    }

    #[test]
    fn an_interface_must_be_there_and_be_able() {
        let code = |name: &str| {
            let placement = Placement {
                interfaces: Some(vec![name.to_owned()]),
                ..Placement::default()
            };
            check(&view(), &placement).err().map(|problem| problem.code)
        };
        assert_eq!(code("eth0"), None);
        assert_eq!(code("eth7"), Some(Code::UnknownInterface));
        assert_eq!(code("lo"), Some(Code::HookUnsupported));
        assert_eq!(code("port0"), Some(Code::HookUnsupported));
        assert_eq!(check(&view(), &Placement::default()), Ok(()));
    }
}
