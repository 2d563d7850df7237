//! SCTP (RFC 9260 section 3).

/// Bytes of the common header.
pub const HEADER: u32 = 12;
/// Offset of the checksum, a CRC32c over header and chunks with zeros in its place.
pub const CHECKSUM: usize = 8;
/// Offset of the first chunk, which begins with its type.
pub const CHUNK: usize = 12;
/// Bytes of a chunk's header.
pub const CHUNK_HEADER: usize = 4;
