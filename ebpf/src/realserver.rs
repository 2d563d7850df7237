//! The real server's object: what runs beside an unmodified server.
//!
//! It owns the entries and nothing else yet: every packet passes.

#![no_std]
#![no_main]

use aya_ebpf::{bindings::tcx_action_base::TCX_NEXT, macros::classifier, programs::TcContext};

/// The tcx ingress entry.
#[classifier]
pub fn xvs_realserver_ingress(_context: TcContext) -> i32 {
    TCX_NEXT
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // No panic may be left in a program that verifies; this only satisfies the compiler.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
