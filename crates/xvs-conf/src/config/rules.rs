//! The rules that a configuration asks of a dataplane.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use xvs_types::{
    Endpoint, Family, ForwardingMethod, Persistence, PersistenceMask, Protocol,
    RealServer as Server, Rule, VirtualServer as Service, VirtualServerId,
};

use super::{Config, GroupEntry, RealServer, Target, VirtualServer};

impl Config {
    /// The rules that keepalived installs at start when every check succeeds, in its order: virtual
    /// servers as they are written, each with its real servers as they are written.
    ///
    /// A group stands for one rule per address and mark. What keepalived would add a second time
    /// (IPVS refuses that) is left out.
    #[must_use]
    pub fn virtual_server_rules(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for virtual_server in &self.virtual_servers {
            for id in self.ids(virtual_server) {
                let place = *places.entry(id).or_insert_with(|| {
                    rules.push((service(virtual_server, id), Vec::new()));
                    rules.len() - 1
                });
                let servers = &mut rules[place].1;
                for real_server in &virtual_server.real_servers {
                    let server = server(real_server, &id);
                    if !servers
                        .iter()
                        .any(|other| other.endpoint == server.endpoint)
                    {
                        servers.push(server);
                    }
                }
            }
        }
        rules
    }

    /// What one of its virtual servers asks of a dataplane, without real servers: one rule, or one for
    /// each entry of its group.
    #[must_use]
    pub fn rules_of(&self, virtual_server: &VirtualServer) -> Vec<Service> {
        self.ids(virtual_server)
            .into_iter()
            .map(|id| service(virtual_server, id))
            .collect()
    }

    /// What the clients of `virtual_server` reach, group entries one by one.
    fn ids(&self, virtual_server: &VirtualServer) -> Vec<VirtualServerId> {
        let protocol = virtual_server.protocol.unwrap_or(Protocol::Udp);
        let family = virtual_server.family.unwrap_or(Family::V4);
        match &virtual_server.target {
            Target::Address(endpoint) => vec![VirtualServerId::Address {
                protocol,
                endpoint: *endpoint,
            }],
            Target::Mark(mark) => vec![VirtualServerId::Mark {
                family,
                mark: *mark,
            }],
            Target::Group(name) => self
                .virtual_server_groups
                .iter()
                .filter(|group| group.name == *name)
                .flat_map(|group| &group.entries)
                .flat_map(|entry| entry_ids(*entry, protocol, family))
                .collect(),
        }
    }
}

fn entry_ids(
    entry: GroupEntry,
    protocol: Protocol,
    default_family: Family,
) -> Box<dyn Iterator<Item = VirtualServerId>> {
    match entry {
        GroupEntry::Mark { mark, family } => Box::new(std::iter::once(VirtualServerId::Mark {
            family: family.unwrap_or(default_family),
            mark,
        })),
        GroupEntry::Addresses { first, last, port } => Box::new(addresses(first, last).map(
            move |address| VirtualServerId::Address {
                protocol,
                endpoint: Endpoint::new(address, port),
            },
        )),
    }
}

/// Every address from `first` to `last`.
fn addresses(first: IpAddr, last: IpAddr) -> Box<dyn Iterator<Item = IpAddr>> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Box::new(
            (first.to_bits()..=last.to_bits()).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        ),
        (IpAddr::V6(first), IpAddr::V6(last)) => Box::new(
            (first.to_bits()..=last.to_bits()).map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        ),
        _ => Box::new(std::iter::once(first)),
    }
}

fn service(virtual_server: &VirtualServer, id: VirtualServerId) -> Service {
    let host = match id.family() {
        Family::V4 => PersistenceMask::V4(Ipv4Addr::BROADCAST),
        Family::V6 => PersistenceMask::V6(128),
    };
    let mut service = Service::new(id);
    service.scheduler = virtual_server.scheduler;
    service.scheduler_flags = virtual_server.scheduler_flags;
    service.one_packet = virtual_server.one_packet;
    service.engine = virtual_server.engine;
    service.persistence = virtual_server
        .persistence_timeout
        .map(|timeout| Persistence {
            timeout,
            mask: virtual_server.persistence_mask.unwrap_or(host),
        });
    service
}

/// `real_server` behind `id`: but for NAT the port is that of the virtual server.
fn server(real_server: &RealServer, id: &VirtualServerId) -> Server {
    let mut endpoint = real_server.endpoint;
    let translates = matches!(
        real_server.method,
        ForwardingMethod::Nat | ForwardingMethod::FullNat
    );
    if !translates || endpoint.port == 0 {
        endpoint.port = id.port();
    }
    Server {
        endpoint,
        method: real_server.method,
        weight: real_server.weight,
        thresholds: real_server.thresholds,
    }
}
