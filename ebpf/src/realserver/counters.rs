//! Counts of what the programs did and why they dropped.

use aya_ebpf::{macros::map, maps::PerCpuArray};

/// One counter for each `Counter`, for each CPU.
#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(4, 0);

/// What is counted; the numbers are known to user space.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Counter {
    /// Outer headers taken off.
    Decapsulated = 0,
    /// Dropped: marked for congestion outside while the inner packet cannot carry the mark.
    DroppedCongestion = 1,
    /// Dropped: the kernel would not take the outer header off.
    DroppedUnable = 2,
    /// SYNs that named their client.
    Clients = 3,
}

/// Counts one.
#[inline(always)]
pub fn count(counter: Counter) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the map's value is ours on this CPU, and programs of a hook do not nest.
        unsafe { *value = (*value).wrapping_add(1) };
    }
}
