//! A dataplane in the memory of a process: for tests, simulation and fuzzing.
//!
//! What the kernel gives the programs is here in plain memory: maps ([`Tables`]), a CPU with its
//! clock ([`Cpu`]), packets at XDP ([`Frame`]) and at tcx ([`Buffer`]), a routing table
//! ([`Routes`]). [`run`] chains the stages as the tail calls of `ebpf/` do. A [`World`] says what is
//! in the maps, so that the same cases ([`cases`]) run here and through the loaded programs.
//!
//! Panics are bugs of tests here and say what is wrong.

mod audit;
mod buffer;
mod bytes;
pub mod cases;
mod cpu;
mod datagram;
mod exercise;
mod frame;
mod hash_map;
mod icmp_error;
mod relabel;
mod routes;
mod servers;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod verify;
mod world;

pub use audit::audit;
pub use buffer::{Buffer, Segments};
pub use cpu::Cpu;
pub use datagram::{Datagram, address};
pub use exercise::exercise;
pub use frame::Frame;
pub use hash_map::HashMap;
pub use icmp_error::{IcmpError, icmp_error};
pub use relabel::{relabelled, sctp};
pub use routes::{Route, Routes};
pub use servers::{Server, Service};
pub use tables::{Array, Sizes, Tables};
pub use text::exercise_text;
pub use verify::checksums_are_valid;
pub use world::World;

use crate::{
    Packet, Verdict, answer, brought, carry, cut, fast, fragments, ftp, leave, open, related,
    relay,
    table::{V4, V6},
};

/// Bytes that the entries in `ebpf/` make directly readable.
const PULL: u32 = 74;

/// Decides a packet as the loaded programs do: the fast path, then the stages that verdicts ask for.
pub fn run<P: Packet>(packet: &mut P, cpu: &Cpu) -> Verdict {
    packet.pull(PULL);
    let ipv6 = is_ipv6(packet);
    let mut verdict = fast::run(packet, cpu);
    loop {
        verdict = match (verdict, ipv6) {
            (Verdict::OPEN, false) => open::run::<V4, P, Cpu>(packet, cpu),
            (Verdict::OPEN, true) => open::run::<V6, P, Cpu>(packet, cpu),
            (Verdict::CARRY, false) => carry::run::<V4, P, Cpu>(packet, cpu),
            (Verdict::CARRY, true) => carry::run::<V6, P, Cpu>(packet, cpu),
            (Verdict::RELATED, false) => related::run::<V4, P, Cpu>(packet, cpu),
            (Verdict::RELATED, true) => related::run::<V6, P, Cpu>(packet, cpu),
            (Verdict::RELAY, _) => relay::run(packet, cpu),
            (Verdict::HOLD, _) => fragments::hold(packet, cpu),
            (Verdict::RELEASE, _) if P::RESOLVES => return fragments::release(packet, cpu),
            (Verdict::RELEASE, _) => return Verdict::PASS,
            (Verdict::ANSWER, _) => answer::run(packet, cpu),
            (Verdict::CUT, _) => cut::run(packet, cpu),
            (Verdict::HEAR, _) if !P::RESOLVES => return Verdict::PASS,
            (Verdict::HEAR, false) => ftp::run::<V4, P, Cpu>(packet, cpu),
            (Verdict::HEAR, true) => ftp::run::<V6, P, Cpu>(packet, cpu),
            (Verdict::REPLY, _) if brought::is_brought(packet, cpu) => {
                return brought::reply(packet, cpu);
            }
            (done, _) => return done,
        };
    }
}

/// Decides a packet that the host sends, as the loaded programs do.
pub fn leave<P: Packet>(packet: &mut P, cpu: &Cpu) -> Verdict {
    packet.pull(PULL);
    leave::run(packet, cpu)
}

/// Decides a packet of the loopback link, as the loaded programs do.
pub fn loopback<P: Packet>(packet: &mut P, cpu: &Cpu) -> Verdict {
    match leave(packet, cpu) {
        Verdict::ONWARD => run(packet, cpu),
        decided => decided,
    }
}

fn is_ipv6<P: Packet>(packet: &P) -> bool {
    let (start, end) = packet.bounds();
    // SAFETY: the Ethernet header was compared with the end.
    start + 14 <= end && unsafe { crate::memory::load16(start + 12) } == 0x86dd_u16.to_be()
}
