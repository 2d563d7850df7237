//! The link-layer header.

use xvs_wire::ethernet;

use crate::{
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

/// Writes the type of a frame.
///
/// # Safety
/// 14 bytes at `start` must be writable.
#[inline(always)]
pub(super) unsafe fn set_type(start: usize, kind: u16) {
    // SAFETY: the caller vouches for the Ethernet header.
    unsafe { store16(start + ethernet::TYPE, kind.to_be()) };
}
