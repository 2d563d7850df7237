use xvs_types::Protocol;

use super::super::FirewallTarget;
use super::*;

const RECORDED: &str = include_str!("../../../tests/fixtures/nft-ruleset.json");
const OF_IPTABLES: &str = include_str!("../../../tests/fixtures/nft-of-iptables.json");

fn touching(text: &str, address: &str, service: Option<(Protocol, u16)>) -> Vec<(String, bool)> {
    let target = FirewallTarget {
        address: address.parse().unwrap(),
        service,
    };
    let found = parse(text).unwrap().touching(&target);
    found
        .into_iter()
        .map(|rule| {
            let text = format!("{} {}: {}", rule.table, rule.chain, rule.text);
            (text, rule.names_vip)
        })
        .collect()
}

/// The texts of the rules that name the address, or of those that do not.
fn texts(found: &[(String, bool)], named: bool) -> Vec<&str> {
    let wanted = found.iter().filter(|(_text, names)| *names == named);
    wanted.map(|(text, _names)| text.as_str()).collect()
}

#[test]
fn the_recorded_rules_of_a_vip_are_found() {
    let found = touching(RECORDED, "10.0.0.100", Some((Protocol::Tcp, 80)));
    assert_eq!(
        texts(&found, true),
        [
            "inet filter input: ip daddr . tcp dport { 10.0.0.100 . 80, 10.0.0.101 . 443 } drop",
            "inet filter input: ip daddr 10.0.0.0/24 limit rate 10/second accept",
            "inet filter input: ip daddr 10.0.0.100 tcp dport 80 accept",
            "inet filter input: ip daddr 10.0.0.90-10.0.0.110 drop",
            "inet filter input: ip daddr vmap { 10.0.0.0/28 : accept, 10.0.0.100 : drop }",
            "inet filter input: ip daddr { 10.0.0.100, 10.0.0.101 } tcp dport { 80, 443 } counter accept comment \"web\"",
            "netdev nd ing: ip daddr 10.0.0.100 drop",
        ]
    );
    assert_eq!(
        texts(&found, false),
        [
            "inet filter input: ct state invalid drop",
            "inet filter input: iifname \"eth0\" tcp flags & fin,syn,rst,ack == syn log prefix \"new \" drop",
            "inet filter input: ip saddr @blocked drop",
            "inet filter input: policy drop",
            "inet filter input: reject with icmpx admin-prohibited",
            "inet filter services: tcp dport 80 ip saddr 203.0.113.0/24 drop",
        ]
    );
}

#[test]
fn a_named_set_is_looked_up() {
    for address in ["10.0.0.100", "10.1.77.1", "10.2.0.9"] {
        let found = touching(RECORDED, address, Some((Protocol::Udp, 53)));
        let named = texts(&found, true);
        let expected = "inet filter input: ip daddr @vips udp dport 53 drop";
        assert!(named.contains(&expected), "{address}: {named:?}");
    }
    let found = touching(RECORDED, "10.2.0.10", Some((Protocol::Udp, 53)));
    assert_eq!(texts(&found, true), [""; 0]);
}

#[test]
fn another_address_is_touched_by_what_excludes_only_the_first() {
    let found = touching(RECORDED, "192.0.2.1", Some((Protocol::Tcp, 8080)));
    let others = texts(&found, false);
    for expected in [
        "inet filter input: ip daddr != 10.0.0.100 drop",
        "inet filter input: tcp dport 8000-8100 drop",
    ] {
        assert!(others.contains(&expected), "{others:?}");
    }
    assert_eq!(texts(&found, true), [""; 0]);
}

#[test]
fn a_verdict_map_is_followed_by_its_key() {
    let of_port = |port| {
        let found = touching(RECORDED, "192.0.2.1", Some((Protocol::Tcp, port)));
        let texts = found.into_iter().map(|(text, _names)| text);
        texts.collect::<Vec<_>>().join("\n")
    };
    assert!(of_port(23).contains("tcp dport vmap @ports"));
    assert!(!of_port(22).contains("tcp dport vmap @ports"));
    assert!(of_port(25).contains("tcp dport vmap { 25 : drop, 80 : jump services }"));
    assert!(!of_port(24).contains("25 : drop"));
}

#[test]
fn ipv6_sees_its_own_tables_and_the_shared_ones() {
    let found = touching(RECORDED, "2001:db8::100", Some((Protocol::Tcp, 443)));
    let named = texts(&found, true);
    assert_eq!(
        named,
        ["inet filter input: ip6 daddr @v6vips reject with icmpv6 port-unreachable"]
    );
    let others = texts(&found, false);
    assert!(others.contains(&"ip6 filter6 in6: policy drop"));
    assert!(
        !others.iter().any(|text| text.contains("ip daddr")),
        "{others:?}"
    );
    assert!(
        !others.iter().any(|text| text.contains("ip saddr")),
        "{others:?}"
    );
}

#[test]
fn chains_that_nothing_jumps_to_and_address_translation_are_no_filters() {
    let found = touching(RECORDED, "10.0.0.100", None);
    assert!(!found.iter().any(|(text, _)| text.contains("unused")));
    assert!(!found.iter().any(|(text, _)| text.contains("dnat")));
}

#[test]
fn what_iptables_made_is_read_too() {
    let found = touching(OF_IPTABLES, "10.0.0.100", Some((Protocol::Tcp, 80)));
    let expected = [
        "ip filter INPUT: ip daddr 10.0.0.100 tcp dport 80 counter accept",
        "ip filter INPUT: meta l4proto tcp ip daddr 10.0.0.0/24 xt match multiport xt match comment counter drop",
        "ip raw PREROUTING: ip daddr 10.0.0.100 counter drop",
    ];
    assert_eq!(texts(&found, true), expected);
    let others = texts(&found, false);
    for expected in [
        "ip filter FORWARD: xt match iprange counter drop",
        "ip filter INPUT: policy drop",
        "ip filter SVC: ip saddr 203.0.113.0/24 counter xt target REJECT",
    ] {
        assert!(others.contains(&expected), "{others:?}");
    }
}

#[test]
fn no_rules_is_no_finding_and_no_json_is_an_error() {
    let empty = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}}]}"#;
    assert_eq!(touching(empty, "10.0.0.1", None), []);
    for junk in ["", "table ip filter {", "[]", r#"{"nftables": 3}"#] {
        assert!(parse(junk).is_err(), "{junk}");
    }
    // Odd objects are skipped, not fatal.
    let odd = r#"{"nftables": [1, {}, {"rule": {}}, {"chain": {"family": "ip"}}, {"set": []}]}"#;
    assert_eq!(touching(odd, "10.0.0.1", None), []);
}
