//! What is remembered of fragmented packets.

use super::Address;

/// Key of the map of fragmented packets: what the fragments of one packet have in common (RFC 791
/// section 2.3, RFC 8200 section 4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FragmentKey {
    /// The source address.
    pub source: Address,
    /// The destination address.
    pub destination: Address,
    /// Identification as in the packet.
    pub identification: u32,
    /// IANA protocol number.
    pub protocol: u32,
}

const _: () = assert!(size_of::<FragmentKey>() == 40);

/// A fragmented packet, as its first fragment told.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Source port in the low half, destination port in the high half.
    pub ports: u32,
    /// Jiffies of the first fragment.
    pub stamp: u32,
}

const _: () = assert!(size_of::<Fragment>() == 8);
