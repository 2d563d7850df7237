//! Reads the output of `iptables-save` and `ip6tables-save`.

use std::{collections::BTreeSet, net::IpAddr, ops::RangeInclusive};

use xvs_types::Family;

use super::model::{Chain, Condition, Rule, Ruleset, Span, Verdict, prefix_range};

/// The family of `iptables-save` and its name.
pub(super) const IPV4: (Family, &str) = (Family::V4, "ip");
/// The family of `ip6tables-save` and its name.
pub(super) const IPV6: (Family, &str) = (Family::V6, "ip6");

/// The chains whose packets balanced traffic no longer meets.
const BASES: [&str; 3] = ["FORWARD", "INPUT", "PREROUTING"];

/// Reads a listing; lines that are not understood are no rules.
pub(super) fn parse(text: &str, (family, family_name): (Family, &str)) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let mut table = String::new();
    // Chains are declared before the rules of their table.
    let mut chains = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.trim().to_owned();
            chains.clear();
            continue;
        }
        // Address translation is no filter.
        if table == "nat" {
            continue;
        }
        let label = || format!("{family_name} {table}");
        if let Some(declaration) = line.strip_prefix(':') {
            let mut words = declaration.split_whitespace();
            let name = words.next().unwrap_or_default().to_owned();
            chains.insert(name.clone());
            let chain = Chain {
                is_base: BASES.contains(&name.as_str()),
                family: Some(family),
                drops_the_rest: words.next() == Some("DROP"),
                rules: Vec::new(),
            };
            ruleset.chains.insert((label(), name), chain);
        } else if line.starts_with("-A ") {
            let words = words(line);
            let Some(name) = words.get(1) else { continue };
            if let Some(chain) = ruleset.chains.get_mut(&(label(), name.clone())) {
                let options = words.get(2..).unwrap_or_default();
                chain.rules.push(rule(line, options, &chains));
            }
        }
    }
    ruleset
}

fn rule(line: &str, options: &[String], chains: &BTreeSet<String>) -> Rule {
    let mut rule = Rule {
        text: line.to_owned(),
        conditions: Vec::new(),
        verdict: Verdict::Pass,
    };
    let mut negated = false;
    let mut words = options.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        let condition = match word {
            "-d" | "--destination" => addresses(words.next(), prefix_range, negated),
            "--dst-range" => addresses(words.next(), address_range, negated),
            "-p" | "--protocol" => Condition::protocols(words.next(), negated),
            "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
                ports(words.next(), negated)
            }
            "-i" | "--in-interface" => match words.next() {
                Some("lo") if !negated => Condition::Loopback,
                _ => Condition::Unknown,
            },
            "-j" | "-g" => {
                rule.verdict = verdict(words.next().unwrap_or_default(), chains);
                // What follows are options of the target.
                return rule;
            }
            _ => Condition::Unknown,
        };
        negated = false;
        rule.conditions.push(condition);
    }
    rule
}

fn verdict(target: &str, chains: &BTreeSet<String>) -> Verdict {
    match target {
        "DROP" | "NFQUEUE" | "QUEUE" | "REJECT" | "TARPIT" => Verdict::Drop,
        chain if chains.contains(chain) => Verdict::Jump(chain.to_owned()),
        _ => Verdict::Pass,
    }
}

fn addresses(
    value: Option<&str>,
    range: impl Fn(&str) -> Option<RangeInclusive<IpAddr>>,
    negated: bool,
) -> Condition {
    match value.and_then(range) {
        Some(range) => Condition::Destination(Span {
            ranges: vec![range],
            negated,
        }),
        // A mask with holes, such as 255.0.255.0.
        None => Condition::Unknown,
    }
}

fn address_range(text: &str) -> Option<RangeInclusive<IpAddr>> {
    let (first, last) = text.split_once('-')?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// `80`, `8000:8100`, or several with commas.
fn ports(value: Option<&str>, negated: bool) -> Condition {
    let range = |text: &str| -> Option<RangeInclusive<u16>> {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    let ranges: Option<Vec<_>> = value.unwrap_or_default().split(',').map(range).collect();
    match ranges {
        Some(ranges) => Condition::Port(Span { ranges, negated }),
        None => Condition::Unknown,
    }
}

/// The words of a line; a quoted word may hold spaces and `\"`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' if quoted => word.extend(characters.next()),
            ' ' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => word.push(other),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use xvs_types::Protocol;

    use super::super::FirewallTarget;
    use super::*;

    const RECORDED: &str = include_str!("../../tests/fixtures/iptables-save.txt");
    const RECORDED_V6: &str = include_str!("../../tests/fixtures/ip6tables-save.txt");

    fn touching(text: &str, address: &str, service: (Protocol, u16)) -> Vec<(String, bool)> {
        let address: IpAddr = address.parse().unwrap();
        let family = if address.is_ipv4() { IPV4 } else { IPV6 };
        let target = FirewallTarget {
            address,
            service: Some(service),
        };
        let found = parse(text, family).touching(&target);
        found
            .into_iter()
            .map(|rule| (format!("{} {}", rule.table, rule.text), rule.names_vip))
            .collect()
    }

    #[test]
    fn the_recorded_rules_of_a_vip_are_found() {
        let found = touching(RECORDED, "10.0.0.100", (Protocol::Tcp, 80));
        let expected = [
            (
                "ip filter -A FORWARD -m iprange --dst-range 10.0.0.90-10.0.0.110 -j DROP",
                true,
            ),
            (
                "ip filter -A INPUT -d 10.0.0.0/24 -p tcp -m multiport --dports 80,443,8000:8100 -m comment --comment \"the web -d x\" -j DROP",
                true,
            ),
            (
                "ip filter -A INPUT -d 10.0.0.100/32 -p tcp -m tcp --dport 80 -j ACCEPT",
                true,
            ),
            (
                "ip filter -A INPUT -m conntrack --ctstate INVALID -j DROP",
                false,
            ),
            ("ip filter policy drop", false),
            (
                "ip filter -A SVC -s 203.0.113.0/24 -j REJECT --reject-with icmp-port-unreachable",
                false,
            ),
            ("ip raw -A PREROUTING -d 10.0.0.100/32 -j DROP", true),
        ];
        let expected: Vec<_> = expected
            .map(|(text, named)| (text.to_owned(), named))
            .into();
        assert_eq!(found, expected);
    }

    #[test]
    fn another_port_or_address_is_not_touched_by_rules_for_this_one() {
        let texts = |address, port| -> String {
            let found = touching(RECORDED, address, (Protocol::Udp, port));
            found.into_iter().map(|(text, _)| text + "\n").collect()
        };
        assert!(texts("10.0.0.100", 53).contains("--dport 53"));
        assert!(!texts("10.0.0.100", 54).contains("--dport 53"));
        assert!(!texts("10.0.0.100", 53).contains("--dport 80"));
        assert!(texts("192.0.2.1", 53).contains("! -d 10.0.0.100/32"));
        assert!(!texts("192.0.2.1", 53).contains("--dst-range"));
    }

    #[test]
    fn ipv6_has_a_listing_of_its_own() {
        let found = touching(RECORDED_V6, "2001:db8::100", (Protocol::Tcp, 80));
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].0,
            "ip6 filter -A INPUT -d 2001:db8::100/128 -j DROP"
        );
        assert_eq!(
            touching(RECORDED_V6, "2001:db8::101", (Protocol::Tcp, 80)),
            []
        );
    }

    #[test]
    fn a_quoted_word_is_one_word() {
        let line = r#"-A INPUT --comment "say \"-j DROP\" twice" -j ACCEPT"#;
        assert_eq!(words(line)[3], "say \"-j DROP\" twice");
        assert_eq!(words(line).len(), 6);
    }
}
