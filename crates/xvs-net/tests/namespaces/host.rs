//! Reading and changing a real host's network, in namespaces without an uplink.

use std::{net::IpAddr, time::Duration};

use tokio::time::{Instant, sleep};
use xvs_net::{
    AddressSpec, Change, Host, HostError, Kept, Mac, Neighbour, NeighbourState, Prefix, Sysctl,
    quick_detection,
};
use xvs_types::Family;

use crate::support::Namespace;

/// How long the kernel may take for what it does a moment later.
const PATIENCE: Duration = Duration::from_secs(30);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What `ip addr` says of an address of this thread's namespace.
fn shown(address: IpAddr) -> String {
    let output = std::process::Command::new("ip")
        .args(["addr", "show", "to", &address.to_string()])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn prefix(address: &str, length: u8) -> Prefix {
    Prefix {
        address: ip(address),
        length,
    }
}

/// A director `d0` 10.0.0.1/24 and its neighbour `n0` 10.0.0.2/24 in another namespace.
fn pair() -> Option<(Namespace, Namespace)> {
    let director = Namespace::new()?;
    let neighbour = Namespace::new()?;
    director.ip(&format!(
        "link add d0 address 02:00:00:00:00:01 type veth peer name n0 address 02:00:00:00:00:02 netns {}",
        neighbour.name()
    ));
    for (namespace, link, address) in [(&director, "d0", "1"), (&neighbour, "n0", "2")] {
        namespace.ip(&format!("link set {link} up"));
        namespace.ip(&format!("addr add 10.0.0.{address}/24 dev {link}"));
        namespace.ip(&format!("addr add fd00::{address}/64 dev {link} nodad"));
    }
    Some((director, neighbour))
}

/// Asks until the neighbour is as wanted; panics with what was found when patience ends.
async fn wait_for(
    host: &Host,
    ifindex: u32,
    address: IpAddr,
    wanted: impl Fn(&Neighbour) -> bool,
) -> Neighbour {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = host.neighbour(ifindex, address).await.unwrap();
        match found {
            Some(found) if wanted(&found) => return found,
            _ => assert!(Instant::now() < end, "still {found:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn root_links_tell_kind_master_and_state() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.ip("link add br0 type bridge");
    namespace.ip("link add v0 address 02:00:00:00:00:0a mtu 1400 type veth peer name v1");
    namespace.ip("link set v0 up master br0");
    namespace.block_on(|| async {
        let host = Host::open().unwrap();
        let links = host.links().await.unwrap();
        let named = |name: &str| links.iter().find(|link| link.name == name).unwrap().clone();
        assert!(named("lo").loopback && named("lo").up && !named("lo").ethernet);
        let port = named("v0");
        assert_eq!(port.kind.as_deref(), Some("veth"));
        assert_eq!(port.master, Some(named("br0").index));
        assert_eq!(port.mac, Some(Mac([2, 0, 0, 0, 0, 10])));
        assert_eq!((port.mtu, port.mtu_v6), (1400, 1400));
        assert!(port.up && port.ethernet && !port.loopback);
        assert!(!named("v1").up);
        assert_eq!(named("br0").kind.as_deref(), Some("bridge"));
        assert_eq!(host.link(port.index).await.unwrap(), Some(port.clone()));
        assert_eq!(host.link_by_name("v0").await.unwrap(), Some(port));
        assert_eq!(host.link_by_name("v9").await.unwrap(), None);
        assert_eq!(host.link(999).await.unwrap(), None);
    });
}

#[test]
fn root_local_prefixes_hold_addresses_and_whole_networks() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.ip("link add v0 type veth peer name v1");
    namespace.ip("link set v0 up");
    namespace.ip("addr add 10.0.0.1/24 dev v0");
    namespace.ip("addr add fd00::1/64 dev v0 nodad");
    namespace.ip("route add local 10.9.0.0/16 dev lo");
    namespace.ip("route add local 2001:db8:9::/48 dev lo");
    namespace.ip("route add local 192.0.2.0/24 dev lo table 100");
    namespace.block_on(|| async {
        let host = Host::open().unwrap();
        let wanted = [
            prefix("10.0.0.1", 32),
            prefix("fd00::1", 128),
            prefix("10.9.0.0", 16),
            prefix("2001:db8:9::", 48),
            prefix("127.0.0.0", 8),
            prefix("::1", 128),
        ];
        // The kernel enters an IPv6 address into the table a moment after `ip` returned.
        let end = Instant::now() + PATIENCE;
        let prefixes = loop {
            let prefixes = host.local_prefixes().await.unwrap();
            if wanted.iter().all(|wanted| prefixes.contains(wanted)) {
                break prefixes;
            }
            assert!(Instant::now() < end, "{wanted:?} not in {prefixes:?}");
            sleep(Duration::from_millis(20)).await;
        };
        for other in ["10.0.0.255", "10.0.0.2", "192.0.2.1", "ff02::1", "fd00::"] {
            assert!(
                !prefixes.iter().any(|prefix| prefix.contains(ip(other))),
                "{other}"
            );
        }
    });
}

#[test]
fn root_a_route_tells_gateway_source_mtu_and_local() {
    let Some((director, _neighbour)) = pair() else {
        return;
    };
    director.ip("route add 10.2.0.0/16 via 10.0.0.2 mtu 1400 src 10.0.0.1");
    director.ip("route add 10.3.0.0/16 via inet6 fd00::2 dev d0");
    director.ip("route add 2001:db8::/32 via fd00::2");
    director.ip("route add blackhole 10.4.0.0/16");
    director.ip("route add prohibit 10.5.0.0/16");
    director.ip("route add unreachable 2001:db9::/32");
    director.block_on(|| async {
        let host = Host::open().unwrap();
        let link = host.link_by_name("d0").await.unwrap().unwrap();

        let on_link = host.route_to(ip("10.0.0.77")).await.unwrap();
        assert_eq!(on_link.ifindex, link.index);
        assert_eq!(
            (on_link.gateway, on_link.mtu, on_link.local),
            (None, 1500, false)
        );
        assert_eq!(on_link.source, Some(ip("10.0.0.1")));

        let routed = host.route_to(ip("10.2.3.4")).await.unwrap();
        assert_eq!((routed.gateway, routed.mtu), (Some(ip("10.0.0.2")), 1400));
        let mixed = host.route_to(ip("10.3.0.1")).await.unwrap();
        assert_eq!(mixed.gateway, Some(ip("fd00::2")));
        let ipv6 = host.route_to(ip("2001:db8::1")).await.unwrap();
        assert_eq!(
            (ipv6.gateway, ipv6.source),
            (Some(ip("fd00::2")), Some(ip("fd00::1")))
        );
        assert_eq!(ipv6.mtu, 1500);

        for local in ["10.0.0.1", "fd00::1", "127.0.0.9"] {
            assert!(host.route_to(ip(local)).await.unwrap().local, "{local}");
        }
        for rejected in [
            "10.4.0.1",
            "10.5.0.1",
            "192.0.2.1",
            "2001:db9::1",
            "2001:dba::1",
        ] {
            let error = host.route_to(ip(rejected)).await.unwrap_err();
            assert!(
                matches!(error, HostError::Unreachable { .. }),
                "{rejected}: {error}"
            );
        }

        let routes = host.routes().await.unwrap();
        let found = routes
            .iter()
            .find(|r| r.destination == prefix("10.2.0.0", 16));
        assert_eq!(found.and_then(|route| route.gateway), Some(ip("10.0.0.2")));
        assert!(
            !routes
                .iter()
                .any(|r| r.destination == prefix("10.4.0.0", 16))
        );
        assert!(
            !routes
                .iter()
                .any(|r| r.destination == prefix("10.0.0.1", 32))
        );
    });
}

#[test]
fn root_every_next_hop_of_a_multipath_route_is_listed() {
    let Some((director, _neighbour)) = pair() else {
        return;
    };
    director.ip("route add default nexthop via 10.0.0.2 dev d0 nexthop via 10.0.0.3 dev d0");
    director.block_on(|| async {
        let routes = Host::open().unwrap().routes().await.unwrap();
        let gateways: Vec<_> = routes
            .iter()
            .filter(|route| route.destination == prefix("0.0.0.0", 0))
            .filter_map(|route| route.gateway)
            .collect();
        assert_eq!(gateways, [ip("10.0.0.2"), ip("10.0.0.3")]);
    });
}

#[test]
fn root_a_managed_neighbour_is_resolved_and_follows_its_mac() {
    let Some((director, neighbour)) = pair() else {
        return;
    };
    director.block_on(|| async {
        let host = Host::open().unwrap();
        let ifindex = host.link_by_name("d0").await.unwrap().unwrap().index;
        for address in [ip("10.0.0.2"), ip("fd00::2")] {
            assert_eq!(host.neighbour(ifindex, address).await.unwrap(), None);
            let kept = host.manage_neighbour(ifindex, address).await.unwrap();
            assert_eq!(kept, Kept::Managed);
            let found = wait_for(&host, ifindex, address, |n| n.usable_mac().is_some()).await;
            assert_eq!(found.mac, Some(Mac([2, 0, 0, 0, 0, 2])));
            assert!(found.managed);
            assert_eq!(
                host.manage_neighbour(ifindex, address).await.unwrap(),
                Kept::Managed
            );
        }

        // A link with another address announces it when `ndisc_notify`/`arp_notify` is set.
        neighbour.inside(|| {
            for family in ["ipv4/conf/n0/arp_notify", "ipv6/conf/n0/ndisc_notify"] {
                Sysctl::new(family).unwrap().set(1).unwrap();
            }
        });
        neighbour.ip("link set n0 address 02:00:00:00:00:22");
        for address in [ip("10.0.0.2"), ip("fd00::2")] {
            let moved = |n: &Neighbour| n.usable_mac() == Some(Mac([2, 0, 0, 0, 0, 0x22]));
            let found = wait_for(&host, ifindex, address, moved).await;
            assert!(found.managed);
        }

        host.unmanage_neighbour(ifindex, ip("10.0.0.2"))
            .await
            .unwrap();
        let found = host
            .neighbour(ifindex, ip("10.0.0.2"))
            .await
            .unwrap()
            .unwrap();
        assert!(!found.managed);
        assert_eq!(found.mac, Some(Mac([2, 0, 0, 0, 0, 0x22])));
        // Unknown neighbours and links are nothing to take back.
        host.unmanage_neighbour(ifindex, ip("10.0.0.99"))
            .await
            .unwrap();
        host.unmanage_neighbour(999, ip("10.0.0.2")).await.unwrap();
    });
}

#[test]
fn root_a_managed_neighbour_survives_a_link_that_went_down_when_asked_again() {
    let Some((director, _neighbour)) = pair() else {
        return;
    };
    director.block_on(|| async {
        let host = Host::open().unwrap();
        let ifindex = host.link_by_name("d0").await.unwrap().unwrap().index;
        let address = ip("10.0.0.2");
        host.manage_neighbour(ifindex, address).await.unwrap();
        wait_for(&host, ifindex, address, |n| n.usable_mac().is_some()).await;
        director.ip("link set d0 down");
        director.ip("link set d0 up");
        assert_eq!(host.neighbour(ifindex, address).await.unwrap(), None);
        host.manage_neighbour(ifindex, address).await.unwrap();
        wait_for(&host, ifindex, address, |n| {
            n.usable_mac().is_some() && n.managed
        })
        .await;
    });
}

#[test]
fn root_a_confirmed_neighbour_is_found_where_it_went_without_a_word() {
    let Some((director, neighbour)) = pair() else {
        return;
    };
    director.block_on(|| async {
        // One probe to the old Ethernet address, then to all.
        for setting in ["ucast_solicit", "mcast_resolicit"] {
            let setting = Sysctl::neighbour(Family::V4, "d0", setting).unwrap();
            setting.set(1).unwrap();
        }
        let host = Host::open().unwrap();
        let ifindex = host.link_by_name("d0").await.unwrap().unwrap().index;
        let address = ip("10.0.0.2");
        host.manage_neighbour(ifindex, address).await.unwrap();
        wait_for(&host, ifindex, address, |n| n.usable_mac().is_some()).await;
        neighbour.ip("link set n0 address 02:00:00:00:00:22");
        host.confirm_neighbour(ifindex, address).await.unwrap();
        let moved = |n: &Neighbour| n.usable_mac() == Some(Mac([2, 0, 0, 0, 0, 0x22]));
        let found = wait_for(&host, ifindex, address, moved).await;
        assert!(found.managed);
    });
}

#[test]
fn root_quick_detection_finds_a_silent_move_without_us() {
    let Some((director, neighbour)) = pair() else {
        return;
    };
    director.block_on(|| async {
        let host = Host::open().unwrap();
        let ifindex = host.link_by_name("d0").await.unwrap().unwrap().index;
        let addresses = [ip("10.0.0.2"), ip("fd00::2")];
        for address in addresses {
            for (sysctl, value) in quick_detection(Family::of(address), "d0").unwrap() {
                sysctl.set(value).unwrap();
            }
            host.manage_neighbour(ifindex, address).await.unwrap();
            wait_for(&host, ifindex, address, |n| n.usable_mac().is_some()).await;
        }
        neighbour.ip("link set n0 address 02:00:00:00:00:22");
        for address in addresses {
            let moved = |n: &Neighbour| n.usable_mac() == Some(Mac([2, 0, 0, 0, 0, 0x22]));
            wait_for(&host, ifindex, address, moved).await;
        }
    });
    assert_eq!(quick_detection(Family::V4, "a/b"), None);
}

#[test]
fn root_a_static_neighbour_stays_as_the_operator_made_it() {
    let Some((director, _neighbour)) = pair() else {
        return;
    };
    director.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:99 dev d0");
    director.block_on(|| async {
        let host = Host::open().unwrap();
        let ifindex = host.link_by_name("d0").await.unwrap().unwrap().index;
        let address = ip("10.0.0.2");
        let before = host.neighbour(ifindex, address).await.unwrap().unwrap();
        assert_eq!(before.state, NeighbourState::Permanent);
        assert_eq!(
            host.manage_neighbour(ifindex, address).await.unwrap(),
            Kept::Static
        );
        host.probe_neighbour(ifindex, address).await.unwrap();
        host.confirm_neighbour(ifindex, address).await.unwrap();
        host.unmanage_neighbour(ifindex, address).await.unwrap();
        assert_eq!(
            host.neighbour(ifindex, address).await.unwrap(),
            Some(before)
        );
    });
}

#[test]
fn root_a_probe_resolves_a_neighbour_once() {
    let Some((director, _neighbour)) = pair() else {
        return;
    };
    director.block_on(|| async {
        let host = Host::open().unwrap();
        let ifindex = host.link_by_name("d0").await.unwrap().unwrap().index;
        host.probe_neighbour(ifindex, ip("10.0.0.2")).await.unwrap();
        let resolved = |n: &Neighbour| n.usable_mac().is_some();
        let found = wait_for(&host, ifindex, ip("10.0.0.2"), resolved).await;
        assert!(!found.managed);
        assert!(host.neighbours().await.unwrap().contains(&found));
        let error = host.probe_neighbour(999, ip("10.0.0.2")).await.unwrap_err();
        assert!(error.to_string().contains("link 999"), "{error}");
    });
}

#[test]
fn root_addresses_come_and_go_and_tell_what_was_there() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.ip("link add v0 type veth peer name v1");
    namespace.ip("link set v0 up");
    namespace.ip("link set v1 up");
    namespace.ip("addr add 10.0.0.1/24 dev v0");
    namespace.block_on(|| async {
        let host = Host::open().unwrap();
        let ifindex = host.link_by_name("v0").await.unwrap().unwrap().index;
        for address in [ip("10.0.0.1"), ip("10.0.0.100"), ip("2001:db8::100")] {
            let mut spec = AddressSpec::host(ifindex, address);
            spec.label = address.is_ipv4().then(|| "v0:vip".to_owned());
            assert_eq!(host.add_address(&spec).await.unwrap(), Change::Made);
            assert_eq!(host.add_address(&spec).await.unwrap(), Change::Needless);
            let there = host.addresses().await.unwrap();
            let found = there
                .iter()
                .find(|found| found.address == address && found.length == spec.length)
                .unwrap();
            assert!(!found.tentative);
            let shown = shown(address);
            assert_eq!(shown.contains("deprecated"), address.is_ipv6(), "{shown}");
            assert_eq!(host.remove_address(&spec).await.unwrap(), Change::Made);
            assert_eq!(host.remove_address(&spec).await.unwrap(), Change::Needless);
        }
        let left = host.addresses().await.unwrap();
        assert!(
            left.iter()
                .any(|a| a.address == ip("10.0.0.1") && a.length == 24)
        );

        let nowhere = AddressSpec::host(999, ip("10.0.0.1"));
        assert_eq!(
            host.remove_address(&nowhere).await.unwrap(),
            Change::Needless
        );
        let error = host.add_address(&nowhere).await.unwrap_err();
        assert!(
            error.to_string().contains("10.0.0.1/32 to link 999"),
            "{error}"
        );
    });
}

#[test]
fn root_a_links_driver_is_named() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.ip("link add v0 type veth peer name v1");
    namespace.inside(|| {
        assert_eq!(xvs_net::driver("v0").unwrap().as_deref(), Some("veth"));
        assert_eq!(xvs_net::driver("lo").unwrap(), None);
        for missing in ["v9", "a-name-that-is-too-long"] {
            let error = xvs_net::driver(missing).unwrap_err();
            assert!(error.to_string().contains(missing), "{error}");
        }
    });
}
