//! Ethernet II.
//!
//! ```text
//!  0       6       12   14
//! +-------+-------+----+---------
//! |  dst  |  src  |type| payload
//! +-------+-------+----+---------
//! ```

/// Length of the header without tags.
pub const HEADER: usize = 14;
/// Offset of the destination address.
pub const DESTINATION: usize = 0;
/// Offset of the source address.
pub const SOURCE: usize = 6;
/// Offset of the type.
pub const TYPE: usize = 12;
/// Type of IPv4.
pub const TYPE_IPV4: u16 = 0x0800;
/// Type of IPv6.
pub const TYPE_IPV6: u16 = 0x86dd;
/// Type of an 802.1Q tag.
pub const TYPE_VLAN: u16 = 0x8100;
/// Type of an 802.1ad tag.
pub const TYPE_QINQ: u16 = 0x88a8;
