//! The reply to PASV: the server's address in it becomes the VIP.

use xvs_wire::{checksum, ethernet, ipv4, tcp};

use super::{ETHERNET, sequence};
use crate::{
    Env, Flow, Packet, Rounds,
    abi::{ANSWER, Text, index, low8, low16, wide},
    memory::{load16, load32, opaque, opaque_number, store16},
    sum,
    table::Family,
};

/// Writes the VIP in place of the server's address in a reply that was read; `false` where the packet
/// could not be changed. Other replies stay as they are. `entry` is that of replies.
///
/// # Safety
/// `entry` must be a valid map value.
#[inline(always)]
pub(super) unsafe fn rewrite<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &mut Flow,
    entry: *const F::Entry,
) -> bool {
    let room = env.text();
    if room.is_null() {
        return true;
    }
    let room = opaque(room);
    // SAFETY: the room is this CPU's alone while the program runs.
    let (passive, (from, to), port) = unsafe {
        let line = &(*room).line;
        (line.is_passive(), line.span(), line.announced())
    };
    if !passive {
        return true;
    }
    // SAFETY: the caller vouches for the entry; the room is as above.
    let length = unsafe {
        let vip = u32::from_be(F::recipe(entry).source[0]);
        compose(env, room, vip, port)
    };
    let payload = ETHERNET + flow.l4 + flow.l4_header;
    let all = ETHERNET + flow.length;
    // What a line is read of ends before the packet does.
    let rest = all.wrapping_sub(payload + to);
    let growth = length.wrapping_sub(to.wrapping_sub(from));
    let Some(number) = sequence_of(packet, flow) else {
        return false;
    };
    // A sum begins at an even place.
    let begin = payload + (from & !1);
    let old = sum::over(packet, env, begin, all - begin);
    // SAFETY: the room is as above.
    let written = packet.save(payload + to, rest)
        && packet.resize(all.wrapping_add(growth))
        && unsafe { packet.write(payload + from, &raw const (*room).answer, length) }
        && packet.restore(payload + from + length, 0, rest);
    if !written {
        return false;
    }
    let all = all.wrapping_add(growth);
    let new = sum::over(packet, env, begin, all - begin);
    let changed = u32::from(!checksum::fold(old)) + u32::from(checksum::fold(new));
    let before = low16(flow.length - flow.l4);
    flow.length = flow.length.wrapping_add(growth);
    let after = low16(flow.length - flow.l4);
    packet.pull(ETHERNET + flow.l4 + 20);
    if !lengthen(packet, flow) {
        return false;
    }
    let field = ETHERNET + flow.l4 + 16;
    let length = checksum::delta32(u32::from(before.to_be()), u32::from(after.to_be()));
    packet.adjust_l4(field, checksum::fold(length), true, false);
    packet.adjust_l4(field, checksum::fold(changed), false, false);
    sequence::grow(env, number, growth);
    true
}

/// The segment's sequence number.
#[inline(always)]
fn sequence_of<P: Packet>(packet: &mut P, flow: &Flow) -> Option<u32> {
    packet.pull(ETHERNET + flow.l4 + 20);
    let (start, end) = packet.bounds();
    let l4 = start + ethernet::HEADER + index(opaque_number(flow.l4) & 0x1fc);
    if l4 + tcp::HEADER > end {
        return None;
    }
    // SAFETY: the header was compared with the end.
    Some(u32::from_be(unsafe { load32(l4 + tcp::SEQUENCE) }))
}

/// Writes the packet's length into its IPv4 header.
#[inline(always)]
fn lengthen<P: Packet>(packet: &P, flow: &Flow) -> bool {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + ipv4::HEADER > end {
        return false;
    }
    // SAFETY: the header was compared with the end.
    unsafe {
        let old = load16(ip + ipv4::TOTAL_LENGTH);
        let new = low16(flow.length).to_be();
        store16(ip + ipv4::TOTAL_LENGTH, new);
        let sum = load16(ip + ipv4::CHECKSUM);
        let delta = checksum::delta32(u32::from(old), u32::from(new));
        store16(ip + ipv4::CHECKSUM, checksum::update(sum, delta));
    }
    true
}

/// Composes the six numbers of an address and a port in the room; answers how long they are.
///
/// # Safety
/// `room` must be the environment's.
#[inline(always)]
unsafe fn compose<E: Env>(env: &E, room: *mut Text, address: u32, port: u32) -> u32 {
    let mut numbers = Numbers {
        room,
        left: wide(address) << 16 | wide(port & 0xffff),
        number: 0,
        length: 0,
    };
    env.repeat(6, &mut numbers);
    numbers.length
}

/// Six numbers with commas between, one a round.
struct Numbers {
    /// The environment's.
    room: *mut Text,
    /// Those that are left, in bits 47 to 0.
    left: u64,
    number: u32,
    length: u32,
}

impl Numbers {
    #[inline(always)]
    fn push(&mut self, byte: u8) {
        // SAFETY: the room is this CPU's alone while the program runs.
        let room = unsafe { &mut *self.room };
        room.answer[index(opaque_number(self.length) & (ANSWER - 1))] = byte;
        self.length += 1;
    }
}

impl Rounds for Numbers {
    #[inline(always)]
    fn round(&mut self) -> bool {
        if self.number != 0 {
            self.push(b',');
        }
        let number = low8(self.left >> 40 & 0xff);
        if number >= 100 {
            self.push(b'0' + number / 100);
        }
        if number >= 10 {
            self.push(b'0' + number / 10 % 10);
        }
        self.push(b'0' + number % 10);
        self.left <<= 8;
        self.number += 1;
        false
    }
}
