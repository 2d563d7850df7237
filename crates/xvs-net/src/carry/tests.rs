use super::*;

fn link(index: u32, name: &str, kind: Option<&str>) -> LinkInfo {
    LinkInfo {
        index,
        name: name.to_owned(),
        mac: Some(Mac([2, 0, 0, 0, 0, u8::try_from(index).unwrap()])),
        mtu: 1500,
        mtu_v6: 1500,
        up: true,
        carrier: true,
        loopback: name == "lo",
        ethernet: name != "lo",
        kind: kind.map(str::to_owned),
        master: None,
        lower: None,
    }
}

fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix {
        address: address.parse().unwrap(),
        length: length.parse().unwrap(),
    }
}

fn address(ifindex: u32, text: &str) -> LinkAddress {
    let Prefix { address, length } = prefix(text);
    LinkAddress {
        ifindex,
        address,
        length,
        tentative: false,
    }
}

fn route(ifindex: u32, destination: &str, gateway: Option<&str>) -> RouteEntry {
    RouteEntry {
        destination: prefix(destination),
        ifindex,
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
    }
}

/// The reasons, by name of the link, for a VIP 192.0.2.10 and a real server 10.2.0.5.
fn reasons(
    links: &[LinkInfo],
    addresses: &[LinkAddress],
    routes: &[RouteEntry],
    wanted: Wanted<'_>,
) -> Vec<(String, CarryReason)> {
    let around = Surroundings {
        links,
        addresses,
        routes,
        virtual_servers: true,
        vips: &["192.0.2.10".parse().unwrap()],
        real_servers: &["10.2.0.5".parse().unwrap()],
        vip_is_here: false,
    };
    links_to_carry(&around, wanted)
        .into_iter()
        .map(|choice| {
            assert_eq!(choice.carries, choice.reason.carries());
            (choice.name, choice.reason)
        })
        .collect()
}

/// The reason for the only link.
fn reason(link: LinkInfo, addresses: &[LinkAddress], routes: &[RouteEntry]) -> CarryReason {
    let links = [link];
    let mut reasons = reasons(&links, addresses, routes, Wanted::Auto);
    reasons.remove(0).1
}

#[test]
fn links_with_a_vip_a_real_server_or_clients_carry() {
    let eth = || link(2, "eth0", None);
    let vip = [address(2, "192.0.2.10/32")];
    let default = [route(2, "0.0.0.0/0", Some("192.0.2.1"))];
    assert_eq!(
        reason(eth(), &vip, &default),
        CarryReason::Vip("192.0.2.10".parse().unwrap())
    );
    assert_eq!(
        reason(eth(), &[], &default),
        CarryReason::RealServer("10.2.0.5".parse().unwrap())
    );
    let other = [route(2, "10.9.0.0/16", Some("192.0.2.1"))];
    assert_eq!(
        reason(eth(), &[], &other),
        CarryReason::Route(prefix("10.9.0.0/16"))
    );
    let lan = [address(2, "172.16.0.1/24")];
    assert_eq!(
        reason(eth(), &lan, &[]),
        CarryReason::Address(prefix("172.16.0.1/24"))
    );
    assert_eq!(reason(eth(), &[], &[]), CarryReason::Nothing);
}

#[test]
fn the_longest_route_decides_where_a_real_server_is() {
    let links = [
        link(2, "eth0", None),
        link(3, "eth1", None),
        link(4, "eth2", None),
    ];
    let routes = [
        route(2, "0.0.0.0/0", Some("192.0.2.1")),
        route(3, "10.2.0.0/16", None),
        route(4, "10.2.0.0/16", None),
    ];
    let server = CarryReason::RealServer("10.2.0.5".parse().unwrap());
    let expected = [
        ("eth0".to_owned(), CarryReason::DefaultRoute),
        ("eth1".to_owned(), server.clone()),
        ("eth2".to_owned(), server),
    ];
    assert_eq!(reasons(&links, &[], &routes, Wanted::Auto), expected);
}

#[test]
fn a_port_never_carries_and_its_bridge_may() {
    let bridge = link(2, "br0", Some("bridge"));
    let mut tap = link(3, "tap0", Some("tun"));
    tap.master = Some(2);
    let mut veth = link(4, "v0", Some("veth"));
    veth.master = Some(9);
    let links = [bridge, tap, veth];
    let addresses = [address(2, "192.0.2.10/24"), address(3, "192.0.2.10/24")];
    let names = ["tap0".to_owned()];
    let port = |master: &str| CarryReason::Port {
        master: master.to_owned(),
    };
    let auto = reasons(&links, &addresses, &[], Wanted::Auto);
    assert_eq!(auto[0].1, CarryReason::Vip("192.0.2.10".parse().unwrap()));
    assert_eq!(auto[1].1, port("br0"));
    // A master that is not visible here still makes a port.
    assert_eq!(auto[2].1, port("link 9"));
    let named = reasons(&links, &addresses, &[], Wanted::Named(&names));
    assert_eq!(named[0].1, CarryReason::NotNamed);
    assert_eq!(named[1].1, port("br0"));
}

#[test]
fn loopback_tunnels_and_links_that_are_down_do_not_carry() {
    let mut down = link(2, "eth0", None);
    down.up = false;
    let mut tunnel = link(3, "tun0", Some("tun"));
    tunnel.ethernet = false;
    let links = [link(1, "lo", None), down, tunnel];
    let addresses = [
        address(1, "192.0.2.10/32"),
        address(2, "192.0.2.10/32"),
        address(3, "192.0.2.10/32"),
    ];
    let found: Vec<_> = reasons(&links, &addresses, &[], Wanted::Auto)
        .into_iter()
        .map(|(_name, reason)| reason)
        .collect();
    let expected = [
        CarryReason::Loopback,
        CarryReason::Down,
        CarryReason::NotEthernet,
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_named_link_carries_without_an_address_and_no_other_does() {
    let links = [link(2, "eth0", None), link(3, "eth1", None)];
    let addresses = [address(2, "192.0.2.10/32")];
    let names = ["eth1".to_owned(), "later0".to_owned()];
    let found = reasons(&links, &addresses, &[], Wanted::Named(&names));
    assert_eq!(found[0].1, CarryReason::NotNamed);
    assert_eq!(found[1].1, CarryReason::Named);
    assert_eq!(found.len(), 2);
}

#[test]
fn the_link_under_a_macvlan_carries_for_its_mac() {
    let mut vrrp = link(5, "vrrp.51", Some("macvlan"));
    vrrp.lower = Some(2);
    let links = [link(2, "eth0", None), vrrp.clone()];
    let around = Surroundings {
        links: &links,
        addresses: &[address(2, "192.0.2.1/24"), address(5, "192.0.2.10/32")],
        routes: &[],
        virtual_servers: true,
        vips: &["192.0.2.10".parse().unwrap()],
        real_servers: &[],
        vip_is_here: false,
    };
    let choices = links_to_carry(&around, Wanted::Auto);
    assert!(choices[0].carries);
    assert_eq!(choices[0].macs, [links[0].mac.unwrap(), vrrp.mac.unwrap()]);
    assert!(!choices[1].carries);
    assert_eq!(
        choices[1].reason.to_string(),
        "it is a macvlan; its frames are seen on `eth0`"
    );
    // In a container the link under it is out of sight, and the macvlan is all there is.
    vrrp.lower = None;
    let addresses = [address(5, "192.0.2.10/32")];
    assert!(reason(vrrp, &addresses, &[]).carries());
}

#[test]
fn the_loopback_link_carries_for_a_vip_of_this_host_whatever_is_named() {
    let links = [link(1, "lo", None), link(2, "eth0", None)];
    let names = ["eth0".to_owned()];
    for wanted in [Wanted::Auto, Wanted::Named(&names)] {
        for vip_is_here in [false, true] {
            let around = Surroundings {
                links: &links,
                addresses: &[address(2, "192.0.2.10/32")],
                routes: &[],
                virtual_servers: true,
                vips: &["192.0.2.10".parse().unwrap()],
                real_servers: &[],
                vip_is_here,
            };
            let choices = links_to_carry(&around, wanted);
            assert_eq!(choices[0].carries, vip_is_here, "{}", choices[0].reason);
            assert_eq!(choices[0].macs, [Mac([0; 6])]);
        }
    }
}

#[test]
fn nothing_carries_while_there_is_no_virtual_server() {
    let links = [link(2, "eth0", None)];
    let around = Surroundings {
        links: &links,
        addresses: &[address(2, "192.0.2.10/32")],
        routes: &[],
        virtual_servers: false,
        vips: &[],
        real_servers: &[],
        vip_is_here: false,
    };
    let names = ["eth0".to_owned()];
    for wanted in [Wanted::Auto, Wanted::Named(&names)] {
        let choices = links_to_carry(&around, wanted);
        assert_eq!(choices[0].reason, CarryReason::NoVirtualServer);
    }
}
