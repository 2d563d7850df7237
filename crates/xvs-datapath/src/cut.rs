//! Cutting what is larger than its link carries into fragments (RFC 791 section 3.2, kernel
//! `ip_do_fragment`): IPv4 packets that may be fragmented, and outer packets of tunnels.
//!
//! A program has one packet. So what is behind the first fragment is saved, the packet becomes one
//! fragment after the other, of all but the last a copy is sent, and the last one is the packet itself.
//! XDP can send no copies: its companion at tcx does this.

use xvs_wire::{checksum, ethernet, ipv4};

use crate::{
    Env, Flow, Packet, Rounds, Verdict,
    abi::{Counter, RealServer, low16, setting_flag},
    answer,
    memory::{load8, load16, load32, opaque, store16},
    next_hop::{HOP_KNOWN, Hop},
    state,
    table::Family,
    unusual,
};

/// Fragments of one packet at the most.
const PIECES: u32 = 64;
/// Where the payload of an IPv4 packet without options begins in its frame.
const PAYLOAD: u32 = 34;
/// Bytes of an IPv4 header without options.
const HEADER: u32 = 20;

/// What is to be cut, from the stage that forwards to the one that cuts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut {
    /// The link to send by.
    pub link: u32,
    /// Bytes of the largest IP packet that it carries.
    pub mtu: u32,
}

/// Whether a packet too large for `hop` may be cut: in a tunnel of IPv4 (`outer` is not 0) also one that
/// may not be fragmented, with `pmtu_disc` 0.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn is_allowed<F: Family, P: Packet, E: Env>(
    packet: &P,
    env: &E,
    flow: &Flow,
    server: *const RealServer,
    outer: u32,
    hop: &Hop,
) -> bool {
    if F::V6 || hop.code != HOP_KNOWN || packet.segment_payload() != 0 {
        return false;
    }
    if outer == 0 {
        // Options stand in some fragments and not in others; the sender is told instead.
        return flow.l4 == HEADER
            && unusual::may_be_cut(packet)
            && !answer::is_left_to_device::<F, P>(packet, flow);
    }
    // SAFETY: the caller vouches for the server.
    let v4 = unsafe { (*server).family } == 4;
    v4 && (unusual::may_be_cut(packet) || state::is_set(env, setting_flag::NO_PMTU_DISC))
        && !answer::is_left_to_device::<F, P>(packet, flow)
}

/// Has a packet that is ready to be sent cut.
#[inline(always)]
pub(crate) fn ask<E: Env>(env: &E, hop: &Hop) -> Verdict {
    let scratch = env.scratch();
    if scratch.is_null() {
        env.count(Counter::DropInternal);
        return Verdict::DROP;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    unsafe {
        (*opaque(scratch)).cut = Cut {
            link: hop.ifindex,
            mtu: hop.mtu,
        };
    }
    Verdict::CUT
}

/// Cuts a packet, sends all fragments but the last, and makes the packet that one.
#[inline(always)]
pub fn run<P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    packet.pull(PAYLOAD);
    let scratch = env.scratch();
    if scratch.is_null() {
        env.count(Counter::DropInternal);
        return Verdict::DROP;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let cut = unsafe { (*opaque(scratch)).cut };
    let (length, field) = header(packet);
    let most = cut.mtu.wrapping_sub(HEADER) & 0xfff8;
    let payload = length.wrapping_sub(HEADER);
    if length < HEADER || cut.mtu < HEADER + 8 || payload <= most {
        env.count(Counter::DropInternal);
        return Verdict::DROP;
    }
    let mut pieces = Pieces {
        packet,
        link: cut.link,
        most,
        field,
        from: 0,
        left: payload - most,
        outcome: SENDING,
    };
    let ready = pieces.packet.save(PAYLOAD + most, payload - most)
        && pieces.packet.resize(PAYLOAD + most)
        && write(pieces.packet, most, field | ipv4::MORE_FRAGMENTS);
    if ready {
        env.repeat(PIECES, &mut pieces);
    }
    if pieces.outcome != COMPLETE {
        env.count(Counter::DropTooBig);
        return Verdict::DROP;
    }
    env.count(Counter::Cut);
    Verdict::redirect(cut.link)
}

const SENDING: u32 = 0;
const COMPLETE: u32 = 1;
const FAILED: u32 = 2;

/// The fragments behind the first, one a round.
struct Pieces<'a, P> {
    packet: &'a mut P,
    link: u32,
    /// Bytes of payload in every fragment but the last.
    most: u32,
    /// Flags and offset of the packet that is cut, which may be a fragment itself.
    field: u16,
    /// Bytes that were taken of what was saved.
    from: u32,
    /// Bytes that are left of it.
    left: u32,
    outcome: u32,
}

impl<P: Packet> Rounds for Pieces<'_, P> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        let length = if self.left < self.most {
            self.left
        } else {
            self.most
        };
        let last = length == self.left;
        let units = low16((self.most + self.from) >> 3);
        let more = if last { 0 } else { ipv4::MORE_FRAGMENTS };
        let done = self.packet.send_copy(self.link)
            && self.packet.restore(PAYLOAD, self.from, length)
            && self.packet.resize(PAYLOAD + length)
            && write(self.packet, length, self.field.wrapping_add(units) | more);
        self.from += length;
        self.left -= length;
        self.outcome = match (done, last) {
            (false, _) => FAILED,
            (true, true) => COMPLETE,
            (true, false) => SENDING,
        };
        self.outcome != SENDING
    }
}

/// Length, and flags and offset of an IPv4 packet without options; length 0 for another.
#[inline(always)]
fn header<P: Packet>(packet: &P) -> (u32, u16) {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + ipv4::HEADER > end {
        return (0, 0);
    }
    // SAFETY: the IPv4 header was compared with the end.
    unsafe {
        if load8(ip) != ipv4::VERSION_IHL_PLAIN {
            return (0, 0);
        }
        (
            u32::from(u16::from_be(load16(ip + ipv4::TOTAL_LENGTH))),
            u16::from_be(load16(ip + ipv4::FRAGMENT)),
        )
    }
}

/// Writes what differs between the headers of fragments.
#[inline(always)]
fn write<P: Packet>(packet: &mut P, payload: u32, field: u16) -> bool {
    packet.pull(PAYLOAD);
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + ipv4::HEADER > end {
        return false;
    }
    // SAFETY: the IPv4 header was compared with the end.
    unsafe {
        store16(ip + ipv4::TOTAL_LENGTH, low16(HEADER + payload).to_be());
        store16(ip + ipv4::FRAGMENT, field.to_be());
        store16(ip + ipv4::CHECKSUM, 0);
        let sum = checksum::sum32(load32(ip))
            + checksum::sum32(load32(ip + 4))
            + checksum::sum32(load32(ip + 8))
            + checksum::sum32(load32(ip + 12))
            + checksum::sum32(load32(ip + 16));
        store16(ip + ipv4::CHECKSUM, !checksum::fold(sum));
    }
    true
}
