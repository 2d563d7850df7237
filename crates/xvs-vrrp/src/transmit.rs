//! Builds the advertisements of a virtual router.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use xvs_wire::vrrp::{
    Authentication, Checksum, EmitError, Envelope, Packet, Path, Repr, TTL, Variant, Version, ah,
};

use crate::{
    action::Transmit,
    authentication::check_value,
    config::{AuthenticationConfig, ChecksumPolicy, RouterConfig, Transport},
};

/// Why an advertisement could not be built. A checked configuration causes none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransmitError {
    /// The message does not fit the configuration.
    #[error("cannot build an advertisement: {0}")]
    Emit(#[from] EmitError),
    /// Source and destination are of different families.
    #[error("cannot send from `{source_address}` to `{destination}`: different families")]
    Family {
        /// From where.
        source_address: IpAddr,
        /// To where.
        destination: IpAddr,
    },
    /// The version cannot say the interval.
    #[error("cannot say the interval in this version")]
    Interval,
    /// The datagram would be longer than IPv4 allows.
    #[error("an advertisement longer than an IPv4 datagram")]
    Length,
}

/// What counts on from packet to packet of one virtual router.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sender {
    /// The IPv4 identification of the last datagram; never 0 on the wire, as with keepalived.
    identification: u16,
    /// The greatest authentication header sequence number sent or accepted.
    pub(crate) sequence: u32,
    /// A peer was heard that uses the old checksum.
    pub(crate) old_unicast: bool,
}

impl Sender {
    /// One advertisement for each destination of `config`, with `priority`, from `source`.
    pub(crate) fn build(
        &mut self,
        config: &RouterConfig,
        source: IpAddr,
        priority: u8,
    ) -> Result<Vec<Transmit>, TransmitError> {
        // One number for all peers of one advertisement, as keepalived counts.
        self.identification = self.identification.checked_add(1).unwrap_or(1);
        if matches!(config.authentication, AuthenticationConfig::Header(_)) {
            // One advertisement a second reaches the end of the counter after 136 years.
            self.sequence = self.sequence.saturating_add(1);
        }
        match &config.transport {
            Transport::Multicast => {
                let group = config.group();
                Ok(vec![self.build_one(config, source, group, TTL, priority)?])
            }
            Transport::Unicast { peers, ttl, .. } => peers
                .iter()
                .map(|peer| self.build_one(config, source, peer.address, *ttl, priority))
                .collect(),
        }
    }

    fn build_one(
        &self,
        config: &RouterConfig,
        source: IpAddr,
        destination: IpAddr,
        ttl: u8,
        priority: u8,
    ) -> Result<Transmit, TransmitError> {
        let repr = Repr {
            vrid: config.vrid,
            priority,
            variant: variant(config).ok_or(TransmitError::Interval)?,
            addresses: config.addresses.on_wire(),
        };
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.build_v4(config, &repr, source, destination, ttl)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                build_v6(&repr, source, destination, ttl)
            }
            _ => Err(TransmitError::Family {
                source_address: source,
                destination,
            }),
        }
    }

    fn build_v4(
        &self,
        config: &RouterConfig,
        repr: &Repr<'_>,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        ttl: u8,
    ) -> Result<Transmit, TransmitError> {
        let key = match config.authentication {
            AuthenticationConfig::Header(key) => Some(key),
            AuthenticationConfig::None | AuthenticationConfig::Password(_) => None,
        };
        let envelope = Envelope {
            source,
            destination,
            ttl,
            identification: self.identification,
            authentication: key.map(|_| ah::Repr {
                sender: source,
                sequence: self.sequence,
                check_value: [0; ah::CHECK_VALUE],
            }),
        };
        let mut datagram = vec![0; envelope.buffer_length() + repr.buffer_length()];
        let message = envelope.emit(&mut datagram).ok_or(TransmitError::Length)?;
        let checksum = self.checksum(config);
        repr.emit(
            &mut Packet::new_unchecked(message),
            checksum,
            envelope.path(),
        )?;
        if let Some(key) = key {
            let unicast = !destination.is_multicast();
            let value = check_value(key, &datagram, unicast).ok_or(TransmitError::Length)?;
            ah::set_check_value(&mut datagram, value);
        }
        Ok(Transmit::V4 {
            destination,
            datagram,
        })
    }

    fn checksum(self, config: &RouterConfig) -> Checksum {
        match (config.version, config.checksum) {
            (Version::V2, _) | (Version::V3, ChecksumPolicy::Rfc9568) => Checksum::Message,
            (Version::V3, ChecksumPolicy::OldUnicast) => Checksum::OldUnicast,
            (Version::V3, ChecksumPolicy::Rfc5798) if self.old_unicast => Checksum::OldUnicast,
            (Version::V3, ChecksumPolicy::Rfc5798 | ChecksumPolicy::Rfc5798Always) => {
                Checksum::PseudoHeader
            }
        }
    }
}

fn build_v6(
    repr: &Repr<'_>,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
) -> Result<Transmit, TransmitError> {
    let path = Path::V6 {
        source,
        destination,
    };
    let mut packet = Packet::new_unchecked(vec![0; repr.buffer_length()]);
    repr.emit(&mut packet, Checksum::PseudoHeader, path)?;
    Ok(Transmit::V6 {
        source,
        destination,
        hop_limit,
        message: packet.into_inner(),
    })
}

fn variant(config: &RouterConfig) -> Option<Variant> {
    Some(match config.version {
        Version::V2 => Variant::V2 {
            adver_int: config.interval.seconds()?,
            authentication: match config.authentication {
                AuthenticationConfig::Header(_) => Authentication::Header,
                AuthenticationConfig::None => Authentication::None,
                AuthenticationConfig::Password(password) => Authentication::Password(password),
            },
        },
        Version::V3 => Variant::V3 {
            max_adver_int: config.interval.centiseconds()?,
        },
    })
}
