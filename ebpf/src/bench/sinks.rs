//! Where frames end in the measurements over links: dropped, and counted. And the plain redirects
//! between two links, which carry them without a look.

use aya_ebpf::{
    bindings::xdp_action,
    helpers::bpf_redirect,
    macros::{classifier, map, xdp},
    maps::PerCpuArray,
    programs::{TcContext, XdpContext},
};

use crate::plan;

/// Frames that ended here.
#[map]
pub static ARRIVED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

#[inline(always)]
fn count() {
    if let Some(arrived) = ARRIVED.get_ptr_mut(0) {
        // SAFETY: the value is this CPU's.
        unsafe { *arrived += 1 };
    }
}

/// Drops and counts at XDP.
#[xdp(frags)]
pub fn sink_xdp(_context: XdpContext) -> u32 {
    count();
    xdp_action::XDP_DROP
}

/// Drops and counts at tcx.
#[classifier]
pub fn sink_tcx(_context: TcContext) -> i32 {
    count();
    2
}

/// Redirects at XDP.
#[xdp(frags)]
pub fn wire_xdp(_context: XdpContext) -> u32 {
    through(xdp_action::XDP_ABORTED)
}

/// Redirects at tcx.
#[classifier]
pub fn wire_tcx(_context: TcContext) -> i32 {
    through(2) as i32
}

#[inline(always)]
fn through(failed: u32) -> u32 {
    let plan = plan::get();
    if plan.is_null() {
        return failed;
    }
    // SAFETY: the plan is a valid map value; the helper has no precondition.
    unsafe { bpf_redirect((*plan).through, 0) as u32 }
}
