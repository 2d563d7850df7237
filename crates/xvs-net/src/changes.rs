//! A summary of what changed in the host's network, gathered from netlink's notifications.
//!
//! It tells kinds of things apart and, for neighbours, which ones, and holds no values: see
//! [`Watcher`](crate::Watcher) for why. Whatever cannot be read counts as "everything changed".

use std::{collections::BTreeSet, net::IpAddr};

use netlink_packet_core::Parseable;
use netlink_packet_route::{
    AddressFamily,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourMessageBuffer},
};

use crate::{NeighbourKey, subscription::messages};

/// Above so many changed neighbours it is cheaper to read the table than to ask one by one.
const NEIGHBOURS_BY_NAME: usize = 1_024;

/// `RTM_NEWNEXTHOP` and `RTM_DELNEXTHOP` of `linux/rtnetlink.h`.
const NEXTHOP_MESSAGES: [u16; 2] = [104, 105];

/// What has to be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Links came, went or changed.
    pub links: bool,
    /// Addresses of links.
    pub addresses: bool,
    /// Routes or next hop objects of any table. See [`Changes::affect_routing`].
    pub routes: bool,
    /// Routing rules.
    pub rules: bool,
    /// Neighbours.
    pub neighbours: ChangedNeighbours,
    /// The kernel lost notifications, or this is the first summary: every other field says so too.
    pub everything: bool,
}

/// Which neighbours changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedNeighbours {
    /// Possibly every one.
    All,
    /// These only; often none.
    These(BTreeSet<NeighbourKey>),
}

impl Default for ChangedNeighbours {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl ChangedNeighbours {
    /// Whether the neighbour has to be read again.
    #[must_use]
    pub fn contains(&self, key: &NeighbourKey) -> bool {
        match self {
            Self::All => true,
            Self::These(keys) => keys.contains(key),
        }
    }

    /// Whether no neighbour changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::These(keys) if keys.is_empty())
    }

    fn insert(&mut self, key: NeighbourKey) {
        if let Self::These(keys) = self {
            keys.insert(key);
            if keys.len() > NEIGHBOURS_BY_NAME {
                *self = Self::All;
            }
        }
    }
}

impl Changes {
    /// Everything has to be read again.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            links: true,
            addresses: true,
            routes: true,
            rules: true,
            neighbours: ChangedNeighbours::All,
            everything: true,
        }
    }

    /// Adds what a datagram of netlink notifications says.
    pub(crate) fn note(&mut self, datagram: &[u8]) {
        for message in messages(datagram) {
            match message {
                Some((message_type, payload)) => self.note_message(message_type, payload),
                None => *self = Self::everything(),
            }
        }
    }

    fn note_message(&mut self, message_type: u16, payload: &[u8]) {
        match message_type {
            libc::RTM_NEWLINK | libc::RTM_DELLINK => self.links = true,
            libc::RTM_NEWADDR | libc::RTM_DELADDR => self.addresses = true,
            libc::RTM_NEWROUTE | libc::RTM_DELROUTE => self.routes = true,
            libc::RTM_NEWRULE | libc::RTM_DELRULE => self.rules = true,
            libc::RTM_NEWNEIGH | libc::RTM_DELNEIGH => match neighbour(payload) {
                Noted::Key(key) => self.neighbours.insert(key),
                Noted::NotOurs => {}
                Noted::Unreadable => self.neighbours = ChangedNeighbours::All,
            },
            other if NEXTHOP_MESSAGES.contains(&other) => self.routes = true,
            _ => {}
        }
    }

    /// Whether an answer of [`Host::route_to`](crate::Host::route_to) may differ now.
    ///
    /// Links count: when one goes down the kernel drops its IPv4 routes without a notification.
    #[must_use]
    pub fn affect_routing(&self) -> bool {
        self.links || self.addresses || self.routes || self.rules
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.affect_routing() && self.neighbours.is_empty()
    }
}

enum Noted {
    Key(NeighbourKey),
    /// A bridge's forwarding entry.
    NotOurs,
    Unreadable,
}

fn neighbour(payload: &[u8]) -> Noted {
    let Ok(message) = NeighbourMessageBuffer::new_checked(&payload)
        .and_then(|buffer| NeighbourMessage::parse(&buffer))
    else {
        return Noted::Unreadable;
    };
    if message.header.family == AddressFamily::Bridge {
        return Noted::NotOurs;
    }
    let address = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
            _ => None,
        });
    match address {
        Some(address) => Noted::Key(NeighbourKey {
            ifindex: message.header.ifindex,
            address,
        }),
        None => Noted::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A netlink message with a header and `payload`, padded to 4 bytes.
    fn message(message_type: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(message_type.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// `struct ndmsg` of family `family` on link 3, then NDA_DST.
    fn neighbour_payload(family: u8, address: &[u8]) -> Vec<u8> {
        let mut bytes = vec![family, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 1];
        bytes.extend(u16::try_from(4 + address.len()).unwrap().to_ne_bytes());
        bytes.extend([1, 0]);
        bytes.extend(address);
        bytes
    }

    fn noted(datagram: &[u8]) -> Changes {
        let mut changes = Changes::default();
        changes.note(datagram);
        changes
    }

    #[test]
    fn each_message_of_a_datagram_sets_its_flag() {
        let mut datagram = message(libc::RTM_DELLINK, &[0; 17]);
        datagram.extend(message(libc::RTM_NEWRULE, &[]));
        let changes = noted(&datagram);
        assert!(changes.links && changes.rules);
        assert!(!changes.addresses && !changes.routes && !changes.everything);
        assert!(noted(&message(libc::RTM_DELADDR, &[])).addresses);
        assert!(noted(&message(libc::RTM_DELROUTE, &[])).routes);
        assert!(noted(&message(104, &[])).routes);
    }

    #[test]
    fn a_neighbour_is_named_and_a_bridge_entry_is_not() {
        let key = NeighbourKey {
            ifindex: 3,
            address: "10.0.0.2".parse().unwrap(),
        };
        let ipv4 = neighbour_payload(2, &[10, 0, 0, 2]);
        let changes = noted(&message(libc::RTM_NEWNEIGH, &ipv4));
        assert!(changes.neighbours.contains(&key));
        assert!(!changes.affect_routing());
        assert!(!changes.is_empty());
        let bridge = neighbour_payload(7, &[10, 0, 0, 2]);
        assert!(noted(&message(libc::RTM_NEWNEIGH, &bridge)).is_empty());
    }

    #[test]
    fn what_cannot_be_read_means_everything() {
        assert!(noted(&[1, 2, 3]).everything);
        let mut long = message(libc::RTM_NEWLINK, &[]);
        long[0] = 200;
        assert_eq!(noted(&long), Changes::everything());
        let changes = noted(&message(libc::RTM_NEWNEIGH, &[2]));
        assert_eq!(changes.neighbours, ChangedNeighbours::All);
    }

    #[test]
    fn very_many_neighbours_become_all() {
        let mut changes = Changes::default();
        for low in 0..=u8::MAX {
            for high in 0..5 {
                let payload = neighbour_payload(2, &[10, 0, high, low]);
                changes.note(&message(libc::RTM_NEWNEIGH, &payload));
            }
        }
        assert_eq!(changes.neighbours, ChangedNeighbours::All);
    }
}
