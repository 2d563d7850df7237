//! IPv4, RFC 791 section 3.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+-------------------------------+
//! |Version|  IHL  |Type of service|          Total length         |
//! +-------+-------+---------------+-----+-------------------------+
//! |         Identification        |Flags|      Fragment offset    |
//! +---------------+---------------+-----+-------------------------+
//! |  Time to live |    Protocol   |        Header checksum        |
//! +---------------+---------------+-------------------------------+
//! |                         Source address                        |
//! +---------------------------------------------------------------+
//! |                      Destination address                      |
//! +---------------------------------------------------------------+
//! ```

/// Length of a header without options.
pub const HEADER: usize = 20;
/// Offset of version and header length.
pub const VERSION_IHL: usize = 0;
/// Version 4, no options.
pub const VERSION_IHL_PLAIN: u8 = 0x45;
/// Offset of the type of service.
pub const TOS: usize = 1;
/// Offset of the total length.
pub const TOTAL_LENGTH: usize = 2;
/// Offset of the identification.
pub const IDENTIFICATION: usize = 4;
/// Offset of flags and fragment offset.
pub const FRAGMENT: usize = 6;
/// "Don't fragment" in the flags word.
pub const DONT_FRAGMENT: u16 = 0x4000;
/// "More fragments" and the fragment offset in the flags word.
pub const FRAGMENT_MASK: u16 = 0x3fff;
/// The fragment offset alone in the flags word, in units of eight bytes.
pub const OFFSET_MASK: u16 = 0x1fff;
/// "More fragments" in the flags word.
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// Offset of the time to live.
pub const TTL: usize = 8;
/// Offset of the protocol.
pub const PROTOCOL: usize = 9;
/// Offset of the header checksum.
pub const CHECKSUM: usize = 10;
/// Offset of the source address.
pub const SOURCE: usize = 12;
/// Offset of the destination address.
pub const DESTINATION: usize = 16;

/// Option: the end of the list.
pub const OPTION_END: u8 = 0;
/// Option: nothing.
pub const OPTION_NOP: u8 = 1;
/// Option: loose source route.
pub const OPTION_LOOSE_SOURCE_ROUTE: u8 = 0x83;
/// Option: strict source route.
pub const OPTION_STRICT_SOURCE_ROUTE: u8 = 0x89;

/// IANA protocol number of ICMP.
pub const PROTOCOL_ICMP: u8 = 1;
/// IANA protocol number of IPv4 in IP (RFC 2003).
pub const PROTOCOL_IPIP: u8 = 4;
/// IANA protocol number of TCP.
pub const PROTOCOL_TCP: u8 = 6;
/// IANA protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;
/// IANA protocol number of IPv6 in IP (RFC 2473).
pub const PROTOCOL_IPV6: u8 = 41;
/// IANA protocol number of GRE (RFC 2784).
pub const PROTOCOL_GRE: u8 = 47;
/// Encapsulating security payload (RFC 4303).
pub const PROTOCOL_ESP: u8 = 50;
/// Authentication header (RFC 4302).
pub const PROTOCOL_AH: u8 = 51;
/// IANA protocol number of ICMPv6.
pub const PROTOCOL_ICMPV6: u8 = 58;
/// IANA protocol number of SCTP (RFC 9260).
pub const PROTOCOL_SCTP: u8 = 132;
