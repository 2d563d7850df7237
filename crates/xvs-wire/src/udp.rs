//! UDP, RFC 768.

/// Length of the header.
pub const HEADER: usize = 8;
/// Offset of the source port; the destination port follows.
pub const PORTS: usize = 0;
/// Offset of the length.
pub const LENGTH: usize = 4;
/// Offset of the checksum; 0 means none (IPv4 only).
pub const CHECKSUM: usize = 6;
