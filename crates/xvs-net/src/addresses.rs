//! Addresses on links: which there are, adding and removing.
//!
//! Both changes are idempotent and say what was there before, so that who takes a change back
//! restores exactly what was there.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{
        AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
        AddressScope as KernelScope, CacheInfo,
    },
};
use serde::{Deserialize, Serialize};
use xvs_types::Family;

use crate::{
    Host, HostError, LinkAddress,
    host::{FAMILIES, address_family},
};

/// An address to put on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSpec {
    /// The link.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length; 32 or 128 makes no route to neighbours.
    pub length: u8,
    /// The label that `ip addr` shows, at most 15 bytes (IPv4 only; the kernel takes the link's name
    /// when there is none, and ignores it for IPv6).
    pub label: Option<String>,
    /// How far the address is valid; default [`AddressScope::Global`].
    pub scope: AddressScope,
    /// The broadcast address (IPv4 only).
    pub broadcast: Option<Ipv4Addr>,
    /// The other end of a link between two hosts; the prefix length is that of its route.
    pub peer: Option<IpAddr>,
    /// Use an IPv6 address at once, without duplicate address detection: right for an address that
    /// other hosts have too, or that moves here from another host. Ignored for IPv4.
    pub skip_duplicate_detection: bool,
    /// Never choose an IPv6 address as the source of this host's own packets (preferred lifetime 0, as
    /// keepalived does). The kernel prefers the longest match, so that it would ask for neighbours from
    /// a VIP, and real servers that have the VIP too do not answer themselves. Ignored for IPv4.
    pub deprecated: bool,
}

impl AddressSpec {
    /// `address` alone (/32 or /128), of global scope, usable at once, no source of the host's own
    /// packets where it is IPv6.
    #[must_use]
    pub fn host(ifindex: u32, address: IpAddr) -> Self {
        Self {
            ifindex,
            address,
            length: Family::of(address).bits(),
            label: None,
            scope: AddressScope::Global,
            broadcast: None,
            peer: None,
            skip_duplicate_detection: true,
            deprecated: true,
        }
    }
}

/// How far an address is valid, in the order of `linux/rtnetlink.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressScope {
    /// Everywhere.
    #[default]
    Global,
    /// On this link.
    Link,
    /// Inside this host.
    Host,
}

/// Whether a change found something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was made.
    Made,
    /// The address was there (or was not) already.
    Needless,
}

impl Host {
    /// Every address of every link, of both families.
    ///
    /// # Errors
    ///
    /// Netlink fails.
    pub async fn addresses(&self) -> Result<Vec<LinkAddress>, HostError> {
        let mut addresses = Vec::new();
        for family in FAMILIES {
            let mut request = AddressMessage::default();
            request.header.family = address_family(family);
            let answers = self
                .dump("list addresses", RouteNetlinkMessage::GetAddress(request))
                .await?;
            addresses.extend(answers.iter().filter_map(link_address));
        }
        Ok(addresses)
    }

    /// Puts an address on a link; [`Change::Needless`] when the link had it with this length.
    ///
    /// # Errors
    ///
    /// There is no such link, the length is beyond the family's, or the right is lacking.
    pub async fn add_address(&self, spec: &AddressSpec) -> Result<Change, HostError> {
        let added = self
            .request(
                &format!(
                    "add the address {}/{} to link {}",
                    spec.address, spec.length, spec.ifindex
                ),
                RouteNetlinkMessage::NewAddress(message(spec)),
                // The kernel decides in one step whether it was there.
                NLM_F_CREATE | NLM_F_EXCL,
            )
            .await;
        match added {
            Ok(_) => Ok(Change::Made),
            Err(error) if error.errno() == Some(libc::EEXIST) => Ok(Change::Needless),
            Err(error) => Err(error),
        }
    }

    /// Takes an address off a link; [`Change::Needless`] when the link did not have it, or is gone.
    ///
    /// # Errors
    ///
    /// The right is lacking.
    pub async fn remove_address(&self, spec: &AddressSpec) -> Result<Change, HostError> {
        let removed = self
            .request(
                &format!(
                    "remove the address {}/{} from link {}",
                    spec.address, spec.length, spec.ifindex
                ),
                RouteNetlinkMessage::DelAddress(message(spec)),
                0,
            )
            .await;
        match removed {
            Ok(_) => Ok(Change::Made),
            Err(error) if matches!(error.errno(), Some(libc::EADDRNOTAVAIL | libc::ENODEV)) => {
                Ok(Change::Needless)
            }
            Err(error) => Err(error),
        }
    }
}

fn message(spec: &AddressSpec) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = address_family(Family::of(spec.address));
    message.header.prefix_len = spec.length;
    message.header.index = spec.ifindex;
    message.header.scope = match spec.scope {
        AddressScope::Global => KernelScope::Universe,
        AddressScope::Link => KernelScope::Link,
        AddressScope::Host => KernelScope::Host,
    };
    let attributes = &mut message.attributes;
    attributes.push(AddressAttribute::Local(spec.address));
    attributes.push(AddressAttribute::Address(spec.peer.unwrap_or(spec.address)));
    if spec.address.is_ipv4() {
        attributes.extend(spec.label.clone().map(AddressAttribute::Label));
        attributes.extend(spec.broadcast.map(AddressAttribute::Broadcast));
        return message;
    }
    if spec.skip_duplicate_detection {
        message.header.flags = AddressHeaderFlags::Nodad;
        attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    if spec.deprecated {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_valid = u32::MAX;
        attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    message
}

fn link_address(message: &RouteNetlinkMessage) -> Option<LinkAddress> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    let mut local = None;
    let mut peer = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => peer = Some(*address),
            _ => {}
        }
    }
    Some(LinkAddress {
        ifindex: message.header.index,
        // On point-to-point links ADDRESS is the other end's; IPv6 without a peer has ADDRESS only.
        address: local.or(peer)?,
        length: message.header.prefix_len,
        tentative: message.header.flags.contains(AddressHeaderFlags::Tentative),
    })
}
