//! The entry at tcx: in front of the program under test.

use aya_ebpf::{
    macros::{classifier, map},
    maps::ProgramArray,
    programs::TcContext,
};

use crate::plan;

/// An answer that no program gives: nothing was measured.
const NOTHING: i32 = 99;

/// What is measured.
#[map]
pub static TARGET_TCX: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Makes the packet and runs the program under test on it.
#[classifier]
pub fn measure_tcx(context: TcContext) -> i32 {
    let plan = plan::get();
    if plan.is_null() {
        return NOTHING;
    }
    // SAFETY: the context is the program's, and the plan a valid map value.
    unsafe {
        let skb = context.skb.skb;
        let (start, end) = ((*skb).data as usize, (*skb).data_end as usize);
        if start + plan::BYTES > end {
            return NOTHING;
        }
        plan::write(plan, start);
        TARGET_TCX.tail_call(&context, 0);
    }
    NOTHING
}
