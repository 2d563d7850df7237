//! Bytes of a packet into a room of this CPU's, by the helper that the hook has for it.

use aya_ebpf::helpers::bpf_csum_diff;
use xvs_datapath::{
    abi::{TEXT, Text},
    memory::{opaque, opaque_number, store32},
};

use crate::maps;

/// A packet that copies bytes out of itself, wherever it has them.
pub(crate) trait Load {
    /// Copies `length` bytes from `offset` on; `false` where it has not as many.
    ///
    /// # Safety
    /// As many must be writable at `bytes`.
    unsafe fn load(&mut self, offset: u32, bytes: *mut u8, length: u32) -> bool;
}

/// Copies `length` bytes of text, 1 to [`TEXT`]; `false` where that cannot be.
///
/// # Safety
/// `room` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn text<P: Load>(
    packet: &mut P,
    offset: u32,
    room: *mut Text,
    length: u32,
) -> bool {
    let last = opaque_number(length.wrapping_sub(1));
    if last >= TEXT {
        return false;
    }
    // SAFETY: the caller vouches for the room, which has more bytes.
    unsafe { packet.load(offset, (&raw mut (*room).bytes).cast(), last + 1) }
}

/// The sum of `length` bytes, 1 to 512, as words of 32 bits; 0 where that cannot be.
#[inline(always)]
pub(crate) fn sum<P: Load>(packet: &mut P, offset: u32, length: u32) -> u32 {
    let Some(space) = maps::SUM_SPACE.get_ptr_mut(0) else {
        return 0;
    };
    let space = opaque(space).cast::<u8>();
    // Of a number from 0 to 511 every verifier sees that neither it nor one more is out of range.
    let last = opaque_number(length.wrapping_sub(1));
    if last > 511 {
        return 0;
    }
    let length = last + 1;
    let words = (last | 3) + 1;
    // SAFETY: the space has 512 bytes, and neither length is more; the last word is cleared where bytes
    // do not fill it.
    unsafe {
        store32(space as usize + (last & 0x1fc) as usize, 0);
        if !packet.load(offset, space, length) {
            return 0;
        }
        bpf_csum_diff(core::ptr::null_mut(), 0, space.cast(), words, 0) as u32
    }
}
