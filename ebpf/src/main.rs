//! The director's object: the fast path at XDP and tcx, the slow path behind tail calls, and the
//! clock.
//!
//! It owns entries, map declarations and the adapters between them and `xvs-datapath`, which makes
//! every decision.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(
    internal_features,
    reason = "the atomics of the stable core do not build for BPF"
)]

mod calls;
mod env;
mod fib;
mod load;
mod maps;
mod tcx;
mod walk;
mod xdp;

use aya_ebpf::{
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use xvs_datapath::{
    Env, Packet, Verdict, answer, brought, carry, cut, fast, fragments, ftp, leave,
    memory::load16,
    open, related, relay,
    table::{V4, V6},
};

use crate::{env::Maps, tcx::Buffer, xdp::Frame};

/// Bytes that the fast path reads of a frame.
const PULL: u32 = 74;

macro_rules! xdp_program {
    ($(#[$doc:meta])* $name:ident, $run:expr, $family:expr) => {
        $(#[$doc])*
        #[xdp(frags)]
        pub fn $name(context: XdpContext) -> u32 {
            let mut frame = Frame {
                context: context.ctx,
            };
            let verdict = $run(&mut frame, &Maps);
            // What most packets are told comes first.
            if verdict.redirected().is_none()
                && let Some(stage) = stage(verdict, &frame, $family)
            {
                // SAFETY: the array holds programs of this type. Where the call fails, as before the
                // daemon has filled the array, the packet passes.
                unsafe {
                    let _ = maps::STAGES_XDP.tail_call(&context, stage);
                }
            }
            frame.action(verdict)
        }
    };
}

macro_rules! tcx_program {
    ($(#[$doc:meta])* $name:ident, $run:expr, $family:expr) => {
        $(#[$doc])*
        #[classifier]
        pub fn $name(context: TcContext) -> i32 {
            let mut buffer = Buffer {
                context: context.skb.skb,
            };
            buffer.pull(PULL);
            let verdict = $run(&mut buffer, &Maps);
            if verdict.redirected().is_none()
                && let Some(stage) = stage(verdict, &buffer, $family)
            {
                // SAFETY: as at XDP.
                unsafe {
                    let _ = maps::STAGES_TCX.tail_call(&context, stage);
                }
            }
            buffer.action(verdict)
        }
    };
}

xdp_program!(
    /// The fast path at XDP.
    xvs_xdp, fast::run, 0
);
xdp_program!(
    /// Opens connections at XDP, IPv4.
    xvs_xdp_open4, open::run::<V4, _, _>, 4
);
xdp_program!(
    /// Opens connections at XDP, IPv6.
    xvs_xdp_open6, open::run::<V6, _, _>, 6
);
xdp_program!(
    /// Tells senders what cannot go on, at XDP.
    xvs_xdp_answer, answer::run, 0
);
xdp_program!(
    /// Carries known connections at XDP, IPv4.
    xvs_xdp_carry4, carry::run::<V4, _, _>, 4
);
xdp_program!(
    /// Carries known connections at XDP, IPv6.
    xvs_xdp_carry6, carry::run::<V6, _, _>, 6
);
xdp_program!(
    /// Relates ICMP errors to connections at XDP.
    xvs_xdp_related4, related::run::<V4, _, _>, 4
);
xdp_program!(
    /// Relates ICMPv6 errors to connections at XDP.
    xvs_xdp_related6, related::run::<V6, _, _>, 6
);
xdp_program!(
    /// Relays ICMP errors about tunnels at XDP.
    xvs_xdp_relay, relay::run, 4
);
tcx_program!(
    /// The fast path at tcx ingress.
    xvs_tcx, enter, 0
);
tcx_program!(
    /// Opens connections at tcx ingress, IPv4.
    xvs_tcx_open4, open::run::<V4, _, _>, 4
);
tcx_program!(
    /// Opens connections at tcx ingress, IPv6.
    xvs_tcx_open6, open::run::<V6, _, _>, 6
);
tcx_program!(
    /// Tells senders what cannot go on, at tcx ingress.
    xvs_tcx_answer, answer::run, 0
);
tcx_program!(
    /// Carries known connections at tcx ingress, IPv4.
    xvs_tcx_carry4, carry::run::<V4, _, _>, 4
);
tcx_program!(
    /// Carries known connections at tcx ingress, IPv6.
    xvs_tcx_carry6, carry::run::<V6, _, _>, 6
);

tcx_program!(
    /// Relates ICMP errors to connections at tcx ingress.
    xvs_tcx_related4, related::run::<V4, _, _>, 4
);
tcx_program!(
    /// Relates ICMPv6 errors to connections at tcx ingress.
    xvs_tcx_related6, related::run::<V6, _, _>, 6
);
tcx_program!(
    /// Relays ICMP errors about tunnels at tcx ingress.
    xvs_tcx_relay, relay::run, 4
);

tcx_program!(
    /// Reads control connections of FTP at tcx ingress, IPv4.
    xvs_tcx_hear4, ftp::run::<V4, _, _>, 4
);
tcx_program!(
    /// Reads control connections of FTP at tcx ingress, IPv6.
    xvs_tcx_hear6, ftp::run::<V6, _, _>, 6
);
tcx_program!(
    /// Holds fragments before their first, at tcx ingress.
    xvs_tcx_hold, fragments::hold, 0
);
/// Lets held fragments go on, at tcx ingress.
#[classifier]
pub fn xvs_tcx_release(context: TcContext) -> i32 {
    let mut buffer = Buffer {
        context: context.skb.skb,
    };
    let verdict = fragments::release(&mut buffer, &Maps);
    buffer.action(verdict)
}

tcx_program!(
    /// The fast path for what this host sends to itself, at tcx ingress of the loopback link.
    xvs_loopback, enter_loopback, 0
);

/// What this host sends, at tcx egress.
#[classifier]
pub fn xvs_leave(context: TcContext) -> i32 {
    let mut buffer = Buffer {
        context: context.skb.skb,
    };
    if !buffer.is_hosts_own() {
        return buffer.action(Verdict::PASS);
    }
    buffer.pull(PULL);
    let verdict = leave::run(&mut buffer, &Maps);
    buffer.action(verdict)
}

/// The fast path for packets of the loopback link, where both directions of a connection come by.
#[inline(always)]
fn enter_loopback(buffer: &mut Buffer, maps: &Maps) -> Verdict {
    if buffer.is_done() {
        return Verdict::PASS;
    }
    match leave::run(buffer, maps) {
        Verdict::ONWARD => fast::run(buffer, maps),
        decided => decided,
    }
}

/// Sends answers to packets that were brought, at tcx ingress.
#[classifier]
pub fn xvs_tcx_reply(context: TcContext) -> i32 {
    let mut buffer = Buffer {
        context: context.skb.skb,
    };
    buffer.pull(PULL);
    let verdict = brought::reply(&mut buffer, &Maps);
    buffer.action(verdict)
}

/// Cuts packets, at tcx ingress.
#[classifier]
pub fn xvs_tcx_cut(context: TcContext) -> i32 {
    let mut buffer = Buffer {
        context: context.skb.skb,
    };
    let verdict = cut::run(&mut buffer, &Maps);
    buffer.action(verdict)
}

/// The fast path for the packets of tcx's link.
#[inline(always)]
fn enter(buffer: &mut Buffer, maps: &Maps) -> Verdict {
    if buffer.is_links_own() {
        fast::run(buffer, maps)
    } else {
        Verdict::PASS
    }
}

/// Indexes of the programs behind the fast path.
struct Stage;

impl Stage {
    /// Opens IPv4 connections; the next one IPv6.
    const OPEN: u32 = 0;
    /// Carries IPv4 connections; the next one IPv6.
    const CARRY: u32 = 2;
    /// Tells senders of either family what cannot go on.
    const ANSWER: u32 = 4;
    /// Relates ICMP errors; the next one ICMPv6 errors.
    const RELATED: u32 = 5;
    /// Relays ICMP errors about tunnels.
    const RELAY: u32 = 7;
    /// Sends answers to packets that were brought.
    const REPLY: u32 = 8;
    /// Cuts packets.
    const CUT: u32 = 9;
    /// Holds fragments before their first.
    const HOLD: u32 = 10;
    /// Lets held fragments go on.
    const RELEASE: u32 = 11;
    /// Reads control connections of FTP over IPv4; the next one over IPv6.
    const HEAR: u32 = 12;
}

/// The program that a verdict asks for. `family` is 4 or 6, or 0 where the frame must say.
#[inline(always)]
fn stage<P: Packet>(verdict: Verdict, packet: &P, family: u32) -> Option<u32> {
    let ipv6 = match family {
        0 => is_ipv6(packet),
        4 => 0,
        _ => 1,
    };
    match verdict {
        Verdict::OPEN => Some(Stage::OPEN + ipv6),
        Verdict::CARRY => Some(Stage::CARRY + ipv6),
        Verdict::ANSWER => Some(Stage::ANSWER),
        Verdict::RELATED => Some(Stage::RELATED + ipv6),
        Verdict::RELAY => Some(Stage::RELAY),
        Verdict::HOLD => Some(Stage::HOLD),
        // At XDP the stage is not there: its companion does it.
        Verdict::RELEASE => Some(Stage::RELEASE),
        Verdict::CUT => Some(Stage::CUT),
        // As above.
        Verdict::HEAR => Some(Stage::HEAR + ipv6),
        Verdict::REPLY if brought::is_brought(packet, &Maps) => Some(Stage::REPLY),
        _ => None,
    }
}

/// Writes jiffies into the settings; with a first byte that is not 0 they are a heartbeat too. User
/// space runs it by `BPF_PROG_TEST_RUN`: the kernel tells its jiffies no other way.
#[classifier]
pub fn xvs_clock(context: TcContext) -> i32 {
    let settings = Maps.settings();
    if !settings.is_null() {
        let settings = xvs_datapath::memory::opaque(settings);
        let beat = context.load::<u8>(0).unwrap_or(0) != 0;
        // SAFETY: the settings are a valid map value; both words are written whole.
        unsafe {
            (*settings).jiffies = aya_ebpf::helpers::bpf_jiffies64();
            if beat {
                (*settings).heartbeat = Maps.now();
            }
        }
    }
    0
}

/// 1 for an IPv6 frame, else 0.
#[inline(always)]
fn is_ipv6<P: Packet>(packet: &P) -> u32 {
    let (start, end) = packet.bounds();
    if start + 14 > end {
        return 0;
    }
    // SAFETY: the Ethernet header was compared with the end.
    u32::from(unsafe { load16(start + 12) } == 0x86dd_u16.to_be())
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // No panic may be left in a program that verifies; this only satisfies the compiler.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
