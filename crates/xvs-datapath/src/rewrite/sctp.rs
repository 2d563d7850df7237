//! Other ports of SCTP: its checksum is a CRC32c over the whole packet, addresses apart.

use xvs_wire::{ethernet, sctp};

use crate::{
    Env, Flow, Packet,
    abi::index,
    memory::{load32, opaque_number, store32},
    unusual,
};

/// Gives a packet other ports, and the checksum the same right or wrong as before; `false` where that
/// takes bytes of other fragments.
#[inline(always)]
pub(crate) fn renumber<P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
    ports: u32,
) -> bool {
    let change = flow.tuple.ports ^ ports;
    if change == 0 || flow.fragment == unusual::LATER {
        return true;
    }
    // How much follows the ports is not known of a first fragment.
    if flow.fragment == unusual::FIRST {
        return false;
    }
    let (start, end) = packet.bounds();
    let l4 = start + ethernet::HEADER + index(opaque_number(flow.l4) & 0x1fc);
    if l4 + index(sctp::HEADER) > end {
        return false;
    }
    // SAFETY: the common header was compared with the end.
    unsafe {
        store32(l4, ports);
        let sum = load32(l4 + sctp::CHECKSUM);
        // Zero is what is left to the device; as a checksum it comes once in four billion packets.
        if sum != 0 {
            let length = flow.length.wrapping_sub(flow.l4);
            let sum = sum ^ env.crc32c_call(change, length);
            store32(l4 + sctp::CHECKSUM, sum);
        }
    }
    true
}
