//! NAT and FULLNAT, both directions: new addresses and ports, by deltas alone.

use xvs_wire::{checksum, ethernet, ipv4, ipv6, tcp, udp};

use crate::{
    Packet,
    abi::{Tuple, index, join},
    memory::{load8, load16, opaque_number, store8, store16, store32, store64},
    next_hop::Hop,
    rewrite::{address, direct},
    table::Family,
};

/// Where a packet's L4 header is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Bytes between the begin of the IP header and the L4 header, at most 508.
    pub(crate) l4: u32,
    /// Whether it is TCP, else UDP.
    pub(crate) is_tcp: bool,
    /// Whether there is one: later fragments have none.
    pub(crate) is_there: bool,
    /// Known where the code is written to be there, right behind an IP header alone.
    pub(crate) is_plain: bool,
    /// Whether the packet leaves this host or came to it from another: then it grows one hop older.
    pub(crate) ages: bool,
}

impl Place {
    /// Right behind an IP header without options or extensions.
    #[inline(always)]
    pub(crate) const fn plain<F: Family>(is_tcp: bool) -> Self {
        Self {
            l4: if F::V6 { 40 } else { 20 },
            is_tcp,
            is_there: true,
            is_plain: true,
            ages: true,
        }
    }

    /// Where the L4 header is when the IP header is at `ip`.
    #[inline(always)]
    fn l4<F: Family>(self, ip: usize) -> usize {
        if self.is_plain {
            ip + F::IP_HEADER
        } else {
            ip + index(opaque_number(self.l4) & 0x1fc)
        }
    }

    /// Bytes between the begin of the L4 header and its checksum.
    #[inline(always)]
    const fn checksum(self) -> usize {
        if self.is_tcp {
            tcp::CHECKSUM
        } else {
            udp::CHECKSUM
        }
    }
}

/// Rewrites a packet by a recipe: addresses, ports, checksums, time to live, frame.
///
/// `deltas` are those of the addresses and of addresses and ports.
#[inline(always)]
pub(crate) fn translate<F: Family, P: Packet>(
    packet: &mut P,
    recipe: &Tuple,
    deltas: (u16, u16),
    place: Place,
    hop: &Hop,
) -> bool {
    let is_tcp = place.is_tcp;
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    // Apart from the L4 header, whose distance is any number to the verifier.
    if !place.is_plain && ip + F::IP_HEADER > end {
        return false;
    }
    let l4 = place.l4::<F>(ip);
    if !place.is_there {
        // SAFETY: the IP header was compared with the end: only plain places always have L4 headers.
        unsafe { readdress::<F>(start, ip, recipe, deltas.0, place.ages, hop) };
        return true;
    }
    // Compared once for both and once more for TCP, where its checksum is read: the verifier does not
    // know that the protocol is the same at both places.
    if l4 + udp::HEADER > end || (is_tcp && l4 + tcp::HEADER > end) {
        return false;
    }
    // SAFETY: the headers that are written were compared with the end.
    unsafe {
        readdress::<F>(start, ip, recipe, deltas.0, place.ages, hop);
        store32(l4, recipe.ports);
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
        let field = l4 + place.checksum();
        if field + 2 > end {
            return false;
        }
        let sum = load16(field);
        sum == 0 && !is_tcp || mend::<F, P>(packet, place, sum, deltas)
    }
}

/// Mends the L4 checksum, which was `sum`, of a packet whose checksum may be left to the device.
///
/// Only the kernel knows, and each question costs a quarter of the fast path: what it made of the
/// addresses' delta tells whether the checksum covers the ports, and those are then done here.
#[inline(always)]
fn mend<F: Family, P: Packet>(
    packet: &mut P,
    place: Place,
    sum: u16,
    (addresses, all): (u16, u16),
) -> bool {
    let offset = 14 + place.l4 + if place.is_tcp { 16 } else { 6 };
    let ports = checksum::fold(u32::from(all) + u32::from(!addresses));
    if is_nothing(addresses) {
        packet.adjust_l4(offset, ports, false, !place.is_tcp);
        return true;
    }
    packet.adjust_l4(offset, addresses, true, !place.is_tcp);
    if is_nothing(ports) {
        return true;
    }
    let (start, end) = packet.bounds();
    let field = place.l4::<F>(start + ethernet::HEADER) + place.checksum();
    if field + 2 > end {
        return false;
    }
    // SAFETY: the field was compared with the end.
    unsafe {
        let now = load16(field);
        let whole = checksum::update(sum, u32::from(addresses));
        // One left to the device went the other way: up where this one went down.
        if is_nothing(checksum::fold(u32::from(now) + u32::from(!whole))) {
            let sum = checksum::update(now, u32::from(ports));
            store16(
                field,
                if sum == 0 && !place.is_tcp {
                    0xffff
                } else {
                    sum
                },
            );
        }
    }
    true
}

/// Whether a delta changes no sum: both zeros of one's complement.
#[inline(always)]
const fn is_nothing(delta: u16) -> bool {
    delta == 0 || delta == 0xffff
}

/// Rewrites IP header and frame.
///
/// # Safety
/// An Ethernet header at `start` and the IP header at `ip` must be writable.
#[inline(always)]
unsafe fn readdress<F: Family>(
    start: usize,
    ip: usize,
    recipe: &Tuple,
    delta: u16,
    ages: bool,
    hop: &Hop,
) {
    // SAFETY: the caller vouches for both headers.
    unsafe {
        if F::V6 {
            if ages {
                direct::decrement::<F>(ip);
            }
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
            let mut delta = u32::from(delta);
            if ages {
                let ttl = load8(ip + ipv4::TTL);
                store8(ip + ipv4::TTL, ttl.wrapping_sub(1));
                delta += direct::TTL_DELTA;
            }
            let sum = load16(ip + ipv4::CHECKSUM);
            store16(ip + ipv4::CHECKSUM, checksum::update(sum, delta));
            store64(
                ip + ipv4::SOURCE,
                join(recipe.source[0], recipe.destination[0]),
            );
        }
        address(start, hop);
    }
}
