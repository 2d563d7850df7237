//! Next hops.

use super::Address;

/// Whether and how a [`NextHop`] may be used without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HopKind;

impl HopKind {
    /// Unresolved: ask the kernel.
    pub const ASK: u32 = 0;
    /// Addresses are known: redirect.
    pub const KNOWN: u32 = 1;
    /// The destination is this host: pass.
    pub const LOCAL: u32 = 2;
}

/// Where frames leave and what they are addressed to. Index 0 is never known.
#[repr(C, align(32))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextHop {
    /// Destination address, then the first two bytes of the source address, as in a frame.
    pub mac0: u64,
    /// The last four bytes of the source address, as in a frame.
    pub mac1: u32,
    /// The link.
    pub ifindex: u32,
    /// One of [`HopKind`].
    pub kind: u32,
    /// Bytes of the largest IP packet.
    pub mtu: u32,
    /// Zero.
    pub spare: u64,
}

const _: () = assert!(size_of::<NextHop>() == 32);

/// Key of the map from a neighbour to the index of its next hop.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HopKey {
    /// The neighbour's address.
    pub address: Address,
    /// The link.
    pub ifindex: u32,
    /// 4 or 6.
    pub family: u32,
}

const _: () = assert!(size_of::<HopKey>() == 24);
