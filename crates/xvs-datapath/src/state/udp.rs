//! UDP has one state in IPVS; here a flow of a single packet is told apart, or a flood could not be
//! evicted.

/// One packet seen: a new flow may evict it.
pub const ONE_WAY: u8 = 0;
/// More packets seen, either way.
pub const ASSURED: u8 = 1;

/// Default timeout in seconds of both (kernel `udp_timeouts`).
pub const TIMEOUT: u32 = 300;
