//! The link-layer header.

use xvs_wire::ethernet;

use crate::{
    Packet,
    memory::{store16, store32, store64},
    next_hop::Hop,
};

/// Addresses a frame to a next hop.
///
/// # Safety
/// 14 bytes at `start` must be writable.
#[inline(always)]
pub(crate) unsafe fn address(start: usize, hop: &Hop) {
    // SAFETY: the caller vouches for the Ethernet header.
    unsafe {
        store64(start, hop.mac0);
        store32(start + 8, hop.mac1);
    }
}

/// Writes a whole Ethernet header; `false` where there is no room.
#[inline(always)]
pub(crate) fn frame<P: Packet>(packet: &P, hop: &Hop, kind: u16) -> bool {
    let (start, end) = packet.bounds();
    if start + ethernet::HEADER > end {
        return false;
    }
    // SAFETY: the Ethernet header was compared with the end.
    unsafe {
        address(start, hop);
        set_type(start, kind);
    }
    true
}

/// Writes the type of a frame.
///
/// # Safety
/// 14 bytes at `start` must be writable.
#[inline(always)]
pub(super) unsafe fn set_type(start: usize, kind: u16) {
    // SAFETY: the caller vouches for the Ethernet header.
    unsafe { store16(start + ethernet::TYPE, kind.to_be()) };
}
