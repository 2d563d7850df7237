//! Sequence numbers of a control connection whose server's address was replaced (kernel
//! `nf_conntrack_seqadj.c`).

use xvs_wire::{checksum, ethernet, tcp};

use super::ETHERNET;
use crate::{
    Env, Flow, Packet, Rounds,
    abi::{Sequence, Tag, Tuple, index},
    memory::{load8, load32, opaque, opaque_number, store8, store32},
    rewrite::toa::byte_delta,
    table::Family,
};

/// Bytes of the longest TCP header.
const LONGEST: u32 = 60;

/// Writes the key of the connection's deltas into the scratch. The first packet of a connection forgets
/// those of the one before.
///
/// # Safety
/// `entry` must be a valid map value.
#[inline(always)]
pub(super) unsafe fn name<F: Family, E: Env>(
    env: &E,
    flow: &Flow,
    entry: *mut F::Entry,
    tag: Tag,
) -> bool {
    let scratch = env.scratch();
    if scratch.is_null() {
        return false;
    }
    let mut tuple = flow.tuple;
    if !tag.reverse() {
        // SAFETY: the caller vouches for the entry.
        unsafe { F::answer_tuple(entry, &mut tuple) };
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let key = unsafe { &mut (*opaque(scratch)).sequence };
    let Tuple {
        source,
        destination,
        ports,
    } = tuple;
    key.source = source;
    key.destination = destination;
    key.ports = ports;
    key.identity = 0;
    if flow.flags & (tcp::SYN | tcp::ACK) == tcp::SYN {
        env.sequence_remove(key);
    }
    true
}

/// The deltas of the connection that [`name`] named; null for none.
#[inline(always)]
pub(super) fn of<E: Env>(env: &E) -> *mut Sequence {
    let scratch = env.scratch();
    if scratch.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    env.sequence(unsafe { &(*opaque(scratch)).sequence })
}

/// Notes that the server's segment at `sequence` grew by `growth` bytes.
#[inline(always)]
pub(super) fn grow<E: Env>(env: &E, sequence: u32, growth: u32) {
    let known = of(env);
    if !known.is_null() {
        // SAFETY: the deltas are a valid map value. One CPU writes them: a server sends one segment
        // after the other.
        unsafe { (*opaque(known)).grow(sequence, growth) };
        return;
    }
    let scratch = env.scratch();
    if growth == 0 || scratch.is_null() {
        return;
    }
    let mut first = Sequence::default();
    first.grow(sequence, growth);
    // SAFETY: the scratch is this CPU's alone while the program runs.
    env.sequence_insert(unsafe { &(*opaque(scratch)).sequence }, &first);
}

/// Makes the packet's numbers those that its receiver counts.
#[inline(always)]
pub(super) fn adjust<P: Packet, E: Env>(packet: &mut P, env: &E, flow: &Flow, tag: Tag) {
    let known = of(env);
    if known.is_null() {
        return;
    }
    // SAFETY: the deltas are a valid map value.
    let sequence = unsafe { *opaque(known) };
    packet.pull(ETHERNET + flow.l4 + LONGEST);
    let (start, end) = packet.bounds();
    let l4 = start + ethernet::HEADER + index(opaque_number(flow.l4) & 0x1fc);
    if l4 + tcp::HEADER > end {
        return;
    }
    // SAFETY: the header was compared with the end.
    let mut changed = unsafe {
        if tag.reverse() {
            let old = load32(l4 + tcp::SEQUENCE);
            let new = sequence.to_client(u32::from_be(old)).to_be();
            store32(l4 + tcp::SEQUENCE, new);
            checksum::delta32(old, new)
        } else if flow.flags & tcp::ACK != 0 {
            let old = load32(l4 + tcp::ACKNOWLEDGEMENT);
            let new = sequence.to_server(u32::from_be(old)).to_be();
            store32(l4 + tcp::ACKNOWLEDGEMENT, new);
            checksum::delta32(old, new)
        } else {
            0
        }
    };
    if !tag.reverse() && flow.l4_header > 20 {
        changed += forget_selective(packet, env, flow);
    }
    let field = ETHERNET + flow.l4 + 16;
    packet.adjust_l4(field, checksum::fold(changed), false, false);
}

/// Makes selective acknowledgements, which are but advice (RFC 2018 section 8), no-operations; the delta.
#[inline(always)]
fn forget_selective<P: Packet, E: Env>(packet: &P, env: &E, flow: &Flow) -> u32 {
    let mut options = Options {
        packet,
        l4: flow.l4,
        header: flow.l4_header,
        at: 20,
        left: 0,
        changed: 0,
    };
    env.repeat(LONGEST, &mut options);
    options.changed
}

/// A walk over the options, byte by byte through selective acknowledgements.
struct Options<'a, P> {
    packet: &'a P,
    l4: u32,
    header: u32,
    at: u32,
    /// Bytes that are left of selective acknowledgements.
    left: u32,
    changed: u32,
}

impl<P: Packet> Rounds for Options<'_, P> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        let at = opaque_number(self.at) & 63;
        if at >= self.header {
            return true;
        }
        let (start, end) = self.packet.bounds();
        let l4 = start + ethernet::HEADER + index(opaque_number(self.l4) & 0x1fc);
        let here = l4 + index(at);
        if here + 1 > end {
            return true;
        }
        // SAFETY: a byte was compared with the end.
        let kind = unsafe { load8(here) };
        if self.left == 0 {
            if kind == tcp::OPTION_END {
                return true;
            }
            if kind == tcp::OPTION_NOP {
                self.at = at + 1;
                return false;
            }
            if here + 2 > end {
                return true;
            }
            // SAFETY: as above.
            let length = u32::from(unsafe { load8(here + 1) });
            if length < 2 || at + length > self.header {
                return true;
            }
            if kind != tcp::OPTION_SACK {
                self.at = at + length;
                return false;
            }
            self.left = length;
        }
        // SAFETY: as above.
        unsafe { store8(here, tcp::OPTION_NOP) };
        self.changed += byte_delta(at, kind, tcp::OPTION_NOP);
        self.left -= 1;
        self.at = at + 1;
        false
    }
}
