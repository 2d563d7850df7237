//! Interfaces with a virtual router's MAC address: macvlans over the interface that carries it.
//!
//! Such an interface is private, as keepalived makes it: macvlans over the same interface do not hear
//! each other.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo as LinkDetail,
        LinkMessage, MacVlanMode,
    },
};

use crate::{Change, Host, HostError, Mac};

impl Host {
    /// Makes a private macvlan `name` with `mac` over the link `base`; [`Change::Needless`] when a
    /// link of that name is there. It is down, until [`Host::set_link_up`].
    ///
    /// # Errors
    ///
    /// The kernel has no macvlan, `base` cannot carry one, or the right is lacking.
    pub async fn add_macvlan(&self, name: &str, base: u32, mac: Mac) -> Result<Change, HostError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Link(base),
            LinkAttribute::Address(mac.0.to_vec()),
            LinkAttribute::LinkInfo(vec![
                LinkDetail::Kind(InfoKind::MacVlan),
                LinkDetail::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(
                    MacVlanMode::Private,
                )])),
            ]),
        ];
        let made = self
            .request(
                &format!("make the macvlan `{name}` over link {base}"),
                RouteNetlinkMessage::NewLink(message),
                NLM_F_CREATE | NLM_F_EXCL,
            )
            .await;
        match made {
            Ok(_) => Ok(Change::Made),
            Err(error) if error.errno() == Some(libc::EEXIST) => Ok(Change::Needless),
            Err(error) => Err(error),
        }
    }

    /// Switches a link on.
    ///
    /// # Errors
    ///
    /// There is no such link, the one below it is down, or the right is lacking.
    pub async fn set_link_up(&self, ifindex: u32) -> Result<(), HostError> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.request(
            &format!("switch link {ifindex} on"),
            RouteNetlinkMessage::SetLink(message),
            0,
        )
        .await
        .map(drop)
    }

    /// Removes a link; [`Change::Needless`] when there is none.
    ///
    /// # Errors
    ///
    /// It is no virtual one, or the right is lacking.
    pub async fn remove_link(&self, ifindex: u32) -> Result<Change, HostError> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        let removed = self
            .request(
                &format!("remove link {ifindex}"),
                RouteNetlinkMessage::DelLink(message),
                0,
            )
            .await;
        match removed {
            Ok(_) => Ok(Change::Made),
            Err(error) if error.errno() == Some(libc::ENODEV) => Ok(Change::Needless),
            Err(error) => Err(error),
        }
    }
}
