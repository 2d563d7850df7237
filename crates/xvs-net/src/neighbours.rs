//! Neighbours: who is behind an address on a link, and keeping them resolved.
//!
//! An entry is kept resolved by the kernel itself (`NTF_EXT_MANAGED`): it probes the neighbour for as
//! long as the entry is there, whether or not anyone sends to it. An entry that the operator made
//! static is left as it is. The kernel forgets managed entries when their link goes down, so
//! [`Host::manage_neighbour`] may and should be called again after every change of a link.

use std::net::IpAddr;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_REPLACE, Nla};
use netlink_packet_route::{
    RouteNetlinkMessage,
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
        NeighbourState as KernelState,
    },
};
use xvs_types::Family;

use crate::{
    Host, HostError, Mac, Neighbour, NeighbourState,
    host::{FAMILIES, address_family},
};

/// `NDA_FLAGS_EXT` of `linux/neighbour.h`: a `u32` of flags.
const FLAGS_EXT: u16 = 15;
/// `NTF_EXT_MANAGED` of `linux/neighbour.h`.
const MANAGED: u32 = 0x1;

/// How a neighbour is kept resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// The kernel keeps it resolved by itself.
    Managed,
    /// The kernel would not; it was probed once, and the caller has to call again every few seconds.
    Probed,
    /// The operator made a static entry, which is left as it is.
    Static,
}

impl Host {
    /// Every IPv4 and IPv6 neighbour of every link.
    ///
    /// # Errors
    ///
    /// Netlink fails.
    pub async fn neighbours(&self) -> Result<Vec<Neighbour>, HostError> {
        let mut neighbours = Vec::new();
        for family in FAMILIES {
            let mut request = NeighbourMessage::default();
            request.header.family = address_family(family);
            let answers = self
                .dump(
                    "list neighbours",
                    RouteNetlinkMessage::GetNeighbour(request),
                )
                .await?;
            neighbours.extend(answers.iter().filter_map(neighbour));
        }
        Ok(neighbours)
    }

    /// What the kernel knows of the neighbour `address` on a link; none when it knows nothing.
    ///
    /// # Errors
    ///
    /// Netlink fails, or there is no such link.
    pub async fn neighbour(
        &self,
        ifindex: u32,
        address: IpAddr,
    ) -> Result<Option<Neighbour>, HostError> {
        let answer = self
            .request(
                &format!("read the neighbour {address} on link {ifindex}"),
                RouteNetlinkMessage::GetNeighbour(entry(ifindex, address)),
                0,
            )
            .await;
        match answer {
            Ok(answers) => Ok(answers.iter().find_map(neighbour)),
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has the kernel keep the neighbour resolved; idempotent, and leaves a static entry alone.
    ///
    /// # Errors
    ///
    /// Netlink fails, or there is no such link.
    ///
    /// # Minimum kernel version
    ///
    /// 5.16 for [`Kept::Managed`]; before that, and where the kernel refuses, [`Kept::Probed`].
    pub async fn manage_neighbour(&self, ifindex: u32, address: IpAddr) -> Result<Kept, HostError> {
        match self.neighbour(ifindex, address).await? {
            Some(found) if found.state.is_static() => return Ok(Kept::Static),
            Some(found) if found.managed => return Ok(Kept::Managed),
            _ => {}
        }
        let mut request = entry(ifindex, address);
        // The state is not used: for managed entries the kernel keeps the old one and resolves.
        request.header.state = KernelState::None;
        request
            .attributes
            .push(NeighbourAttribute::Other(DefaultNla::new(
                FLAGS_EXT,
                MANAGED.to_ne_bytes().to_vec(),
            )));
        let managed = self
            .request(
                &format!("keep the neighbour {address} on link {ifindex} resolved"),
                RouteNetlinkMessage::NewNeighbour(request),
                NLM_F_CREATE | NLM_F_REPLACE,
            )
            .await;
        match managed {
            Err(error) if !refused_for_the_flag(&error) => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "falling back to probes");
            }
            Ok(_) => {
                // An old kernel ignores attributes that it does not know.
                let found = self.neighbour(ifindex, address).await?;
                if found.is_some_and(|found| found.managed) {
                    return Ok(Kept::Managed);
                }
            }
        }
        self.probe_neighbour(ifindex, address).await?;
        Ok(Kept::Probed)
    }

    /// Takes back [`Host::manage_neighbour`]: the entry stays, and ages like any other.
    ///
    /// # Errors
    ///
    /// Netlink fails. A link or an entry that is gone is no error.
    pub async fn unmanage_neighbour(&self, ifindex: u32, address: IpAddr) -> Result<(), HostError> {
        let found = match self.neighbour(ifindex, address).await {
            Err(error) if error.errno() == Some(libc::ENODEV) => return Ok(()),
            answer => answer?,
        };
        let Some(found) = found else { return Ok(()) };
        if !found.managed || found.state.is_static() {
            return Ok(());
        }
        // An update that does not carry the flag clears it; `NTF_USE` keeps the state and the
        // Ethernet address as they are.
        match self.use_neighbour(ifindex, address, NLM_F_REPLACE).await {
            Err(error) if matches!(error.errno(), Some(libc::ENODEV | libc::ENOENT)) => Ok(()),
            answer => answer,
        }
    }

    /// Asks the kernel to resolve the neighbour now, as if a packet had been sent to it.
    ///
    /// A static entry is left alone. An entry that is confirmed is not probed again.
    ///
    /// # Errors
    ///
    /// Netlink fails, or there is no such link.
    pub async fn probe_neighbour(&self, ifindex: u32, address: IpAddr) -> Result<(), HostError> {
        match self.neighbour(ifindex, address).await? {
            Some(found) if found.state.is_static() => Ok(()),
            // A plain `NTF_USE` would clear the flag of a managed entry, which needs no probe.
            Some(found) if found.managed => Ok(()),
            _ => {
                self.use_neighbour(ifindex, address, NLM_F_CREATE | NLM_F_REPLACE)
                    .await
            }
        }
    }

    /// Has the kernel ask the neighbour again now, even where it was confirmed not long ago; what is
    /// known of it stays in use until it answers or fails to.
    ///
    /// The kernel by itself notices a neighbour that changed its Ethernet address without a word
    /// only after `base_reachable_time_ms` and its probes: about a minute unless
    /// [`quick_detection`](crate::quick_detection) is set. A static entry is left alone; an entry
    /// without an Ethernet address is resolved.
    ///
    /// # Errors
    ///
    /// Netlink fails, or there is no such link.
    pub async fn confirm_neighbour(&self, ifindex: u32, address: IpAddr) -> Result<(), HostError> {
        let (managed, mac) = match self.neighbour(ifindex, address).await? {
            Some(found) if found.state.is_static() => return Ok(()),
            Some(Neighbour {
                managed,
                mac: Some(mac),
                ..
            }) => (managed, mac),
            _ => return self.probe_neighbour(ifindex, address).await,
        };
        let mut request = entry(ifindex, address);
        request.header.state = KernelState::Probe;
        request
            .attributes
            .push(NeighbourAttribute::LinkLocalAddress(mac.0.to_vec()));
        self.request(
            &format!("confirm the neighbour {address} on link {ifindex}"),
            RouteNetlinkMessage::NewNeighbour(request),
            NLM_F_REPLACE,
        )
        .await?;
        if managed {
            // The kernel takes a new state only without the flag, so the flag is set again.
            self.manage_neighbour(ifindex, address).await?;
        }
        Ok(())
    }

    async fn use_neighbour(
        &self,
        ifindex: u32,
        address: IpAddr,
        flags: u16,
    ) -> Result<(), HostError> {
        let mut request = entry(ifindex, address);
        request.header.state = KernelState::None;
        request.header.flags = NeighbourFlags::Use;
        self.request(
            &format!("probe the neighbour {address} on link {ifindex}"),
            RouteNetlinkMessage::NewNeighbour(request),
            flags,
        )
        .await
        .map(drop)
    }
}

impl NeighbourState {
    /// The operator's, or a link's without address resolution: nothing for us to change.
    fn is_static(self) -> bool {
        matches!(self, Self::Permanent | Self::NoArp)
    }
}

/// The kernel does not do managed entries here, as opposed to failing altogether.
fn refused_for_the_flag(error: &HostError) -> bool {
    matches!(error.errno(), Some(libc::EINVAL | libc::EOPNOTSUPP))
}

/// A message about one neighbour.
fn entry(ifindex: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = address_family(Family::of(address));
    message.header.ifindex = ifindex;
    let destination = match address {
        IpAddr::V4(address) => NeighbourAddress::Inet(address),
        IpAddr::V6(address) => NeighbourAddress::Inet6(address),
    };
    message
        .attributes
        .push(NeighbourAttribute::Destination(destination));
    message
}

/// The neighbour that a netlink message describes; none for bridge and proxy entries.
fn neighbour(message: &RouteNetlinkMessage) -> Option<Neighbour> {
    let RouteNetlinkMessage::NewNeighbour(message) = message else {
        return None;
    };
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let mut address = None;
    let mut mac = None;
    let mut flags = 0;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => {
                address = Some(IpAddr::V4(*ip));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => {
                address = Some(IpAddr::V6(*ip));
            }
            NeighbourAttribute::LinkLocalAddress(bytes) => {
                mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac);
            }
            NeighbourAttribute::Other(other) if other.kind() == FLAGS_EXT => {
                flags = flags_ext(other);
            }
            _ => {}
        }
    }
    Some(Neighbour {
        ifindex: message.header.ifindex,
        address: address?,
        mac,
        state: state(message.header.state)?,
        managed: flags & MANAGED != 0,
    })
}

fn flags_ext(attribute: &DefaultNla) -> u32 {
    let mut bytes = [0; 4];
    if attribute.value_len() == bytes.len() {
        attribute.emit_value(&mut bytes);
    }
    u32::from_ne_bytes(bytes)
}

fn state(state: KernelState) -> Option<NeighbourState> {
    Some(match state {
        KernelState::Incomplete => NeighbourState::Incomplete,
        KernelState::Reachable => NeighbourState::Reachable,
        KernelState::Stale => NeighbourState::Stale,
        KernelState::Delay => NeighbourState::Delay,
        KernelState::Probe => NeighbourState::Probe,
        KernelState::Failed => NeighbourState::Failed,
        KernelState::Noarp => NeighbourState::NoArp,
        KernelState::Permanent => NeighbourState::Permanent,
        KernelState::None => NeighbourState::None,
        _ => return None,
    })
}
