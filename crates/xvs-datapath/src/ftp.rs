//! FTP by NAT: the control connection announces data connections, whose packets must find the same real
//! server (kernel `ip_vs_ftp.c`).
//!
//! Packets of a control connection, one to port 21, come by here on their way to
//! [`carry`](crate::carry); its entries have a bit that keeps them off the fast path. What client or
//! server announce becomes a connection in the state LISTEN (`expect`). A server that names its own
//! address has it replaced by the VIP (`passive`), and from then on the sequence numbers of the two
//! ends differ (`sequence`).

pub(crate) mod expect;
pub(crate) mod line;
mod passive;
mod sequence;

use xvs_wire::ipv4;

pub use line::Line;

use crate::{
    Env, Flow, Packet, Verdict,
    abi::{Counter, Tag, Text},
    memory::{opaque, read_shared},
    state::tcp,
    table::{self, Family},
    text::{self, Reader},
    unusual,
};

/// Where FTP listens.
pub(crate) const PORT: u16 = 21;
/// Where data comes from that a server sends of its own accord.
pub(crate) const DATA_PORT: u16 = 20;

/// Bytes of a segment in which an announcement must end.
const LINE: u32 = 512;
/// Bytes of the Ethernet header.
const ETHERNET: u32 = 14;

/// Whether packets to a port (as in a packet) are of control connections.
#[inline(always)]
pub(crate) const fn is_control(protocol: u8, port: u16) -> bool {
    protocol == ipv4::PROTOCOL_TCP && port == PORT.to_be()
}

/// Hears what a packet of a control connection says, and has it carried on.
#[inline(always)]
pub fn run<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    // SAFETY: nothing else took it.
    let Some(flow) = (unsafe { Flow::of(env) }) else {
        return Verdict::PASS;
    };
    flow.heard = 1;
    let is_headed = flow.fragment == unusual::WHOLE || flow.fragment == unusual::FIRST;
    if !is_headed || flow.protocol != ipv4::PROTOCOL_TCP || flow.l4_header < 20 {
        return Verdict::CARRY;
    }
    let place = if flow.opened == 0 {
        table::find_flow::<F, E>(env, flow)
    } else {
        i64::from(flow.opened.wrapping_sub(1))
    };
    let entry = table::entry_at::<F, E>(env, place);
    if entry.is_null() {
        return Verdict::CARRY;
    }
    // SAFETY: `entry` is a valid map value.
    unsafe { hear::<F, P, E>(packet, env, flow, opaque(entry), place) }
}

/// # Safety
/// `entry` must be a valid map value.
#[inline(always)]
unsafe fn hear<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &mut Flow,
    entry: *mut F::Entry,
    place: i64,
) -> Verdict {
    // SAFETY: the caller vouches for the entry.
    let tag = Tag(unsafe { read_shared(F::fields(entry).tag) });
    // SAFETY: as above.
    if !F::V6 && !unsafe { sequence::name::<F, E>(env, flow, entry, tag) } {
        return Verdict::CARRY;
    }
    let payload = flow.l4 + flow.l4_header;
    // No FTP sends a line in fragments.
    let is_whole = flow.fragment == unusual::WHOLE;
    let says = is_whole && tag.state() == tcp::ESTABLISHED && flow.length > payload;
    if says && listen::<F, P, E>(packet, env, flow, tag) {
        // SAFETY: as above.
        if !unsafe { expect::announced::<F, E>(env, flow, entry, tag, place) } {
            return Verdict::DROP;
        }
        if !F::V6 && tag.reverse() {
            // SAFETY: as above.
            let done = unsafe { passive::rewrite::<F, P, E>(packet, env, flow, entry) };
            if !done {
                env.count(Counter::DropFtp);
                return Verdict::DROP;
            }
        }
    }
    if !F::V6 {
        sequence::adjust(packet, env, flow, tag);
    }
    Verdict::CARRY
}

/// Reads the begin of the segment; `true` where it announces a data connection.
#[inline(always)]
fn listen<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E, flow: &Flow, tag: Tag) -> bool {
    let room = env.text();
    if room.is_null() {
        return false;
    }
    let room = opaque(room);
    // SAFETY: the room is this CPU's alone while the program runs.
    unsafe { (*room).line.begin(tag.reverse(), F::V6) };
    let payload = flow.l4 + flow.l4_header;
    let length = flow.length.wrapping_sub(payload);
    if !text::read::<Line, P, E>(packet, env, ETHERNET + payload, length, LINE) {
        return false;
    }
    // SAFETY: as above.
    let (found, unsound) = unsafe { ((*room).line.is_found(), (*room).line.is_unsound()) };
    if unsound {
        env.count(Counter::FtpUnsound);
    }
    found
}

impl Reader for Line {
    #[inline(always)]
    fn look(room: &mut Text, byte: u8, at: u32, _secret: u64) -> bool {
        room.line.step(byte, at)
    }
}
