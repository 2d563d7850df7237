//! Where frames end in the measurements over links: dropped, and counted.

use aya_ebpf::{
    bindings::xdp_action,
    macros::{classifier, map, xdp},
    maps::PerCpuArray,
    programs::{TcContext, XdpContext},
};

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
