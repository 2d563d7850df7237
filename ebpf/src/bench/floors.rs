//! What a program costs at least that does next to nothing, at each hook.

use aya_ebpf::{
    bindings::xdp_action,
    helpers::{bpf_redirect, bpf_xdp_adjust_head},
    macros::{classifier, map, xdp},
    maps::Array,
    programs::{TcContext, XdpContext},
};
use xvs_datapath::memory::{load16, load32, opaque, store16, store32};

use crate::plan;

/// Returns at once.
#[xdp(frags)]
pub fn floor_xdp_return(_context: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Swaps the link-layer addresses and sends the packet back.
#[xdp(frags)]
pub fn floor_xdp_swap(context: XdpContext) -> u32 {
    let (start, end) = (context.data(), context.data_end());
    if start + 14 > end {
        return xdp_action::XDP_ABORTED;
    }
    // SAFETY: the Ethernet header was compared with the end.
    unsafe {
        let to = (load32(start), load16(start + 4));
        let from = (load32(start + 6), load16(start + 10));
        store32(start, from.0);
        store16(start + 4, from.1);
        store32(start + 6, to.0);
        store16(start + 10, to.1);
    }
    xdp_action::XDP_TX
}

/// Sends the packet to the link of the plan.
#[xdp(frags)]
pub fn floor_xdp_redirect(_context: XdpContext) -> u32 {
    redirect(xdp_action::XDP_ABORTED)
}

/// The lines of memory, two at a place.
#[map]
static MEMORY: Array<[u64; 16]> = Array::with_max_entries(1, 1 << 10);

/// How many places [`MEMORY`] has; the loader writes it.
#[unsafe(no_mangle)]
static PLACES: u32 = 1;

/// Reads and writes what a packet of a known connection does at least: one line of memory, or with IPv6
/// two, at a place that follows from the flow alone.
#[xdp(frags)]
pub fn floor_xdp_line(context: XdpContext) -> u32 {
    let (start, end) = (context.data(), context.data_end());
    if start + 58 > end {
        return xdp_action::XDP_ABORTED;
    }
    // SAFETY: as many bytes were compared with the end. The client's address and both ports are read as the
    // datapath does it: how soon a word that was just written can be read depends on how it was.
    let (is_ipv6, flow) = unsafe {
        let is_ipv6 = load16(start + 12) == 0xdd86;
        let (address, ports) = if is_ipv6 { (34, 54) } else { (26, 34) };
        let (address, ports) = (load32(start + address), load32(start + ports));
        (is_ipv6, u64::from(address) << 32 | u64::from(ports))
    };
    // Twice, or flows that differ in their highest bits alone meet at the same places.
    let once = (flow ^ (flow >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (once ^ (once >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    // SAFETY: the static lives for ever. The loader replaces its bytes: the compiler must not know them.
    let places = unsafe { (&raw const PLACES).read_volatile() };
    let place = (((mixed >> 32) * u64::from(places)) >> 32) as u32;
    let Some(lines) = MEMORY.get_ptr_mut(place) else {
        return xdp_action::XDP_ABORTED;
    };
    let lines = opaque(lines);
    // SAFETY: the lines are a valid map value.
    unsafe {
        if is_ipv6 {
            (*lines)[0] += 1;
            (*lines)[8] += 1;
        } else if mixed & 1 == 0 {
            (*lines)[0] += 1;
        } else {
            (*lines)[8] += 1;
        }
    }
    xdp_action::XDP_PASS
}

/// Makes room for an outer IPv4 header and returns: the entry takes it back the next time.
#[xdp(frags)]
pub fn floor_xdp_grow4(context: XdpContext) -> u32 {
    // SAFETY: the context is the program's.
    unsafe { bpf_xdp_adjust_head(context.ctx, -20) };
    xdp_action::XDP_PASS
}

/// The same for an outer IPv6 header.
#[xdp(frags)]
pub fn floor_xdp_grow6(context: XdpContext) -> u32 {
    // SAFETY: the context is the program's.
    unsafe { bpf_xdp_adjust_head(context.ctx, -40) };
    xdp_action::XDP_PASS
}

/// Returns at once.
#[classifier]
pub fn floor_tcx_return(_context: TcContext) -> i32 {
    -1
}

/// Sends the packet to the link of the plan.
#[classifier]
pub fn floor_tcx_redirect(_context: TcContext) -> i32 {
    redirect(2) as i32
}

#[inline(always)]
fn redirect(failed: u32) -> u32 {
    let plan = plan::get();
    if plan.is_null() {
        return failed;
    }
    // SAFETY: the plan is a valid map value; the helper has no precondition.
    unsafe { bpf_redirect((*plan).ifindex, 0) as u32 }
}
