//! Ports of local addresses that the host keeps for connections of its own.
//!
//! FULLNAT takes ports from 5000 on of a local address. One that was the host's before is also where
//! the host's own connections come from: their ports, `ip_local_port_range`, are left to them. An
//! address that xvs added has none.

use std::{collections::BTreeMap, net::IpAddr};

use xvs_net::Sysctl;
use xvs_types::Rule;

use super::{feed::Feed, view::View};
use crate::{AddedAddress, worker::Ended};

/// The first port of FULLNAT.
const FIRST_PORT: u16 = 5000;

/// Ports, the first and the last.
pub(super) type PortRange = (u16, u16);

impl Feed {
    /// Tells the dataplane which ports it must leave to the host, where that changed.
    pub(super) async fn keep_ports_of_the_host(
        &mut self,
        added: &[AddedAddress],
    ) -> Result<(), Ended> {
        let own = own_addresses(self.footprint.with_local_addresses(), &self.view, added);
        let mut lines = Vec::new();
        let wanted: BTreeMap<IpAddr, PortRange> = if own.is_empty() {
            BTreeMap::new()
        } else {
            match port_range() {
                Ok(range) => own.into_iter().map(|address| (address, range)).collect(),
                Err(error) => {
                    lines.push(format!(
                        "ports of local addresses stay as they were: {error}"
                    ));
                    self.kept_ports.clone()
                }
            }
        };
        for (address, (first, last)) in &wanted {
            if *first <= FIRST_PORT && *last == u16::MAX {
                lines.push(format!(
                    "no port of local address `{address}` is left: the host keeps {first} to {last} \
                     (`net.ipv4.ip_local_port_range`); use another address, or narrow the range"
                ));
            }
        }
        self.note_all("ports", lines);
        if wanted == self.kept_ports {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.kept_ports, wanted.clone());
        self.worker
            .call(move |keeper| {
                for address in before.keys().filter(|one| !wanted.contains_key(one)) {
                    keeper.dataplane().set_kept_ports(*address, None);
                }
                for (address, range) in wanted {
                    keeper.dataplane().set_kept_ports(address, Some(range));
                }
            })
            .await
    }
}

/// The local addresses of `rules` that the host has and that were not added for them.
fn own_addresses<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    view: &View,
    added: &[AddedAddress],
) -> Vec<IpAddr> {
    let mut own: Vec<IpAddr> = rules
        .flat_map(|(virtual_server, _)| &virtual_server.local_addresses)
        .copied()
        .filter(|address| {
            view.has_address(*address) && !added.iter().any(|one| one.address == *address)
        })
        .collect();
    own.sort_unstable();
    own.dedup();
    own
}

/// The ports of the host's own connections, over IPv4 and IPv6 alike.
fn port_range() -> Result<PortRange, String> {
    let sysctl = Sysctl::new("ipv4/ip_local_port_range").ok_or("no such setting")?;
    let value = sysctl.value().map_err(|error| error.to_string())?;
    parse(&value).ok_or_else(|| format!("`{sysctl}` is `{value}`, not two ports"))
}

fn parse(value: &str) -> Option<PortRange> {
    let mut ports = value.split_ascii_whitespace().map(str::parse);
    match (ports.next(), ports.next(), ports.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) => Some((first, last)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use xvs_net::LinkAddress;
    use xvs_types::{VirtualServer, VirtualServerId};

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 2, 0, last])
    }

    #[test]
    fn only_addresses_that_were_the_hosts_before_have_ports_to_keep() {
        let id = VirtualServerId::tcp("10.2.0.100:80".parse().unwrap());
        let mut virtual_server = VirtualServer::new(id);
        virtual_server.local_addresses = vec![address(1), address(2), address(3), address(1)];
        let on_link = |last| LinkAddress {
            ifindex: 2,
            address: address(last),
            length: 24,
            tentative: false,
        };
        let view = View {
            addresses: vec![on_link(1), on_link(2), on_link(4)],
            ..View::default()
        };
        let added = [AddedAddress {
            address: address(2),
            ifindex: 2,
        }];
        let rules = [(virtual_server, Vec::new())];
        assert_eq!(own_addresses(rules.iter(), &view, &added), [address(1)]);
        assert_eq!(own_addresses([].iter(), &view, &added), [] as [IpAddr; 0]);
    }

    #[test]
    fn a_range_is_two_ports() {
        assert_eq!(parse("32768\t60999"), Some((32_768, 60_999)));
        for value in ["", "1", "1 2 3", "1 70000"] {
            assert_eq!(parse(value), None, "{value}");
        }
    }
}
