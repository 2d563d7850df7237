//! Sums over more of a packet than a helper takes at once.

use xvs_wire::checksum;

use crate::{Env, Packet, Rounds};

/// Bytes that [`Packet::sum`] takes.
const CHUNK: u32 = 512;
/// Chunks of the largest packet.
const CHUNKS: u32 = 128;

/// The partial sum of the `length` bytes at `offset`.
#[inline(always)]
pub(crate) fn over<P: Packet, E: Env>(packet: &mut P, env: &E, offset: u32, length: u32) -> u32 {
    let mut sum = Sum {
        packet,
        offset,
        left: length,
        total: 0,
    };
    env.repeat(CHUNKS, &mut sum);
    sum.total
}

/// A sum, chunk by chunk.
struct Sum<'a, P> {
    packet: &'a mut P,
    offset: u32,
    left: u32,
    total: u32,
}

impl<P: Packet> Rounds for Sum<'_, P> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        let part = if self.left < CHUNK { self.left } else { CHUNK };
        if part == 0 {
            return true;
        }
        self.total += u32::from(checksum::fold(self.packet.sum(self.offset, part)));
        self.offset += part;
        self.left -= part;
        false
    }
}
