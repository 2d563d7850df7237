//! The fields of an advertisement.

use core::fmt;

use super::{Checksum, Path, Vrid};
use crate::checksum;

/// An advertisement over a buffer.
///
/// Version 2, RFC 3768 5.1; the authentication data stands there over IPv4 alone:
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-------+---------------+---------------+---------------+
/// |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
/// +-------+-------+---------------+---------------+---------------+
/// |   Auth Type   |   Adver Int   |          Checksum             |
/// +---------------+---------------+-------------------------------+
/// |                        IP Address (1..n)                      |
/// +---------------------------------------------------------------+
/// |                  Authentication Data (8 bytes)                |
/// +---------------------------------------------------------------+
/// ```
///
/// Version 3, RFC 5798 5.1:
///
/// ```text
/// +-------+-------+---------------+---------------+---------------+
/// |Version| Type  | Virtual Rtr ID|   Priority    |Count IPvX Addr|
/// +-------+-------+---------------+---------------+---------------+
/// |(rsvd) |     Max Adver Int     |          Checksum             |
/// +-------+-----------------------+-------------------------------+
/// |                       IPvX Address (1..n)                     |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

/// Why bytes are no advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// An interval of 0: its master would be dead at once.
    IntervalZero,
    /// The address count asks for another length than the message has.
    Length {
        /// What the header asks for.
        expected: usize,
        /// What is there.
        actual: usize,
    },
    /// Fewer bytes than a header has.
    Truncated {
        /// What is there.
        actual: usize,
    },
    /// An authentication type that no version knows (RFC 2338 5.3.6 has 0, 1 and 2).
    UnknownAuthentication(u8),
    /// Not an advertisement, the one type there is (RFC 5798 5.2.2).
    UnknownType(u8),
    /// Neither version 2 nor version 3.
    UnknownVersion(u8),
    /// A virtual router identifier of 0.
    VridZero,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IntervalZero => f.write_str("the advertisement interval is 0"),
            Self::Length { expected, actual } => {
                write!(f, "{actual} bytes where the header asks for {expected}")
            }
            Self::Truncated { actual } => {
                write!(f, "{actual} bytes are fewer than the header's {HEADER}")
            }
            Self::UnknownAuthentication(kind) => write!(f, "authentication type {kind}"),
            Self::UnknownType(kind) => write!(f, "packet type {kind} instead of 1"),
            Self::UnknownVersion(version) => write!(f, "version {version}"),
            Self::VridZero => f.write_str("the virtual router identifier is 0"),
        }
    }
}

impl core::error::Error for PacketError {}

/// Bytes of the header before the addresses.
pub(super) const HEADER: usize = 8;
/// Bytes of the authentication data of version 2 over IPv4.
pub(super) const AUTHENTICATION_DATA: usize = 8;
/// The one packet type.
const TYPE_ADVERTISEMENT: u8 = 1;

mod field {
    use core::ops::Range;

    pub(super) const VERSION_TYPE: usize = 0;
    pub(super) const VRID: usize = 1;
    pub(super) const PRIORITY: usize = 2;
    pub(super) const COUNT: usize = 3;
    pub(super) const AUTHENTICATION_TYPE: usize = 4;
    pub(super) const ADVER_INT: usize = 5;
    pub(super) const MAX_ADVER_INT: Range<usize> = 4..6;
    pub(super) const CHECKSUM: Range<usize> = 6..8;
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view that trusts its caller: accessors may panic on a short buffer.
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// A view of a message that came on `path`; none of its accessors panics.
    ///
    /// `buffer` ends where the message ends: padding of the link is the IP header's to cut off.
    ///
    /// # Errors
    /// A version or type that is not VRRP's, an identifier of 0, or a length that the address count
    /// does not explain.
    pub fn new_checked(buffer: T, path: Path) -> Result<Self, PacketError> {
        let packet = Self::new_unchecked(buffer);
        let actual = packet.bytes().len();
        if actual < HEADER {
            return Err(PacketError::Truncated { actual });
        }
        let authentication = match (packet.version(), path) {
            (2, Path::V4 { .. }) => AUTHENTICATION_DATA,
            (2, Path::V6 { .. }) | (3, _) => 0,
            (version, _) => return Err(PacketError::UnknownVersion(version)),
        };
        if packet.kind() != TYPE_ADVERTISEMENT {
            return Err(PacketError::UnknownType(packet.kind()));
        }
        if packet.vrid().is_none() {
            return Err(PacketError::VridZero);
        }
        let expected =
            HEADER + usize::from(packet.count()) * path.address_length() + authentication;
        if actual == expected {
            Ok(packet)
        } else {
            Err(PacketError::Length { expected, actual })
        }
    }

    /// The buffer.
    pub fn into_inner(self) -> T {
        self.buffer
    }

    /// The version, 2 or 3 after a check.
    pub fn version(&self) -> u8 {
        self.bytes()[field::VERSION_TYPE] >> 4
    }

    /// The packet type, 1 after a check.
    pub fn kind(&self) -> u8 {
        self.bytes()[field::VERSION_TYPE] & 0x0f
    }

    /// The virtual router identifier; `Some` after a check.
    pub fn vrid(&self) -> Option<Vrid> {
        Vrid::new(self.bytes()[field::VRID])
    }

    /// The priority: 0 releases, 255 owns.
    pub fn priority(&self) -> u8 {
        self.bytes()[field::PRIORITY]
    }

    /// How many addresses follow.
    pub fn count(&self) -> u8 {
        self.bytes()[field::COUNT]
    }

    /// The authentication type of version 2 (RFC 2338 5.3.6).
    pub fn authentication_type(&self) -> u8 {
        self.bytes()[field::AUTHENTICATION_TYPE]
    }

    /// The interval of version 2 in seconds.
    pub fn adver_int(&self) -> u8 {
        self.bytes()[field::ADVER_INT]
    }

    /// The interval of version 3 in centiseconds; the reserved bits are ignored (RFC 5798 5.2.6).
    pub fn max_adver_int(&self) -> u16 {
        let bytes = self.bytes();
        u16::from_be_bytes([
            bytes[field::MAX_ADVER_INT.start] & 0x0f,
            bytes[field::MAX_ADVER_INT.start + 1],
        ])
    }

    /// The checksum as a number.
    pub fn checksum(&self) -> u16 {
        let bytes = self.bytes();
        u16::from_be_bytes([
            bytes[field::CHECKSUM.start],
            bytes[field::CHECKSUM.start + 1],
        ])
    }

    /// Whether the checksum is right when it covers what `checksum` says.
    pub fn verify(&self, checksum: Checksum, path: Path) -> bool {
        let bytes = self.bytes();
        checksum::finish(bytes, checksum.partial(path, bytes.len())) == 0
    }

    /// The bytes of the message.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.as_ref()
    }
}

impl<'a> Packet<&'a [u8]> {
    /// What follows the header, living as long as the buffer.
    pub(super) fn body(&self) -> &'a [u8] {
        &self.buffer[HEADER..]
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Writes version and type.
    pub(super) fn set_version(&mut self, version: u8) {
        self.bytes_mut()[field::VERSION_TYPE] = version << 4 | TYPE_ADVERTISEMENT;
    }

    /// Writes the virtual router identifier.
    pub(super) fn set_vrid(&mut self, vrid: Vrid) {
        self.bytes_mut()[field::VRID] = vrid.get();
    }

    /// Writes the priority.
    pub(super) fn set_priority(&mut self, priority: u8) {
        self.bytes_mut()[field::PRIORITY] = priority;
    }

    /// Writes the number of addresses.
    pub(super) fn set_count(&mut self, count: u8) {
        self.bytes_mut()[field::COUNT] = count;
    }

    /// Writes authentication type and interval of version 2.
    pub(super) fn set_authentication_and_interval(&mut self, kind: u8, seconds: u8) {
        let bytes = self.bytes_mut();
        bytes[field::AUTHENTICATION_TYPE] = kind;
        bytes[field::ADVER_INT] = seconds;
    }

    /// Writes the interval of version 3; the reserved bits become 0.
    pub(super) fn set_max_adver_int(&mut self, centiseconds: u16) {
        self.bytes_mut()[field::MAX_ADVER_INT].copy_from_slice(&centiseconds.to_be_bytes());
    }

    /// Computes and writes the checksum; every other byte is in place before.
    pub(super) fn fill_checksum(&mut self, checksum: Checksum, path: Path) {
        self.bytes_mut()[field::CHECKSUM].fill(0);
        let bytes = self.bytes();
        let value = checksum::finish(bytes, checksum.partial(path, bytes.len()));
        self.bytes_mut()[field::CHECKSUM].copy_from_slice(&value.to_ne_bytes());
    }

    /// What follows the header.
    pub(super) fn body_mut(&mut self) -> &mut [u8] {
        &mut self.bytes_mut()[HEADER..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut()
    }
}
