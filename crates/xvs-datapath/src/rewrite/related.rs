//! ICMP errors about packets of NAT and FULLNAT: the packet that the error quotes gets back the
//! addresses and ports that its receiver knows, and the error those of that connection's packets.

use xvs_wire::{checksum, ethernet, icmp, ipv4};

use crate::{
    Packet,
    abi::{Address, Tuple, index},
    memory::{load16, load32, opaque_number, store16, store32},
    next_hop::Hop,
    rewrite::{address, direct},
    table::Family,
};

/// Rewrites an error for whoever gets the connection's packets by `recipe`. The quoted packet went the
/// other way. Its IP header has `quoted` bytes; of its L4 header only the ports are known to be there,
/// so that its checksum stays (as in the kernel, `ip_vs_nat_icmp`).
///
/// With `keep_source` the error goes on in the name of the router that sent it.
#[inline(always)]
pub(crate) fn relate<F: Family, P: Packet>(
    packet: &mut P,
    recipe: &Tuple,
    keep_source: bool,
    quoted: u32,
    hop: &Hop,
) -> bool {
    let header_sum = if F::V6 {
        0
    } else {
        packet.sum(14 + 20 + 8, quoted)
    };
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    let error = ip + F::IP_HEADER;
    let inner = error + icmp::HEADER;
    if inner + F::IP_HEADER > end {
        return false;
    }
    // Of one comparison made of both the verifier learns too little.
    let ports = inner + index(opaque_number(quoted) & 0x7c);
    if ports + 4 > end {
        return false;
    }
    // SAFETY: the outer IP header, the error's, the quoted IP header and the four bytes behind it were
    // compared with the end.
    unsafe {
        let mut outer = replace::<F>(ip + F::DESTINATION, &recipe.destination);
        if !keep_source {
            outer += replace::<F>(ip + F::SOURCE, &recipe.source);
        }
        let addresses = replace::<F>(inner + F::SOURCE, &recipe.destination)
            + replace::<F>(inner + F::DESTINATION, &recipe.source);
        let swapped = recipe.ports.rotate_left(16);
        let mut changed = addresses + checksum::delta32(load32(ports), swapped);
        store32(ports, swapped);
        if F::V6 {
            // The outer addresses are in the pseudo-header (RFC 4443 section 2.3).
            changed += outer;
        } else {
            let sum = load16(ip + ipv4::CHECKSUM);
            store16(ip + ipv4::CHECKSUM, checksum::update(sum, outer));
            // From scratch, so that a wrong one leaves right, as from the kernel.
            let old = load16(inner + ipv4::CHECKSUM);
            let new = !checksum::fold(header_sum + u32::from(!old) + addresses);
            store16(inner + ipv4::CHECKSUM, new);
            changed += checksum::delta32(u32::from(old), u32::from(new));
        }
        let sum = load16(error + icmp::CHECKSUM);
        store16(error + icmp::CHECKSUM, checksum::update(sum, changed));
        if !hop.is_here() {
            direct::decrement::<F>(ip);
        }
        address(start, hop);
    }
    true
}

/// Replaces the address at `at`; the delta.
///
/// # Safety
/// An address of the family must be readable and writable there.
#[inline(always)]
unsafe fn replace<F: Family>(at: usize, new: &Address) -> u32 {
    // SAFETY: the caller vouches for the address.
    unsafe {
        let mut delta = checksum::delta32(load32(at), new[0]);
        store32(at, new[0]);
        if F::V6 {
            delta += checksum::delta32(load32(at + 4), new[1])
                + checksum::delta32(load32(at + 8), new[2])
                + checksum::delta32(load32(at + 12), new[3]);
            store32(at + 4, new[1]);
            store32(at + 8, new[2]);
            store32(at + 12, new[3]);
        }
        delta
    }
}
