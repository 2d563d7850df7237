//! Links: what network devices there are.

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        AfSpecInet6, AfSpecUnspec, InfoKind, LinkAttribute, LinkFlags, LinkInfo as LinkDetail,
        LinkLayerType, LinkMessage,
    },
};

use crate::{Host, HostError, LinkInfo, Mac};

impl Host {
    /// Every link of the namespace, in the order of its index.
    ///
    /// # Errors
    ///
    /// Netlink fails.
    pub async fn links(&self) -> Result<Vec<LinkInfo>, HostError> {
        let answers = self
            .dump(
                "list links",
                RouteNetlinkMessage::GetLink(LinkMessage::default()),
            )
            .await?;
        let mut links: Vec<_> = answers.iter().filter_map(link).collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// The link with index `ifindex`; none when there is no such link.
    ///
    /// # Errors
    ///
    /// Netlink fails.
    pub async fn link(&self, ifindex: u32) -> Result<Option<LinkInfo>, HostError> {
        let mut request = LinkMessage::default();
        request.header.index = ifindex;
        self.one_link(&format!("read link {ifindex}"), request)
            .await
    }

    /// The link named `name`; none when there is no such link.
    ///
    /// # Errors
    ///
    /// Netlink fails, or `name` is no possible name (longer than 15 bytes).
    pub async fn link_by_name(&self, name: &str) -> Result<Option<LinkInfo>, HostError> {
        let mut request = LinkMessage::default();
        request
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        self.one_link(&format!("read link `{name}`"), request).await
    }

    async fn one_link(
        &self,
        action: &str,
        request: LinkMessage,
    ) -> Result<Option<LinkInfo>, HostError> {
        let answer = self
            .request(action, RouteNetlinkMessage::GetLink(request), 0)
            .await;
        match answer {
            Ok(answers) => Ok(answers.iter().find_map(link)),
            Err(error) if error.errno() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The link that a netlink message describes.
fn link(message: &RouteNetlinkMessage) -> Option<LinkInfo> {
    let RouteNetlinkMessage::NewLink(message) = message else {
        return None;
    };
    let flags = message.header.flags;
    let mut link = LinkInfo {
        index: message.header.index,
        name: String::new(),
        mac: None,
        mtu: 0,
        mtu_v6: 0,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        kind: None,
        master: None,
        lower: None,
    };
    let mut mtu_v6 = None;
    let mut lower_elsewhere = false;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => {
                link.mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac);
            }
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Controller(index) => link.master = Some(*index),
            LinkAttribute::Link(index) => link.lower = Some(*index),
            LinkAttribute::LinkNetNsId(_) => lower_elsewhere = true,
            LinkAttribute::LinkInfo(details) => link.kind = details.iter().find_map(kind),
            LinkAttribute::AfSpecUnspec(specs) => mtu_v6 = specs.iter().find_map(ipv6_mtu),
            _ => {}
        }
    }
    if lower_elsewhere {
        link.lower = None;
    }
    link.mtu_v6 = mtu_v6.map_or(link.mtu, |mtu| mtu.min(link.mtu));
    Some(link)
}

fn kind(detail: &LinkDetail) -> Option<String> {
    match detail {
        LinkDetail::Kind(InfoKind::Other(name)) => Some(name.clone()),
        LinkDetail::Kind(kind) => Some(kind.to_string()),
        _ => None,
    }
}

/// `net.ipv6.conf.LINK.mtu`, which router advertisements can lower.
fn ipv6_mtu(spec: &AfSpecUnspec) -> Option<u32> {
    let AfSpecUnspec::Inet6(specs) = spec else {
        return None;
    };
    specs.iter().find_map(|spec| match spec {
        AfSpecInet6::DevConf(configuration) => u32::try_from(configuration.mtu6).ok(),
        _ => None,
    })
}
