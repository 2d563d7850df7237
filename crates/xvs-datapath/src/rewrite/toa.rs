//! The client's address and port in a TCP option of the SYN (TOA), with the MSS lowered to match.
//!
//! The option goes to the end of the header, which for a SYN is the end of the packet: nothing has
//! to move, and the checksum of what is there stays. Receivers read options in any order, but stop
//! at an end-of-list option: one that stands there as padding becomes a no-operation.

use xvs_wire::{checksum, ethernet, ipv4, ipv6, tcp};

use crate::{
    Env, Flow, Packet, Rounds,
    memory::{load8, load16, load32, store8, store16, store32, store64},
    table::Family,
};

/// Adds the option. `false` when there is no room: the packet is as it was.
#[inline(always)]
pub(crate) fn add<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E, flow: &Flow) -> bool {
    let option = if F::V6 {
        u32::from(tcp::TOA_V6_LENGTH)
    } else {
        u32::from(tcp::TOA_V4_LENGTH)
    };
    let ip_header: u32 = if F::V6 { 40 } else { 20 };
    let header = flow.l4_header;
    // A SYN with data would need it moved; a header has sixty bytes at the most.
    if header < 20 || header + option > 60 || flow.length != ip_header + header {
        return false;
    }
    if flow.l4 != ip_header
        || flow.fragment != 0
        || packet.segment_payload() != 0
        || !packet.resize(14 + ip_header + header + option)
    {
        return false;
    }
    packet.pull(14 + ip_header + header + option);
    let mut changed = write_option::<F, P>(packet, flow, ip_header + header);
    changed += patch_options::<F, P, E>(packet, env, header, option);
    changed += lengthen::<F, P>(packet, option);
    let Some(changed) = core::num::NonZeroU32::new(changed) else {
        return false;
    };
    // The length is part of the pseudo-header; everything else is TCP's own.
    let length = checksum::delta32(
        u32::from(low(header).to_be()),
        u32::from(low(header + option).to_be()),
    );
    let offset = 14 + ip_header + 16;
    if P::DIRECT {
        let (start, end) = packet.bounds();
        let field = start + ethernet::HEADER + F::IP_HEADER + tcp::CHECKSUM;
        if field + 2 > end {
            return false;
        }
        // SAFETY: the field was compared with the end.
        unsafe {
            let sum = load16(field);
            store16(
                field,
                checksum::update(sum, u32::from(checksum::fold(changed.get() + length))),
            );
        }
    } else {
        packet.adjust_l4(offset, checksum::fold(length), true, false);
        packet.adjust_l4(offset, checksum::fold(changed.get()), false, false);
    }
    true
}

#[inline(always)]
const fn low(value: u32) -> u16 {
    crate::abi::low16(value)
}

/// Writes the option at `offset` behind the Ethernet header; the delta of what was written.
#[inline(always)]
fn write_option<F: Family, P: Packet>(packet: &P, flow: &Flow, offset: u32) -> u32 {
    let (start, end) = packet.bounds();
    // At most 14 + 40 + 60, a multiple of 4 behind the Ethernet header: the mask tells the verifier.
    let at = start + ethernet::HEADER + crate::abi::index(offset & 0x7c);
    let port = flow.tuple.source_port();
    let source = &flow.tuple.source;
    let kind = if F::V6 {
        tcp::OPTION_TOA_V6
    } else {
        tcp::OPTION_TOA_V4
    };
    let length = if F::V6 {
        tcp::TOA_V6_LENGTH
    } else {
        tcp::TOA_V4_LENGTH
    };
    let head = u32::from_ne_bytes([kind, length, 0, 0]) | u32::from(port) << 16;
    let size = if F::V6 { 20 } else { 8 };
    if at + size > end {
        return 0;
    }
    // SAFETY: the option's bytes were compared with the end.
    unsafe {
        store32(at, head);
        store32(at + 4, source[0]);
        if F::V6 {
            store32(at + 8, source[1]);
            store64(at + 12, crate::abi::join(source[2], source[3]));
        }
    }
    let mut sum = checksum::sum32(head) + checksum::sum32(source[0]);
    if F::V6 {
        sum += checksum::sum32(source[1]) + checksum::sum32(source[2]) + checksum::sum32(source[3]);
    }
    sum
}

/// Lowers the MSS and turns padding into no-operations; the delta of the changes.
#[inline(always)]
fn patch_options<F: Family, P: Packet, E: Env>(
    packet: &P,
    env: &E,
    header: u32,
    option: u32,
) -> u32 {
    let mut options = Options::<F, P> {
        packet,
        header,
        option,
        at: 0,
        changed: 0,
        padding: 0,
        family: core::marker::PhantomData,
    };
    env.repeat(40, &mut options);
    options.changed
}

/// A walk over the options that were there before.
struct Options<'a, F, P> {
    packet: &'a P,
    header: u32,
    option: u32,
    at: u32,
    changed: u32,
    padding: u32,
    family: core::marker::PhantomData<F>,
}

impl<F: Family, P: Packet> Rounds for Options<'_, F, P> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        let at = self.at & 63;
        if at + 20 >= self.header {
            return true;
        }
        let (start, end) = self.packet.bounds();
        let options = start + ethernet::HEADER + F::IP_HEADER + tcp::HEADER;
        let here = options + crate::abi::index(at);
        if here + 4 > end {
            return true;
        }
        // SAFETY: four bytes were compared with the end; the option added behind makes room for
        // reading past the last old one.
        let word = unsafe { load32(here) };
        let [kind, length, high, low_byte] = word.to_ne_bytes();
        if self.padding != 0 || kind == tcp::OPTION_END {
            self.padding = 1;
            // SAFETY: as above.
            unsafe { store8(here, tcp::OPTION_NOP) };
            self.changed += byte_delta(at, kind, tcp::OPTION_NOP);
            self.at = at + 1;
            return false;
        }
        if kind == tcp::OPTION_NOP {
            self.at = at + 1;
            return false;
        }
        if length < 2 {
            return true;
        }
        if kind == tcp::OPTION_MSS && length == 4 {
            let old = u16::from_be_bytes([high, low_byte]);
            let new = old.saturating_sub(low(self.option));
            let [new_high, new_low] = new.to_be_bytes();
            // SAFETY: as above.
            unsafe { store16(here + 2, new.to_be()) };
            self.changed += byte_delta(at, high, new_high) + byte_delta(at + 1, low_byte, new_low);
        }
        self.at = at + u32::from(length);
        self.at > 40
    }
}

/// The delta of one byte at an even or odd place.
#[inline(always)]
pub(crate) fn byte_delta(place: u32, old: u8, new: u8) -> u32 {
    let (old, new) = if place & 1 == 0 {
        (u16::from_ne_bytes([old, 0]), u16::from_ne_bytes([new, 0]))
    } else {
        (u16::from_ne_bytes([0, old]), u16::from_ne_bytes([0, new]))
    };
    u32::from(!old) + u32::from(new)
}

/// Lengthens the TCP header and the IP packet; the delta of the TCP part.
#[inline(always)]
fn lengthen<F: Family, P: Packet>(packet: &P, option: u32) -> u32 {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    let l4 = ip + F::IP_HEADER;
    if l4 + tcp::HEADER > end {
        return 0;
    }
    // SAFETY: the headers were compared with the end.
    unsafe {
        if F::V6 {
            let old = u16::from_be(load16(ip + ipv6::PAYLOAD_LENGTH));
            store16(
                ip + ipv6::PAYLOAD_LENGTH,
                old.wrapping_add(low(option)).to_be(),
            );
        } else {
            let old = load16(ip + ipv4::TOTAL_LENGTH);
            let new = u16::from_be(old).wrapping_add(low(option)).to_be();
            store16(ip + ipv4::TOTAL_LENGTH, new);
            let sum = load16(ip + ipv4::CHECKSUM);
            store16(
                ip + ipv4::CHECKSUM,
                checksum::update(sum, checksum::delta32(u32::from(old), u32::from(new))),
            );
        }
        let old = load8(l4 + tcp::DATA_OFFSET);
        let new = old.wrapping_add(crate::abi::low8(u64::from(option >> 2)) << 4);
        store8(l4 + tcp::DATA_OFFSET, new);
        byte_delta(12, old, new)
    }
}
