//! NAT and FULLNAT, both directions: new addresses and ports, by deltas alone.

use xvs_wire::{checksum, ethernet, ipv4, ipv6, tcp, udp};

use crate::{
    Packet,
    abi::{Tuple, join},
    memory::{load8, load16, store8, store16, store32, store64},
    next_hop::Hop,
    rewrite::{address, direct},
    table::Family,
};

/// Rewrites a packet by a recipe: addresses, ports, checksums, time to live, frame.
///
/// `deltas` are those of the addresses and of addresses and ports.
#[inline(always)]
pub(crate) fn translate<F: Family, P: Packet>(
    packet: &mut P,
    recipe: &Tuple,
    deltas: (u16, u16),
    is_tcp: bool,
    hop: &Hop,
) -> bool {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    let l4 = ip + F::IP_HEADER;
    // Compared once for both and once more for TCP, where its checksum is read: the verifier does not
    // know that the protocol is the same at both places.
    if l4 + udp::HEADER > end || (is_tcp && l4 + tcp::HEADER > end) {
        return false;
    }
    // SAFETY: the headers that are written were compared with the end.
    unsafe {
        if F::V6 {
            direct::decrement::<F>(ip);
            store64(ip + ipv6::SOURCE, join(recipe.source[0], recipe.source[1]));
            store64(
                ip + ipv6::SOURCE + 8,
                join(recipe.source[2], recipe.source[3]),
            );
            store64(
                ip + ipv6::DESTINATION,
                join(recipe.destination[0], recipe.destination[1]),
            );
            store64(
                ip + ipv6::DESTINATION + 8,
                join(recipe.destination[2], recipe.destination[3]),
            );
        } else {
            let ttl = load8(ip + ipv4::TTL);
            store8(ip + ipv4::TTL, ttl.wrapping_sub(1));
            let sum = load16(ip + ipv4::CHECKSUM);
            let delta = u32::from(deltas.0) + direct::TTL_DELTA;
            store16(ip + ipv4::CHECKSUM, checksum::update(sum, delta));
            store64(
                ip + ipv4::SOURCE,
                join(recipe.source[0], recipe.destination[0]),
            );
        }
        store32(l4, recipe.ports);
        address(start, hop);
        if P::DIRECT {
            if is_tcp {
                if l4 + tcp::HEADER > end {
                    return false;
                }
                let sum = load16(l4 + tcp::CHECKSUM);
                store16(
                    l4 + tcp::CHECKSUM,
                    checksum::update(sum, u32::from(deltas.1)),
                );
            } else {
                let sum = load16(l4 + udp::CHECKSUM);
                // 0 means that there is none (IPv4 only), and is never the value of one.
                if sum != 0 {
                    let sum = checksum::update(sum, u32::from(deltas.1));
                    store16(l4 + udp::CHECKSUM, if sum == 0 { 0xffff } else { sum });
                }
            }
            return true;
        }
    }
    let offset = if F::V6 { 54 } else { 34 } + if is_tcp { 16 } else { 6 };
    let ports = checksum::fold(u32::from(deltas.1) + u32::from(!deltas.0));
    packet.adjust_l4(offset, deltas.0, ports, !is_tcp);
    true
}
