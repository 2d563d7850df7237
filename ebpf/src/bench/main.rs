//! The benchmark's object: programs that make the packet before the program under test sees it, and
//! the floors that it is measured beside.
//!
//! `BPF_PROG_TEST_RUN` runs a program many times on one packet and never restores it. So the entry
//! here writes the packet anew from a [`Plan`], as of one of many flows, and tail-calls what is
//! measured; the same entry in front of a program that returns at once is what the measure costs
//! itself. None of this runs in the product.

#![no_std]
#![no_main]

mod floors;
mod plan;
mod sinks;
mod tcx;
mod xdp;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // No panic may be left in a program that verifies; this only satisfies the compiler.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
