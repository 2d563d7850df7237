//! An advertisement as its meaning.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{
    Centiseconds, Checksum, Packet, PacketError, Path, Seconds, Version, Vrid,
    packet::{AUTHENTICATION_DATA, HEADER},
};

/// A valid advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr<'a> {
    /// The virtual router.
    pub vrid: Vrid,
    /// 0 releases the addresses, 255 owns them.
    pub priority: u8,
    /// What differs from version to version.
    pub variant: Variant,
    /// The virtual addresses in the order of the configuration.
    pub addresses: Addresses<'a>,
}

/// What differs from version to version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// RFC 3768. Over IPv6 no RFC has it; keepalived sends it on request, without authentication data.
    V2 {
        /// Seconds between two advertisements.
        adver_int: Seconds,
        /// How the message says who sent it.
        authentication: Authentication,
    },
    /// RFC 5798.
    V3 {
        /// Centiseconds between two advertisements.
        max_adver_int: Centiseconds,
    },
}

/// The authentication of version 2, in the order of its types (RFC 2338 5.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Type 0.
    None,
    /// Type 1, `PASS`: eight bytes in clear text, padded with 0.
    Password([u8; 8]),
    /// Type 2, `AH`: an authentication header stands before the message ([`super::ah`]).
    Header,
}

/// The virtual addresses of an advertisement, as they lie on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses<'a> {
    /// IPv4 addresses.
    V4(&'a [[u8; 4]]),
    /// IPv6 addresses, a link-local one first (RFC 5798 5.2.9).
    V6(&'a [[u8; 16]]),
}

/// Why an advertisement cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmitError {
    /// There is no place for authentication over IPv6.
    AuthenticationOverIpv6,
    /// The buffer has another length than [`Repr::buffer_length`].
    BufferLength {
        /// What the message takes.
        expected: usize,
        /// What the buffer has.
        actual: usize,
    },
    /// The addresses are of another family than the path.
    Family,
    /// More than the 255 addresses that the count can say.
    TooManyAddresses {
        /// How many there are.
        count: usize,
    },
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthenticationOverIpv6 => {
                f.write_str("an advertisement over IPv6 cannot carry authentication")
            }
            Self::BufferLength { expected, actual } => {
                write!(f, "a buffer of {actual} bytes for a message of {expected}")
            }
            Self::Family => f.write_str("virtual addresses of another family than the packet"),
            Self::TooManyAddresses { count } => {
                write!(f, "{count} virtual addresses, an advertisement carries 255")
            }
        }
    }
}

impl core::error::Error for EmitError {}

impl<'a> Repr<'a> {
    /// The meaning of a checked `packet` that came on `path`.
    ///
    /// It does not look at the checksum, which has more than one right value: see
    /// [`Packet::verify`].
    ///
    /// # Errors
    /// An authentication type or an interval that no sender may use.
    pub fn parse(packet: &Packet<&'a [u8]>, path: Path) -> Result<Self, PacketError> {
        let Some(vrid) = packet.vrid() else {
            return Err(PacketError::VridZero);
        };
        let length = usize::from(packet.count()) * path.address_length();
        let (addresses, data) =
            packet
                .body()
                .split_at_checked(length)
                .ok_or_else(|| PacketError::Truncated {
                    actual: packet.bytes().len(),
                })?;
        let variant = match packet.version() {
            2 => Variant::V2 {
                adver_int: Seconds::new(packet.adver_int()).ok_or(PacketError::IntervalZero)?,
                authentication: Authentication::parse(packet.authentication_type(), data)?,
            },
            3 => Variant::V3 {
                max_adver_int: Centiseconds::new(packet.max_adver_int())
                    .ok_or(PacketError::IntervalZero)?,
            },
            version => return Err(PacketError::UnknownVersion(version)),
        };
        Ok(Self {
            vrid,
            priority: packet.priority(),
            variant,
            addresses: match path {
                Path::V4 { .. } => Addresses::V4(addresses.as_chunks().0),
                Path::V6 { .. } => Addresses::V6(addresses.as_chunks().0),
            },
        })
    }

    /// Bytes of the message.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        HEADER
            + match (self.variant, self.addresses) {
                (Variant::V2 { .. }, Addresses::V4(list)) => list.len() * 4 + AUTHENTICATION_DATA,
                (Variant::V3 { .. }, Addresses::V4(list)) => list.len() * 4,
                (_, Addresses::V6(list)) => list.len() * 16,
            }
    }

    /// Writes the message that goes out on `path`, with a checksum over what `checksum` says.
    ///
    /// # Errors
    /// A buffer of another length than [`Repr::buffer_length`], more than 255 addresses, addresses of
    /// another family than `path`, or authentication over IPv6. Then nothing is written.
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(
        &self,
        packet: &mut Packet<T>,
        checksum: Checksum,
        path: Path,
    ) -> Result<(), EmitError> {
        let expected = self.buffer_length();
        let actual = packet.bytes().len();
        if actual != expected {
            return Err(EmitError::BufferLength { expected, actual });
        }
        let count = self.addresses.len();
        let Ok(count) = u8::try_from(count) else {
            return Err(EmitError::TooManyAddresses { count });
        };
        self.check_family(path)?;
        packet.set_version(self.version().number());
        packet.set_vrid(self.vrid);
        packet.set_priority(self.priority);
        packet.set_count(count);
        match self.addresses {
            Addresses::V4(list) => fill(packet.body_mut(), list.as_flattened()),
            Addresses::V6(list) => fill(packet.body_mut(), list.as_flattened()),
        }
        match self.variant {
            Variant::V2 {
                adver_int,
                authentication,
            } => {
                packet.set_authentication_and_interval(authentication.kind(), adver_int.get());
                if let (Authentication::Password(password), Some(data)) =
                    (authentication, packet.body_mut().last_chunk_mut())
                {
                    *data = password;
                }
            }
            Variant::V3 { max_adver_int } => packet.set_max_adver_int(max_adver_int.get()),
        }
        packet.fill_checksum(checksum, path);
        Ok(())
    }

    /// The version of the message.
    #[must_use]
    pub const fn version(&self) -> Version {
        match self.variant {
            Variant::V2 { .. } => Version::V2,
            Variant::V3 { .. } => Version::V3,
        }
    }

    fn check_family(&self, path: Path) -> Result<(), EmitError> {
        match (self.variant, self.addresses, path) {
            (_, Addresses::V4(_), Path::V4 { .. })
            | (Variant::V3 { .. }, Addresses::V6(_), Path::V6 { .. })
            | (
                Variant::V2 {
                    authentication: Authentication::None,
                    ..
                },
                Addresses::V6(_),
                Path::V6 { .. },
            ) => Ok(()),
            (Variant::V2 { .. }, Addresses::V6(_), Path::V6 { .. }) => {
                Err(EmitError::AuthenticationOverIpv6)
            }
            _ => Err(EmitError::Family),
        }
    }
}

impl Authentication {
    /// The number in the header.
    #[must_use]
    pub const fn kind(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Password(_) => 1,
            Self::Header => 2,
        }
    }

    /// The authentication of type `kind` with `data`; over IPv6 there is no data and no type but 0.
    fn parse(kind: u8, data: &[u8]) -> Result<Self, PacketError> {
        match (kind, data.first_chunk()) {
            (0, _) => Ok(Self::None),
            (1, Some(password)) => Ok(Self::Password(*password)),
            (2, Some(_)) => Ok(Self::Header),
            _ => Err(PacketError::UnknownAuthentication(kind)),
        }
    }
}

impl<'a> Addresses<'a> {
    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::V4(list) => list.len(),
            Self::V6(list) => list.len(),
        }
    }

    /// Whether there are none, as in the advertisement of a router with excluded addresses alone.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The addresses in their order.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> + 'a {
        let (v4, v6): (&[[u8; 4]], &[[u8; 16]]) = match self {
            Self::V4(list) => (list, &[]),
            Self::V6(list) => (&[], list),
        };
        let v4 = v4.iter().map(|octets| Ipv4Addr::from(*octets).into());
        v4.chain(v6.iter().map(|octets| Ipv6Addr::from(*octets).into()))
    }
}

/// Puts `addresses` in front of `body`; what follows becomes 0.
fn fill(body: &mut [u8], addresses: &[u8]) {
    let (front, rest) = body.split_at_mut(addresses.len());
    front.copy_from_slice(addresses);
    rest.fill(0);
}
