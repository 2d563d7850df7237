//! What the threads of VRRP work from: the election's configuration, and what each virtual router
//! brings to the host while it is master.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use xvs_net::{AddressScope, Mac, RouteSpec, RuleSpec};
use xvs_vrrp::{Config, Name, RouterConfig};

use super::Realtime;

/// All that the threads of VRRP need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Virtual routers and sync groups.
    pub config: Config,
    /// What each virtual router brings to the host.
    pub holdings: BTreeMap<Name, Holding>,
    /// What the host has for as long as the daemon runs, whoever is master (`static_ipaddress`,
    /// `static_routes`, `static_rules`).
    pub fixed: Holding,
    /// Interfaces that are tracked beside the routers' own, each with its name as a tracker.
    pub interfaces: BTreeMap<Name, Name>,
    /// Addresses that must be on an interface (`track_src_ip`), by the name of the tracker.
    pub sources: BTreeMap<Name, (Name, IpAddr)>,
    /// How long an interface must be down or up before it counts (`interface_up_down_delays`).
    pub delays: BTreeMap<Name, LinkDelay>,
    /// Pauses between announcements on an interface (`garp_group`).
    pub pauses: BTreeMap<Name, Pauses>,
    /// Trackers that are down for as long as this plan holds: faults of the configuration.
    pub faults: Vec<Name>,
    /// How the threads are scheduled.
    pub realtime: Realtime,
    /// Count and tell advertisements of virtual routers that are not ours (`log_unknown_vrids`);
    /// default false: the kernel leaves them out.
    pub hear_strangers: bool,
}

/// How long an interface must be in a state before the state counts; default 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkDelay {
    /// Down.
    pub down: Duration,
    /// Up.
    pub up: Duration,
}

/// Pauses between two announcements; default 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// Between two gratuitous ARPs (`garp_interval`).
    pub arp: Duration,
    /// Between two neighbor advertisements (`gna_interval`).
    pub advertisement: Duration,
}

impl Pauses {
    /// The pause after an announcement of `address`.
    #[must_use]
    pub fn after(self, address: IpAddr) -> Duration {
        match address {
            IpAddr::V4(_) => self.arp,
            IpAddr::V6(_) => self.advertisement,
        }
    }
}

/// What a virtual router brings to the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Its virtual MAC address, if it uses one.
    pub vmac: Option<Vmac>,
    /// The same MAC address on other interfaces that have addresses of its (`use_vmac_addr`).
    pub other_vmacs: Vec<Vmac>,
    /// The addresses that it holds as master, excluded ones too, in their order.
    pub addresses: Vec<HeldAddress>,
    /// The routes that come with them.
    pub routes: Vec<HeldRoute>,
    /// The routing rules that come with them.
    pub rules: Vec<HeldRule>,
    /// Pauses between its announcements.
    pub pauses: Pauses,
    /// The host does not answer for the addresses, but for neighbors who ask (`no_accept`).
    pub refuses: bool,
}

/// An interface with the virtual router's MAC address (`use_vmac`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vmac {
    /// The name of the interface.
    pub link: Name,
    /// The interface below it.
    pub base: Name,
    /// Its MAC address.
    pub mac: Mac,
    /// Advertisements leave by it; false with `vmac_xmit_base`.
    pub transmits: bool,
}

/// A route that a master holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRoute {
    /// The interface, where one is named.
    pub link: Option<Name>,
    /// The route.
    pub spec: RouteSpec,
    /// Put back when somebody removes it; false with `no_track`.
    pub tracked: bool,
}

/// A routing rule that a master holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRule {
    /// The rule.
    pub spec: RuleSpec,
    /// Put back when somebody removes it; false with `no_track`.
    pub tracked: bool,
}

/// An address that a master holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAddress {
    /// The interface that has it.
    pub link: Name,
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub length: u8,
    /// The broadcast address (IPv4 only).
    pub broadcast: Option<Ipv4Addr>,
    /// The other end of a link between two hosts.
    pub peer: Option<IpAddr>,
    /// The label that `ip addr` shows (IPv4 only).
    pub label: Option<String>,
    /// How far it is valid.
    pub scope: AddressScope,
    /// Put back when somebody removes it; false with `no_track`.
    pub tracked: bool,
    /// The host may choose it for its own packets (IPv6; false as keepalived has it, but for prefix
    /// lengths other than 128).
    pub preferred: bool,
}

impl Plan {
    /// Whether there is anything to do.
    pub(super) fn is_empty(&self) -> bool {
        self.config.routers().is_empty() && self.fixed == Holding::default()
    }

    /// The virtual MAC address of a virtual router.
    pub(super) fn vmac(&self, router: &Name) -> Option<&Vmac> {
        self.holdings.get(router)?.vmac.as_ref()
    }

    /// The interface that carries a virtual router's advertisements.
    pub(super) fn listens_on<'a>(&'a self, router: &'a RouterConfig) -> &'a Name {
        self.vmac(&router.name)
            .filter(|vmac| vmac.transmits)
            .map_or(&router.interface, |vmac| &vmac.link)
    }

    /// Every interface with a virtual MAC address.
    pub(super) fn vmacs(&self) -> impl Iterator<Item = &Vmac> {
        let holdings = self.holdings.values();
        holdings.flat_map(|holding| holding.vmac.iter().chain(&holding.other_vmacs))
    }

    /// Addresses that the host does not answer for.
    pub(super) fn refused(&self) -> Vec<IpAddr> {
        let holdings = self.holdings.values().filter(|holding| holding.refuses);
        let addresses = holdings.flat_map(|holding| &holding.addresses);
        addresses.map(|one| one.address).collect()
    }

    /// Whether `address` is one that a virtual router holds as master.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        let mut held = self
            .holdings
            .values()
            .flat_map(|holding| &holding.addresses);
        held.any(|one| one.address == address)
    }
}
