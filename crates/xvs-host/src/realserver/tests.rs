use super::*;
use crate::testing::link;

fn wish<'a>(method: RealserverMethod, vips: &'a [IpAddr], interfaces: &'a [String]) -> Wish<'a> {
    Wish {
        method,
        vips,
        interfaces,
        decapsulation: Decapsulation::Auto,
    }
}

fn names(wish: &Wish<'_>, links: &[LinkInfo]) -> Vec<String> {
    let items = plan(wish, links).unwrap();
    items
        .iter()
        .map(|item| format!("{item}={}", item.wanted()))
        .collect()
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn host() -> Vec<LinkInfo> {
    let mut port = link("eth1");
    port.master = Some(9);
    vec![link("lo"), link("eth0"), port]
}

#[test]
fn dr_hides_the_vip_from_neighbours_before_it_exists() {
    let vips = addresses(&["192.168.56.40"]);
    assert_eq!(
        names(&wish(RealserverMethod::Dr, &vips, &[]), &host()),
        [
            "net.ipv4.conf.all.arp_ignore=1",
            "net.ipv4.conf.all.arp_announce=2",
            "net.ipv4.conf.lo.arp_ignore=1",
            "net.ipv4.conf.lo.arp_announce=2",
            "address 192.168.56.40/32 on lo=present",
        ]
    );
}

#[test]
fn dr_of_an_ipv6_vip_needs_the_address_alone() {
    let vips = addresses(&["2001:db8::40"]);
    assert_eq!(
        names(&wish(RealserverMethod::Dr, &vips, &[]), &host()),
        ["address 2001:db8::40/128 on lo=present"]
    );
}

#[test]
fn a_named_interface_is_kept_from_answering_too() {
    let vips = addresses(&["192.168.56.40"]);
    let interfaces = ["eth0".to_owned()];
    let items = names(&wish(RealserverMethod::Dr, &vips, &interfaces), &host());
    assert!(items.contains(&"net.ipv4.conf.eth0.arp_ignore=1".to_owned()));
}

#[test]
fn tun_uses_the_program_on_every_link_that_is_no_port() {
    let vips = addresses(&["192.168.10.10"]);
    let items = names(&wish(RealserverMethod::Tun, &vips, &[]), &host());
    assert_eq!(
        items[..2],
        [
            "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.eth0.rp_filter=0"
        ]
    );
    assert_eq!(
        items[items.len() - 2..],
        [
            "decapsulation for 192.168.10.10=present",
            "decapsulation program on eth0=present",
        ]
    );
}

#[test]
fn tun_uses_the_kernels_device_where_it_exists() {
    let vips = addresses(&["192.168.10.10"]);
    let mut links = host();
    let mut device = link("tunl0");
    device.ethernet = false;
    links.push(device);
    let items = names(&wish(RealserverMethod::Tun, &vips, &[]), &links);
    assert_eq!(items.last().unwrap(), "link tunl0=present");
    assert!(items.contains(&"net.ipv4.conf.tunl0.rp_filter=0".to_owned()));

    let both = addresses(&["192.168.10.10", "2001:db8::10"]);
    let items = names(&wish(RealserverMethod::Tun, &both, &[]), &links);
    let program = "decapsulation program on eth0=present";
    assert_eq!(items.last().unwrap(), program, "no ip6tnl0");
}

#[test]
fn a_kernels_device_that_was_asked_for_must_exist() {
    let vips = addresses(&["192.168.10.10"]);
    let mut wish = wish(RealserverMethod::Tun, &vips, &[]);
    wish.decapsulation = Decapsulation::Kernel;
    let error = plan(&wish, &host()).unwrap_err();
    assert!(error.to_string().contains("`tunl0`"));
}

#[test]
fn fullnat_needs_no_vip() {
    assert_eq!(
        names(&wish(RealserverMethod::Fullnat, &[], &[]), &host()),
        [
            "clients' addresses for servers=present",
            "client address program on eth0=present",
        ]
    );
}

#[test]
fn unknown_and_unfit_links_are_named() {
    let unknown = ["eth7".to_owned()];
    let error = plan(&wish(RealserverMethod::Fullnat, &[], &unknown), &host()).unwrap_err();
    assert!(error.to_string().contains("`eth7`"));
    let loopback = ["lo".to_owned()];
    let error = plan(&wish(RealserverMethod::Fullnat, &[], &loopback), &host()).unwrap_err();
    assert!(matches!(error, SetupError::NotEthernet { .. }));
    let error = plan(&wish(RealserverMethod::Fullnat, &[], &[]), &[link("lo")]).unwrap_err();
    assert!(matches!(error, SetupError::NoLink));
}
