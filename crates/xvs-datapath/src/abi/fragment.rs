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
    /// Not 0 where the packet is not for a virtual server: its fragments go to the kernel.
    pub foreign: u32,
}

const _: () = assert!(size_of::<Fragment>() == 12);

/// Fragments of one packet that came before their first one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Early {
    /// How many; those of which no place is left to hold them do not count.
    pub count: u32,
    /// Jiffies of the first of them.
    pub stamp: u32,
}

const _: () = assert!(size_of::<Early>() == 8);

/// Key of a frame that is held.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeldKey {
    /// Its packet.
    pub packet: FragmentKey,
    /// Its place among those of the packet.
    pub place: u32,
    /// Zero.
    pub zero: u32,
}

const _: () = assert!(size_of::<HeldKey>() == 48);

/// Bytes of the largest frame that is held: one of Ethernet's, tags included.
pub const HELD: usize = 1528;

/// A frame that is held until the first fragment of its packet comes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// How many bytes it has.
    pub length: u32,
    /// Zero.
    pub zero: u32,
    /// The bytes.
    pub bytes: [u8; HELD],
}

const _: () = assert!(size_of::<Held>() == 1536);

impl Default for Held {
    fn default() -> Self {
        Self {
            length: 0,
            zero: 0,
            bytes: [0; HELD],
        }
    }
}
