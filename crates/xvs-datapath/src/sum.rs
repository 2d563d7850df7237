//! Sums over more of a packet than is directly readable.

use xvs_wire::checksum;

use crate::Packet;

/// Bytes that [`Packet::sum`] takes at once.
const CHUNK: u32 = 512;
/// The most that [`over`] sums.
pub(crate) const MOST: u32 = 3 * CHUNK;

/// The partial sum of the `length` bytes at `offset`, at most [`MOST`].
#[inline(always)]
pub(crate) fn over<P: Packet>(packet: &mut P, offset: u32, length: u32) -> u32 {
    let mut total = 0_u32;
    let mut done = 0;
    let mut chunks = 0;
    while chunks < 3 {
        let left = length.wrapping_sub(done);
        if left == 0 || left > MOST {
            break;
        }
        let part = if left < CHUNK { left } else { CHUNK };
        total += u32::from(checksum::fold(packet.sum(offset + done, part)));
        done += part;
        chunks += 1;
    }
    total
}
