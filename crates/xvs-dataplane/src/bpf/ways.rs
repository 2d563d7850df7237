//! The way to each real server: what its slot needs to know of routes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

use xvs_datapath::abi::Address;

use super::{
    address::to_abi,
    hops::{Hops, key_of},
};
use crate::{NeighbourKey, Route};

/// The way to one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// Index of the next hop; 0 while there is no route.
    pub(super) hop: u16,
    /// Outer source of a tunnel.
    pub(super) source: Address,
    /// The address is this host's.
    pub(super) local: bool,
}

/// The ways that the director told.
pub(super) struct Ways {
    pub(super) hops: Hops,
    ways: HashMap<IpAddr, Way>,
    link_mtu: HashMap<NeighbourKey, u32>,
    /// Next hops that some way has left, while entries may still have them.
    left: BTreeSet<u16>,
    /// Addresses that no rule had when that was looked at last.
    unused: HashSet<IpAddr>,
    /// Rules or ways have changed since it was looked what is of no use any more.
    unsettled: bool,
}

impl Ways {
    pub(super) fn new(hops: Hops) -> Self {
        Self {
            hops,
            ways: HashMap::new(),
            link_mtu: HashMap::new(),
            left: BTreeSet::new(),
            unused: HashSet::new(),
            unsettled: true,
        }
    }

    /// The way to an address, as last told; none when nothing was told yet.
    pub(super) fn of(&self, address: IpAddr) -> Option<Way> {
        self.ways.get(&address).copied()
    }

    /// Notes the way that the maps have to an address, until the director tells it anew.
    pub(super) fn adopt(&mut self, destination: IpAddr, way: Way) {
        self.unsettled = true;
        self.ways.insert(destination, way);
    }

    /// Says that rules changed: an address may have lost its last one.
    pub(super) fn rules_changed(&mut self) {
        self.unsettled = true;
    }

    /// Whether there may be anything for [`Ways::reclaim`].
    pub(super) fn have_waste(&self) -> bool {
        self.unsettled || self.hops.has_waste()
    }

    /// Forgets the ways to addresses that no rule has, and takes back what next hops nobody needs:
    /// `used` has those of entries. An address is forgotten at the second look, for a server that is
    /// deleted and added again at once is not told again.
    pub(super) fn reclaim(&mut self, used: &BTreeSet<u16>, has_rule: impl Fn(&IpAddr) -> bool) {
        let unused: HashSet<IpAddr> = self
            .ways
            .keys()
            .filter(|address| !has_rule(address))
            .copied()
            .collect();
        for address in unused.intersection(&self.unused) {
            self.ways.remove(address);
        }
        self.unused = unused;
        let wanted = self.ways.values().map(|way| way.hop).collect();
        let waits = self.hops.reclaim(used, &wanted);
        self.unsettled = waits || !self.unused.is_empty();
        if self.ways.is_empty() {
            self.link_mtu.clear();
        }
    }

    /// Notes the kernel's route to an address; answers the way.
    pub(super) fn set(&mut self, destination: IpAddr, route: Option<Route>) -> Way {
        let way = match route {
            None => Way::default(),
            Some(route) if route.local => Way {
                local: true,
                ..Way::default()
            },
            Some(route) => {
                let neighbour = NeighbourKey {
                    ifindex: route.ifindex,
                    address: route.gateway.unwrap_or(destination),
                };
                let hop = self.hops.slot(key_of(neighbour));
                if hop != 0 {
                    self.hops.set_mtu(hop, route.mtu);
                    self.link_mtu.insert(neighbour, route.mtu);
                }
                Way {
                    hop,
                    source: route.source.map(to_abi).unwrap_or_default(),
                    local: false,
                }
            }
        };
        self.ways.insert(destination, way);
        self.unsettled = true;
        way
    }

    /// Notes a next hop that a way has left.
    pub(super) fn note_left(&mut self, hop: u16) {
        self.left.insert(hop);
    }

    /// Turns away what still goes by next hops that were left. The ways that stay with such a neighbour get
    /// another index, and are answered.
    pub(super) fn turn_away(&mut self) -> Vec<(IpAddr, Way)> {
        let mut moved = Vec::new();
        for old in std::mem::take(&mut self.left) {
            let stays = self.ways.values().any(|way| way.hop == old);
            let anew = self.hops.turn_away(old, stays);
            for (address, way) in &mut self.ways {
                if let (true, Some(anew)) = (way.hop == old, anew) {
                    way.hop = anew;
                    moved.push((*address, *way));
                }
            }
        }
        moved
    }

    /// The largest packet to a neighbour, as far as a route told it; 0 when none did.
    pub(super) fn mtu(&self, neighbour: &NeighbourKey) -> u32 {
        self.link_mtu.get(neighbour).copied().unwrap_or(0)
    }
}
