//! The labs: the experiments that LVS is taught with, each a plan of its own file.

mod dr;
mod fullnat;
mod nat;
mod plan;
mod tun;

pub use plan::Method;
pub(crate) use plan::{Action, CLIENT, DIRECTOR, Family, HostPlan, Plan, Role, Step};

/// The plan of a lab.
pub(crate) fn plan(method: Method, family: Family) -> Plan {
    match method {
        Method::Dr => dr::plan(family),
        Method::Fullnat => fullnat::plan(family),
        Method::Nat => nat::plan(family),
        Method::Tun => tun::plan(family),
    }
}

/// An address with a port as it is typed: IPv6 in brackets.
fn endpoint(address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

/// An address as `ipvsadm -r` takes it without a port: IPv6 in brackets.
fn bare(address: &str) -> String {
    if address.contains(':') {
        format!("[{address}]")
    } else {
        address.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::IpAddr};

    use super::*;

    fn all() -> impl Iterator<Item = Plan> {
        Method::ALL
            .into_iter()
            .flat_map(|method| [Family::V4, Family::V6].map(|family| plan(method, family)))
    }

    #[test]
    fn every_wire_joins_hosts_of_its_lab_and_no_end_is_used_twice() {
        for plan in all() {
            let mut ends = BTreeSet::new();
            for end in plan.wires.iter().flat_map(|wire| [wire.0, wire.1]) {
                let (host, link) = end.split_once('.').unwrap();
                assert!(plan.hosts.iter().any(|known| known.name == host), "{end}");
                assert!(link.len() <= 15 && ends.insert(end), "{end}");
            }
            for host in &plan.hosts {
                for (link, _) in &host.addresses {
                    assert!(ends.contains(format!("{}.{link}", host.name).as_str()));
                }
            }
        }
    }

    #[test]
    fn addresses_are_of_the_family_and_unique() {
        for plan in all() {
            let mut seen = BTreeSet::new();
            for (_, address) in plan.hosts.iter().flat_map(|host| &host.addresses) {
                let (address, _) = address.split_once('/').unwrap();
                let address: IpAddr = address.parse().unwrap();
                assert_eq!(address.is_ipv4(), plan.family == Family::V4, "{address}");
                assert!(seen.insert(address), "{address}");
            }
            for text in [plan.vip, plan.client] {
                assert_eq!(text.parse::<IpAddr>().unwrap().to_string(), text);
            }
            assert!(seen.contains(&plan.client.parse().unwrap()));
            assert_eq!(plan.real_servers().count(), 2);
        }
    }

    #[test]
    fn no_command_has_an_ipv6_address_in_brackets_without_a_port() {
        for plan in all() {
            for step in &plan.steps {
                if let Action::Ipvsadm(line) = &step.action {
                    assert!(!format!("{line} ").contains("] "), "{line}");
                }
            }
        }
    }

    #[test]
    fn the_lab_uses_the_addresses_it_is_known_for() {
        let addresses = |method| {
            let plan = plan(method, Family::V4);
            let of = |host: &HostPlan| host.addresses.clone().into_iter().map(|pair| pair.1);
            plan.hosts.iter().flat_map(of).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            addresses(Method::Nat),
            "192.168.1.110/24 192.168.1.241/24 192.168.2.251/24 192.168.2.250/24 192.168.2.249/24"
        );
        assert_eq!(
            addresses(Method::Dr),
            "192.168.56.1/24 192.168.56.34/24 192.168.56.37/24 192.168.56.38/24"
        );
        assert!(addresses(Method::Tun).contains("192.168.10.1/24"));
        assert!(addresses(Method::Tun).ends_with("172.16.0.2/24 172.16.0.3/24"));
        assert!(addresses(Method::Fullnat).starts_with("202.100.1.2/24"));
        assert_eq!(plan(Method::Dr, Family::V4).vip, "192.168.56.40");
        assert_eq!(plan(Method::Tun, Family::V4).vip, "192.168.10.10");
        assert_eq!(plan(Method::Fullnat, Family::V4).vip, "202.103.106.5");
    }
}
