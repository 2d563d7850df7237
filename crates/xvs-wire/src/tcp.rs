//! TCP, RFC 9293 section 3.1, and the TOA option.
//!
//! TOA is no RFC: the director of a FULLNAT virtual server tells the real server the client's port
//! and address in an option of the SYN, both in network byte order. IPv4: kind 254, length 8. IPv6:
//! kind 253, length 20. Both kinds are the experimental ones of RFC 4727.

/// Length of a header without options.
pub const HEADER: usize = 20;
/// Length of the longest header.
pub const HEADER_MAX: usize = 60;
/// Offset of the source port; the destination port follows.
pub const PORTS: usize = 0;
/// Offset of the sequence number.
pub const SEQUENCE: usize = 4;
/// Offset of the acknowledgement number.
pub const ACKNOWLEDGEMENT: usize = 8;
/// Offset of the data offset (high four bits, in words).
pub const DATA_OFFSET: usize = 12;
/// Offset of the flags.
pub const FLAGS: usize = 13;
/// Offset of the checksum.
pub const CHECKSUM: usize = 16;

/// FIN flag.
pub const FIN: u8 = 0x01;
/// SYN flag.
pub const SYN: u8 = 0x02;
/// RST flag.
pub const RST: u8 = 0x04;
/// ACK flag.
pub const ACK: u8 = 0x10;

/// Option kind: end of the list.
pub const OPTION_END: u8 = 0;
/// Option kind: no operation.
pub const OPTION_NOP: u8 = 1;
/// Option kind: maximum segment size, length 4.
pub const OPTION_MSS: u8 = 2;
/// Option kind: selective acknowledgements (RFC 2018).
pub const OPTION_SACK: u8 = 5;
/// Option kind of TOA for an IPv4 client.
pub const OPTION_TOA_V4: u8 = 254;
/// Length of the TOA option for an IPv4 client.
pub const TOA_V4_LENGTH: u8 = 8;
/// Option kind of TOA for an IPv6 client.
pub const OPTION_TOA_V6: u8 = 253;
/// Length of the TOA option for an IPv6 client.
pub const TOA_V6_LENGTH: u8 = 20;
