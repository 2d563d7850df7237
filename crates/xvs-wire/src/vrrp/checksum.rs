//! The three checksums found in advertisements.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::{GROUP_V4, PROTOCOL};
use crate::checksum;

/// Where an advertisement comes from and goes to; it decides the pseudo-header and the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// Over IPv4.
    V4 {
        /// The sender's address.
        source: Ipv4Addr,
        /// A peer's address or the group's.
        destination: Ipv4Addr,
    },
    /// Over IPv6.
    V6 {
        /// The sender's link-local address.
        source: Ipv6Addr,
        /// A peer's address or the group's.
        destination: Ipv6Addr,
    },
}

impl Path {
    /// Bytes of one address.
    pub(super) const fn address_length(self) -> usize {
        match self {
            Self::V4 { .. } => 4,
            Self::V6 { .. } => 16,
        }
    }

    /// The sum over the pseudo-header of a message of `length` bytes.
    fn pseudo_header(self, length: usize) -> u32 {
        // A message has at most 8 + 255 x 16 + 8 bytes, so its length always fits.
        let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        let tail = checksum::sum(&[0, PROTOCOL, length[0], length[1]]);
        tail + match self {
            Self::V4 {
                source,
                destination,
            } => checksum::sum(&source.octets()) + checksum::sum(&destination.octets()),
            Self::V6 {
                source,
                destination,
            } => checksum::sum(&source.octets()) + checksum::sum(&destination.octets()),
        }
    }
}

/// What a checksum covers. Over IPv6 it is always [`Checksum::PseudoHeader`], in both versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// The message alone: version 2 (RFC 3768 5.3.8), and version 3 over IPv4 by RFC 9568 5.2.8 and
    /// with keepalived's `v3_checksum_as_v2`.
    Message,
    /// A pseudo-header whose destination is the group although the packet went to a peer:
    /// keepalived up to 1.3.6, and later with `old_unicast_checksum`.
    OldUnicast,
    /// The pseudo-header and the message: version 3 by RFC 5798 5.2.8.
    PseudoHeader,
}

impl Checksum {
    /// The partial sum that comes before a message of `length` bytes on `path`.
    pub(super) fn partial(self, path: Path, length: usize) -> u32 {
        match (self, path) {
            (_, Path::V6 { .. }) | (Self::PseudoHeader, Path::V4 { .. }) => {
                path.pseudo_header(length)
            }
            (Self::Message, Path::V4 { .. }) => 0,
            (Self::OldUnicast, Path::V4 { source, .. }) => Path::V4 {
                source,
                destination: GROUP_V4,
            }
            .pseudo_header(length),
        }
    }
}
