//! The network as the director sees it, and what commands change of it.

mod commands;
mod links;

use std::net::IpAddr;

use xvs_datapath::{
    FibAnswer,
    native::{Route as FibRoute, Routes},
};
use xvs_dataplane::{Attachment, Hook, Mac, Prefix, Route};

pub(crate) use self::links::Arrival;
use self::links::Vlan;
use crate::Topology;

/// `BPF_FIB_LKUP_RET_*` of `include/uapi/linux/bpf.h`.
mod fib {
    pub(super) const BLACKHOLE: u32 = 1;
    pub(super) const UNREACHABLE: u32 = 2;
    pub(super) const PROHIBIT: u32 = 3;
    pub(super) const FORWARDING_OFF: u32 = 5;
}

/// A link of the director.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    name: String,
    mac: Mac,
    mtu: u32,
    /// Addresses with their prefix lengths.
    addresses: Vec<(IpAddr, u8)>,
    /// What makes it a VLAN's link.
    vlan: Option<Vlan>,
}

/// The network as the director sees it: a topology, and what commands changed of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    legs: Vec<Link>,
    neighbours: Vec<(IpAddr, Mac, u32)>,
    routes: Vec<(Prefix, IpAddr)>,
    /// Routes to nowhere, with what the kernel answers.
    nowhere: Vec<(Prefix, u32)>,
    local: Vec<Prefix>,
    forwards: bool,
}

impl Network {
    /// Index of the first leg; the others follow in the order of their names.
    const FIRST: u32 = 2;
    /// Index of the link by which routing rules bring packets that the firewall has marked.
    pub const BROUGHT_BY: u32 = 200;
    /// Its name.
    const BROUGHT_NAME: &str = "brought";
    /// Its address, and that of the link into which they are routed.
    pub const BROUGHT_MAC: Mac = Mac([0x02, 0x78, 0x76, 0x73, 0, 1]);

    /// The network of a topology.
    ///
    /// # Errors
    ///
    /// When an address, a prefix or a leg's name is none.
    pub fn new(topology: &Topology) -> Result<Self, String> {
        let mut legs = Vec::new();
        for (name, leg) in &topology.legs {
            let addresses = leg
                .addrs
                .iter()
                .map(|text| {
                    text.parse()
                        .map(|prefix: Prefix| (prefix.address, prefix.length))
                })
                .collect::<Result<Vec<_>, _>>()?;
            legs.push(Link {
                name: name.clone(),
                mac: mac(&leg.mac)?,
                mtu: leg.mtu,
                addresses,
                vlan: None,
            });
        }
        let mut network = Self {
            local: local(&legs),
            legs,
            neighbours: Vec::new(),
            routes: Vec::new(),
            nowhere: Vec::new(),
            forwards: true,
        };
        for (address, hardware, leg) in &topology.neigh {
            let index = network
                .ifindex(leg)
                .ok_or_else(|| format!("no leg `{leg}`"))?;
            network.neighbours.push((*address, mac(hardware)?, index));
        }
        for (prefix, gateway) in &topology.routes {
            network.routes.push((prefix.parse()?, *gateway));
        }
        Ok(network)
    }

    /// The names of the legs.
    pub fn legs(&self) -> impl Iterator<Item = &str> {
        self.legs.iter().map(|link| link.name.as_str())
    }

    /// The index of a leg.
    #[must_use]
    pub fn ifindex(&self, leg: &str) -> Option<u32> {
        (Self::FIRST..)
            .zip(&self.legs)
            .find_map(|(index, link)| (link.name == leg).then_some(index))
    }

    /// The leg that has this MAC address.
    #[must_use]
    pub fn leg_of(&self, hardware: &[u8]) -> Option<&str> {
        let mut legs = self.legs.iter();
        legs.find_map(|link| (link.mac.0 == *hardware).then_some(link.name.as_str()))
    }

    /// The legs as links that carry the datapath, and the one that routing rules bring packets by.
    #[must_use]
    pub fn attachments(&self, hook: Hook) -> Vec<Attachment> {
        let legs = (Self::FIRST..)
            .zip(&self.legs)
            .map(|(ifindex, link)| Attachment {
                ifindex,
                name: link.name.clone(),
                macs: vec![link.mac],
                hook,
                answers: false,
            });
        let brought = Attachment {
            ifindex: Self::BROUGHT_BY,
            name: Self::BROUGHT_NAME.to_owned(),
            macs: vec![Self::BROUGHT_MAC],
            hook: Hook::Tcx,
            answers: false,
        };
        legs.chain([brought]).collect()
    }

    /// The address that a frame's IP packet is sent to.
    #[must_use]
    pub fn destination(&self, frame: &[u8]) -> Option<IpAddr> {
        crate::host::Packet::of(frame).map(|packet| packet.destination)
    }

    /// What is local to the director.
    #[must_use]
    pub fn local_prefixes(&self) -> &[Prefix] {
        &self.local
    }

    /// Whether an address is the director's.
    #[must_use]
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.local.iter().any(|prefix| prefix.contains(address))
    }

    /// The hardware address of a neighbour on a link, with that of the link: (source, destination).
    #[must_use]
    pub fn resolve(&self, ifindex: u32, address: IpAddr) -> Option<(Mac, Mac)> {
        let (_, hardware, _) = self
            .neighbours
            .iter()
            .find(|(neighbour, _, link)| *neighbour == address && *link == ifindex)?;
        Some((self.leg(ifindex)?.mac, *hardware))
    }

    /// The kernel's route to an address.
    #[must_use]
    pub fn route(&self, destination: IpAddr) -> Option<Route> {
        if self.is_local(destination) {
            return Some(Route {
                ifindex: 1,
                gateway: None,
                source: Some(destination),
                mtu: 65_536,
                local: true,
            });
        }
        if self
            .nowhere
            .iter()
            .any(|(prefix, _)| prefix.contains(destination))
        {
            return None;
        }
        let (ifindex, gateway) = match self.connected(destination) {
            Some(ifindex) => (ifindex, None),
            None => {
                let gateway = self.gateway(destination)?;
                (self.connected(gateway)?, Some(gateway))
            }
        };
        let link = self.leg(ifindex)?;
        let source = source_for(&link.addresses, gateway.unwrap_or(destination));
        Some(Route {
            ifindex,
            gateway,
            source,
            mtu: link.mtu,
            local: false,
        })
    }

    /// What the kernel's routing table answers the programs.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let mut routes = Vec::new();
        let mut add = |prefix: Prefix, gateway, answer| {
            routes.push(FibRoute {
                destination: prefix.address,
                source: None,
                length: Some(prefix.length),
                gateway,
                answer,
            });
        };
        for prefix in &self.local {
            add(*prefix, None, code(FibAnswer::LOCAL));
        }
        for (prefix, answer) in &self.nowhere {
            add(*prefix, None, code(*answer));
        }
        if self.forwards {
            for (ifindex, link) in (Self::FIRST..).zip(&self.legs) {
                for (address, length) in &link.addresses {
                    add(
                        network_of(*address, *length),
                        None,
                        self.unresolved(ifindex),
                    );
                }
            }
            for (address, hardware, ifindex) in &self.neighbours {
                add(host(*address), None, self.resolved(*ifindex, *hardware));
            }
            for (prefix, gateway) in &self.routes {
                let Some(ifindex) = self.connected(*gateway) else {
                    continue;
                };
                let answer = match self.resolve(ifindex, *gateway) {
                    Some((_, hardware)) => self.resolved(ifindex, hardware),
                    None => self.unresolved(ifindex),
                };
                add(*prefix, Some(*gateway), answer);
            }
        } else {
            for all in ["0.0.0.0/0", "::/0"]
                .iter()
                .filter_map(|all| all.parse().ok())
            {
                add(all, None, code(fib::FORWARDING_OFF));
            }
        }
        Routes(routes)
    }

    /// Turns forwarding by the host on or off.
    pub fn set_forwarding(&mut self, forwards: bool) {
        self.forwards = forwards;
    }

    fn leg(&self, ifindex: u32) -> Option<&Link> {
        let place = ifindex.checked_sub(Self::FIRST)?;
        self.legs.get(usize::try_from(place).ok()?)
    }

    /// The link whose network an address is in.
    fn connected(&self, address: IpAddr) -> Option<u32> {
        (Self::FIRST..).zip(&self.legs).find_map(|(index, link)| {
            link.addresses
                .iter()
                .any(|(own, length)| network_of(*own, *length).contains(address))
                .then_some(index)
        })
    }

    fn gateway(&self, destination: IpAddr) -> Option<IpAddr> {
        self.routes
            .iter()
            .filter(|(prefix, _)| prefix.contains(destination))
            .max_by_key(|(prefix, _)| prefix.length)
            .map(|(_, gateway)| *gateway)
    }

    fn resolved(&self, ifindex: u32, to: Mac) -> FibAnswer {
        let Some(link) = self.leg(ifindex) else {
            return code(fib::UNREACHABLE);
        };
        let (Mac([t0, t1, t2, t3, t4, t5]), Mac([f0, f1, f2, f3, f4, f5])) = (to, link.mac);
        FibAnswer {
            code: FibAnswer::KNOWN,
            ifindex,
            mac0: u64::from_ne_bytes([t0, t1, t2, t3, t4, t5, f0, f1]),
            mac1: u32::from_ne_bytes([f2, f3, f4, f5]),
            mtu: link.mtu,
        }
    }

    fn unresolved(&self, ifindex: u32) -> FibAnswer {
        FibAnswer {
            ifindex,
            mtu: self.leg(ifindex).map_or(0, |link| link.mtu),
            ..code(FibAnswer::NO_NEIGHBOUR)
        }
    }
}

/// The address that a host sends from (RFC 6724 section 5 rule 8; of IPv4 the first one).
fn source_for(addresses: &[(IpAddr, u8)], destination: IpAddr) -> Option<IpAddr> {
    let shared = |address: &IpAddr, length: u8| match (address, destination) {
        (IpAddr::V6(own), IpAddr::V6(other)) => {
            let same = (own.to_bits() ^ other.to_bits()).leading_zeros();
            same.min(length.into())
        }
        _ => 0,
    };
    let family = addresses
        .iter()
        .filter(|(address, _)| address.is_ipv6() == destination.is_ipv6());
    // The first of several that are as near.
    family
        .rev()
        .max_by_key(|(address, length)| shared(address, *length))
        .map(|(address, _)| *address)
}

fn local(legs: &[Link]) -> Vec<Prefix> {
    let addresses = legs.iter().flat_map(|link| &link.addresses);
    addresses.map(|(address, _)| host(*address)).collect()
}

fn code(code: u32) -> FibAnswer {
    FibAnswer {
        code,
        ..FibAnswer::default()
    }
}

fn host(address: IpAddr) -> Prefix {
    Prefix {
        address,
        length: if address.is_ipv6() { 128 } else { 32 },
    }
}

fn network_of(address: IpAddr, length: u8) -> Prefix {
    Prefix { address, length }
}

fn mac(text: &str) -> Result<Mac, String> {
    let bytes: Result<Vec<u8>, _> = text
        .split(':')
        .map(|pair| u8::from_str_radix(pair, 16))
        .collect();
    let bytes = bytes.map_err(|error| format!("`{text}`: {error}"))?;
    let bytes = bytes
        .try_into()
        .map_err(|_other| format!("`{text}` has not six bytes"))?;
    Ok(Mac(bytes))
}
