//! ICMP (RFC 792) and ICMPv6 (RFC 4443) errors.
//!
//! ```text
//! +-------+-------+---------------+
//! | Type  | Code  |   Checksum    |
//! +-------+-------+---------------+
//! |  unused / MTU / pointer       |
//! +-------------------------------+
//! |  as much of the packet as ... |
//! ```

/// Length of the header of an error.
pub const HEADER: usize = 8;
/// Offset of the checksum.
pub const CHECKSUM: usize = 2;

/// ICMP: destination unreachable.
pub const V4_UNREACHABLE: u8 = 3;
/// Code of [`V4_UNREACHABLE`]: host.
pub const V4_HOST: u8 = 1;
/// Code of [`V4_UNREACHABLE`]: port.
pub const V4_PORT: u8 = 3;
/// Code of [`V4_UNREACHABLE`]: fragmentation needed; the MTU stands in the last two bytes (RFC 1191).
pub const V4_FRAGMENTATION_NEEDED: u8 = 4;
/// ICMP: source quench, deprecated by RFC 6633.
pub const V4_SOURCE_QUENCH: u8 = 4;
/// ICMP: time exceeded, code 0 in transit.
pub const V4_TIME_EXCEEDED: u8 = 11;
/// The largest ICMP error that a router sends, RFC 1812 section 4.3.2.3.
pub const V4_ERROR_MAX: usize = 576;

/// ICMPv6: types below are errors (RFC 4443 section 2.1).
pub const V6_INFORMATIONAL: u8 = 128;
/// ICMPv6: destination unreachable.
pub const V6_UNREACHABLE: u8 = 1;
/// Code of [`V6_UNREACHABLE`]: address.
pub const V6_ADDRESS: u8 = 3;
/// Code of [`V6_UNREACHABLE`]: port.
pub const V6_PORT: u8 = 4;
/// ICMPv6: packet too big; the MTU stands in the four bytes after the checksum.
pub const V6_PACKET_TOO_BIG: u8 = 2;
/// ICMPv6: time exceeded, code 0 hop limit.
pub const V6_TIME_EXCEEDED: u8 = 3;
/// The largest ICMPv6 error: the minimum MTU, RFC 4443 section 2.4 (c).
pub const V6_ERROR_MAX: usize = 1280;
