//! The authentication header of version 2 (RFC 2338 5.3.6.3), as keepalived writes it.
//!
//! It is IPsec's header (RFC 4302 section 2) with HMAC-MD5-96 (RFC 2403), the sender's address as
//! security parameter index and the password, padded to eight bytes, as key. The hash itself is its
//! caller's: [`authenticated`] hands out the bytes that it covers.

use core::net::Ipv4Addr;

use crate::ipv4;

/// IANA protocol number of the authentication header.
pub const PROTOCOL: u8 = 51;
/// Bytes of the header with its 96-bit check value.
pub const HEADER: usize = 24;
/// Bytes of the check value.
pub const CHECK_VALUE: usize = 12;

/// Length in 32-bit words minus 2 (RFC 4302 2.2).
const PAYLOAD_LENGTH: u8 = 4;

mod field {
    use core::ops::Range;

    pub(super) const NEXT_HEADER: usize = 0;
    pub(super) const PAYLOAD_LENGTH: usize = 1;
    pub(super) const RESERVED: Range<usize> = 2..4;
    pub(super) const SPI: Range<usize> = 4..8;
    pub(super) const SEQUENCE: Range<usize> = 8..12;
    pub(super) const CHECK_VALUE: Range<usize> = 12..24;
}

/// A valid authentication header in front of an advertisement.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +---------------+---------------+-------------------------------+
/// | Next Hdr = 112|  Length = 4   |           Reserved            |
/// +---------------+---------------+-------------------------------+
/// |      Security parameter index: the sender's IPv4 address      |
/// +---------------------------------------------------------------+
/// |                        Sequence number                        |
/// +---------------------------------------------------------------+
/// |                 Check value: HMAC-MD5-96 (12 bytes)           |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// The security parameter index.
    pub sender: Ipv4Addr,
    /// Counts the sender's packets from 1; what was seen once is a replay.
    pub sequence: u32,
    /// The first 96 bits of the HMAC.
    pub check_value: [u8; CHECK_VALUE],
}

impl Repr {
    /// The header at the start of `bytes` and what follows it.
    ///
    /// `None` when it is short, does not announce VRRP, or has another length than 24 bytes.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        if header[field::NEXT_HEADER] != super::PROTOCOL
            || header[field::PAYLOAD_LENGTH] != PAYLOAD_LENGTH
        {
            return None;
        }
        let word = |range: core::ops::Range<usize>| -> Option<[u8; 4]> {
            header.get(range)?.first_chunk().copied()
        };
        let repr = Self {
            sender: word(field::SPI)?.into(),
            sequence: u32::from_be_bytes(word(field::SEQUENCE)?),
            check_value: header[field::CHECK_VALUE].first_chunk().copied()?,
        };
        Some((repr, rest))
    }

    /// Writes the header.
    pub fn emit(&self, header: &mut [u8; HEADER]) {
        header[field::NEXT_HEADER] = super::PROTOCOL;
        header[field::PAYLOAD_LENGTH] = PAYLOAD_LENGTH;
        header[field::RESERVED].fill(0);
        header[field::SPI].copy_from_slice(&self.sender.octets());
        header[field::SEQUENCE].copy_from_slice(&self.sequence.to_be_bytes());
        header[field::CHECK_VALUE].copy_from_slice(&self.check_value);
    }
}

/// Hands `feed` the bytes that the check value of `datagram` covers, in order.
///
/// What routers may change counts as 0 (RFC 4302 3.3.3.1.1): type of service, flags and fragment
/// offset, header checksum, and the check value itself. keepalived also counts the TTL as 0 when it
/// talks to peers (`unicast`), not on multicast, where it is 255 for certain.
///
/// Returns `false`, with nothing fed, unless `datagram` is an IPv4 header without options and an
/// authentication header.
pub fn authenticated(datagram: &[u8], unicast: bool, mut feed: impl FnMut(&[u8])) -> bool {
    const FRONT: usize = ipv4::HEADER + HEADER;
    let Some((front, message)) = datagram.split_first_chunk::<FRONT>() else {
        return false;
    };
    if front[ipv4::VERSION_IHL] != ipv4::VERSION_IHL_PLAIN || front[ipv4::PROTOCOL] != PROTOCOL {
        return false;
    }
    let mut front = *front;
    front[ipv4::TOS] = 0;
    front[ipv4::FRAGMENT..ipv4::FRAGMENT + 2].fill(0);
    front[ipv4::CHECKSUM..ipv4::CHECKSUM + 2].fill(0);
    if unicast {
        front[ipv4::TTL] = 0;
    }
    front[ipv4::HEADER + field::CHECK_VALUE.start..].fill(0);
    feed(&front);
    feed(message);
    true
}

/// Writes the check value into `datagram`, which [`authenticated`] accepted.
pub fn set_check_value(datagram: &mut [u8], check_value: [u8; CHECK_VALUE]) {
    let range = ipv4::HEADER + field::CHECK_VALUE.start..ipv4::HEADER + field::CHECK_VALUE.end;
    if let Some(field) = datagram.get_mut(range) {
        field.copy_from_slice(&check_value);
    }
}
