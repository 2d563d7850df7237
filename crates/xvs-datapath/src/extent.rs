//! Where an IP packet ends in its frame, and whether its header is sound (kernel `ip_rcv_core`,
//! `ip6_rcv_core`).
//!
//! Ethernet fills short frames up, and a sender may say less than it sent or more. What is behind the
//! packet is cut off; where bytes of the packet are missing the kernel drops it.

use xvs_wire::{checksum, ethernet};

use crate::{
    Flow, Packet,
    abi::{index, low32},
    memory::{load32, opaque_number},
};

/// Cuts off what is behind the IP packet; `false` where the frame ends before the packet does.
#[inline(always)]
pub(crate) fn trim<P: Packet>(packet: &mut P, flow: &Flow) -> bool {
    // What stands for several packets may be longer than its header can say.
    if packet.segment_payload() != 0 {
        return true;
    }
    let (start, end) = packet.bounds();
    let wanted = flow.length + LINK;
    if P::DIRECT && end - start == index(wanted) {
        return true;
    }
    let all = packet.length();
    if all <= wanted {
        return all == wanted;
    }
    flow.length != 0 && packet.resize(opaque_number(wanted))
}

/// Whether the sum of a plain IPv4 header is right.
///
/// # Safety
/// 20 bytes at `ip` must be readable.
#[inline(always)]
pub(crate) unsafe fn is_sound_v4(ip: usize) -> bool {
    // SAFETY: the caller vouches for the header.
    let sum = unsafe {
        u64::from(load32(ip))
            + u64::from(load32(ip + 4))
            + u64::from(load32(ip + 8))
            + u64::from(load32(ip + 12))
            + u64::from(load32(ip + 16))
    };
    // Five words carry less than three bits.
    let words = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    checksum::fold(low32(words)) == 0xffff
}

/// Bytes of the Ethernet header.
const LINK: u32 = 14;
const _: () = assert!(ethernet::HEADER == 14);
