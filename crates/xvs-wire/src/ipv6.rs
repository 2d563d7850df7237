//! IPv6, RFC 8200 section 3.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+---------------+---------------------------------------+
//! |Version| Traffic class |              Flow label               |
//! +-------+---------------+-------+---------------+---------------+
//! |        Payload length         |  Next header  |   Hop limit   |
//! +-------------------------------+---------------+---------------+
//! |                   Source address (16 bytes)                   |
//! +---------------------------------------------------------------+
//! |                Destination address (16 bytes)                 |
//! +---------------------------------------------------------------+
//! ```

/// Length of the header.
pub const HEADER: usize = 40;
/// Offset of version, traffic class and flow label.
pub const VERSION: usize = 0;
/// Offset of the payload length.
pub const PAYLOAD_LENGTH: usize = 4;
/// Offset of the next header.
pub const NEXT_HEADER: usize = 6;
/// Offset of the hop limit.
pub const HOP_LIMIT: usize = 7;
/// Offset of the source address.
pub const SOURCE: usize = 8;
/// Offset of the destination address.
pub const DESTINATION: usize = 24;

/// Next header: hop-by-hop options (RFC 8200 section 4.3).
pub const HOP_BY_HOP: u32 = 0;
/// Next header: routing (RFC 8200 section 4.4).
pub const ROUTING: u32 = 43;
/// Next header: fragment (RFC 8200 section 4.5).
pub const FRAGMENT: u32 = 44;
/// Next header: destination options (RFC 8200 section 4.6).
pub const DESTINATION_OPTIONS: u32 = 60;
/// Next header: encapsulating security payload (RFC 4303).
pub const ESP: u32 = 50;
/// Next header: authentication header (RFC 4302).
pub const AH: u32 = 51;
/// Next header: SCTP (RFC 9260).
pub const SCTP: u32 = 132;
