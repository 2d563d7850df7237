//! Decides whether an advertisement is to be believed.
//!
//! The order of the checks is keepalived's. An advertisement that fails one has no effect on the
//! election: it does not count as a sign of life either.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use xvs_wire::vrrp::{
    Addresses, Authentication, Checksum, Envelope, PRIORITY_OWNER, Packet, Path, Repr, TTL,
    Variant, Version, Vrid, ah,
};

use crate::{
    AdverInterval, Reject,
    authentication::{check_value, same},
    config::{AuthenticationConfig, ChecksumPolicy, RouterConfig, Transport},
};

/// A packet as a raw socket hands it over.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The interface that it came in by.
    pub interface: &'a str,
    /// The packet.
    pub packet: Ingress<'a>,
}

/// What a raw socket gives for each family.
#[derive(Clone, Copy, Debug)]
pub enum Ingress<'a> {
    /// IPv4 gives the whole datagram, header included; protocol 112 or 51.
    V4 {
        /// The datagram.
        datagram: &'a [u8],
    },
    /// IPv6 gives the message, and the rest as ancillary data.
    V6 {
        /// The sender.
        source: Ipv6Addr,
        /// From `IPV6_RECVPKTINFO`.
        destination: Ipv6Addr,
        /// From `IPV6_RECVHOPLIMIT`.
        hop_limit: u8,
        /// The message.
        message: &'a [u8],
    },
}

/// A packet taken apart as far as is possible without knowing whom it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened<'a> {
    path: Path,
    ttl: u8,
    authentication: Option<ah::Repr>,
    /// The datagram without padding; empty over IPv6.
    datagram: &'a [u8],
    message: &'a [u8],
}

impl<'a> Opened<'a> {
    pub(crate) fn open(packet: Ingress<'a>) -> Result<Self, Reject> {
        match packet {
            Ingress::V4 { datagram } => {
                let Ok((envelope, message)) = Envelope::parse(datagram) else {
                    return Err(Reject::Envelope);
                };
                let length = envelope.buffer_length() + message.len();
                Ok(Self {
                    path: envelope.path(),
                    ttl: envelope.ttl,
                    authentication: envelope.authentication,
                    datagram: datagram.get(..length).ok_or(Reject::Envelope)?,
                    message,
                })
            }
            Ingress::V6 {
                source,
                destination,
                hop_limit,
                message,
            } => Ok(Self {
                path: Path::V6 {
                    source,
                    destination,
                },
                ttl: hop_limit,
                authentication: None,
                datagram: &[],
                message,
            }),
        }
    }

    /// Whom it seems to be for: also a malformed message is counted at its virtual router.
    pub(crate) fn vrid(&self) -> Option<Vrid> {
        Vrid::new(*self.message.get(1)?)
    }

    pub(crate) fn is_v4(&self) -> bool {
        matches!(self.path, Path::V4 { .. })
    }

    pub(crate) fn source(&self) -> IpAddr {
        match self.path {
            Path::V4 { source, .. } => source.into(),
            Path::V6 { source, .. } => source.into(),
        }
    }

    fn destination(&self) -> IpAddr {
        match self.path {
            Path::V4 { destination, .. } => destination.into(),
            Path::V6 { destination, .. } => destination.into(),
        }
    }
}

/// An advertisement that is to be believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advert {
    /// Who sent it.
    pub(crate) source: IpAddr,
    /// 0 releases.
    pub(crate) priority: u8,
    /// The sender's interval.
    pub(crate) interval: AdverInterval,
    /// What its checksum covers.
    pub(crate) checksum: Checksum,
    /// The authentication header's sequence number.
    pub(crate) sequence: Option<u32>,
    /// How many addresses it lists, if they are not ours.
    pub(crate) other_addresses: Option<usize>,
}

/// What a virtual router knows that decides about an advertisement.
pub(crate) struct Judge<'a> {
    pub(crate) config: &'a RouterConfig,
    /// The own address.
    pub(crate) own: Option<IpAddr>,
    /// The last sequence number of an authentication header from each sender.
    pub(crate) sequences: &'a BTreeMap<IpAddr, u32>,
}

impl Judge<'_> {
    /// The advertisement in `opened`, if it is to be believed.
    pub(crate) fn check(&self, opened: &Opened<'_>) -> Result<Advert, Reject> {
        if self.own == Some(opened.source()) {
            return Err(Reject::OwnAddress);
        }
        self.check_authentication_header(opened)?;
        self.check_distance(opened)?;
        let packet = Packet::new_checked(opened.message, opened.path)?;
        let repr = Repr::parse(&packet, opened.path)?;
        if repr.version() != self.config.version {
            return Err(Reject::Version);
        }
        let interval = self.check_variant(repr.variant, opened)?;
        let checksum = self
            .accepted_checksums(opened.path)
            .iter()
            .copied()
            .find(|checksum| packet.verify(*checksum, opened.path))
            .ok_or(Reject::Checksum)?;
        if self.config.owner_ignores_adverts && self.config.priority.get() == PRIORITY_OWNER {
            return Err(Reject::OwnerIgnores);
        }
        let ours = self.config.addresses.on_wire();
        Ok(Advert {
            source: opened.source(),
            priority: repr.priority,
            interval,
            checksum,
            sequence: opened.authentication.map(|header| header.sequence),
            other_addresses: (!same_addresses(ours, repr.addresses))
                .then_some(repr.addresses.len()),
        })
    }

    /// An authentication header is there exactly when it is configured, and names its sender.
    fn check_authentication_header(&self, opened: &Opened<'_>) -> Result<(), Reject> {
        let expected = matches!(self.config.authentication, AuthenticationConfig::Header(_));
        match opened.authentication {
            None if !expected => Ok(()),
            Some(header) if expected && IpAddr::from(header.sender) == opened.source() => Ok(()),
            _ => Err(Reject::AuthenticationHeader),
        }
    }

    /// Where it went and how far it came.
    fn check_distance(&self, opened: &Opened<'_>) -> Result<(), Reject> {
        let is_to_group = opened.destination() == self.config.group();
        match &self.config.transport {
            // RFC 5798 7.1: the TTL must be 255, so that no router can have passed it on.
            Transport::Multicast if opened.ttl != TTL => Err(Reject::Ttl),
            Transport::Multicast if !is_to_group => Err(Reject::Destination),
            Transport::Multicast => Ok(()),
            Transport::Unicast { .. } if opened.destination().is_multicast() => {
                Err(Reject::Destination)
            }
            Transport::Unicast {
                peers,
                check_source,
                ..
            } => match peers.iter().find(|peer| peer.address == opened.source()) {
                None if *check_source => Err(Reject::Source),
                Some(peer) if !(peer.min_ttl..=peer.max_ttl).contains(&opened.ttl) => {
                    Err(Reject::Ttl)
                }
                _ => Ok(()),
            },
        }
    }

    /// Authentication and interval.
    fn check_variant(
        &self,
        variant: Variant,
        opened: &Opened<'_>,
    ) -> Result<AdverInterval, Reject> {
        let (adver_int, authentication) = match variant {
            Variant::V2 {
                adver_int,
                authentication,
            } => (adver_int, authentication),
            // Version 3 follows its master's interval (RFC 5798 6.1, Master_Adver_Interval).
            Variant::V3 { max_adver_int } => return Ok(max_adver_int.into()),
        };
        match (self.config.authentication, authentication) {
            (AuthenticationConfig::None, Authentication::None) => {}
            (AuthenticationConfig::Password(ours), Authentication::Password(theirs)) => {
                if !same(&ours, &theirs) {
                    return Err(Reject::Password);
                }
            }
            (AuthenticationConfig::Header(key), Authentication::Header) => {
                self.check_seal(key, opened)?;
            }
            _ => return Err(Reject::AuthenticationType),
        }
        // RFC 3768 7.1: an interval that differs is a misconfiguration; the packet is discarded.
        if self.config.interval.seconds() == Some(adver_int) {
            Ok(adver_int.into())
        } else {
            Err(Reject::Interval)
        }
    }

    /// The check value is right, and the sequence number is new from this sender.
    ///
    /// keepalived compares with the greatest number sent or received by anybody, and only as backup.
    /// As master that would let two masters in step reject each other for ever.
    fn check_seal(&self, key: [u8; 8], opened: &Opened<'_>) -> Result<(), Reject> {
        let header = opened.authentication.ok_or(Reject::AuthenticationHeader)?;
        let unicast = !opened.destination().is_multicast();
        match check_value(key, opened.datagram, unicast) {
            Some(value) if same(&value, &header.check_value) => {}
            _ => return Err(Reject::CheckValue),
        }
        match self.sequences.get(&opened.source()) {
            Some(last) if header.sequence <= *last => Err(Reject::Replayed),
            _ => Ok(()),
        }
    }

    /// The checksums that peers are known to send, the likely one first.
    fn accepted_checksums(&self, path: Path) -> &'static [Checksum] {
        use Checksum::{Message, OldUnicast, PseudoHeader};
        match (path, self.config.version, &self.config.transport) {
            (Path::V6 { .. }, ..) => &[PseudoHeader],
            (_, Version::V2, _) => &[Message],
            (_, Version::V3, Transport::Multicast) => &[PseudoHeader, Message],
            (_, Version::V3, Transport::Unicast { .. })
                if self.config.checksum == ChecksumPolicy::Rfc5798Always =>
            {
                &[PseudoHeader, Message]
            }
            (_, Version::V3, Transport::Unicast { .. }) => &[PseudoHeader, OldUnicast, Message],
        }
    }
}

/// Whether two lists hold the same addresses, in whatever order.
fn same_addresses(ours: Addresses<'_>, theirs: Addresses<'_>) -> bool {
    ours == theirs
        || (ours.len() == theirs.len()
            && theirs
                .iter()
                .all(|address| ours.iter().any(|other| other == address)))
}
