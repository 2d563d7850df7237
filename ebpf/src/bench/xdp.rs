//! The entries at XDP: in front of the program under test, and the generator of frames.

use aya_ebpf::{
    bindings::{xdp_action, xdp_md},
    helpers::{bpf_redirect, bpf_xdp_adjust_head, bpf_xdp_get_buff_len},
    macros::{map, xdp},
    maps::ProgramArray,
    programs::XdpContext,
};

use crate::plan;

/// What is measured.
#[map]
pub static TARGET_XDP: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Makes the packet and runs the program under test on it; without one, the packet is aborted.
#[xdp(frags)]
pub fn measure_xdp(context: XdpContext) -> u32 {
    if make(context.ctx) {
        // SAFETY: the array holds programs of this type.
        unsafe {
            TARGET_XDP.tail_call(&context, 0);
        }
    }
    xdp_action::XDP_ABORTED
}

/// Makes the packet and sends it to the link of the plan: a generator, when run with live frames.
#[xdp(frags)]
pub fn generate(context: XdpContext) -> u32 {
    let plan = plan::get();
    if plan.is_null() || !make(context.ctx) {
        return xdp_action::XDP_ABORTED;
    }
    // SAFETY: the plan is a valid map value; the helper has no precondition.
    unsafe { bpf_redirect((*plan).ifindex, 0) as u32 }
}

/// Gives the packet its length back, which a tunnel changed, and writes it anew.
#[inline(always)]
fn make(context: *mut xdp_md) -> bool {
    let plan = plan::get();
    if plan.is_null() {
        return false;
    }
    // SAFETY: the context is the program's, and the plan a valid map value.
    unsafe {
        // The difference of two packet pointers in 32 bits is nothing to the verifier.
        let grown = (bpf_xdp_get_buff_len(context) as i32).wrapping_sub((*plan).length as i32);
        if grown != 0 && bpf_xdp_adjust_head(context, grown) != 0 {
            return false;
        }
        let (start, end) = ((*context).data as usize, (*context).data_end as usize);
        if start + plan::BYTES > end {
            return false;
        }
        plan::write(plan, start);
    }
    true
}
