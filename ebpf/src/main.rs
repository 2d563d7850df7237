//! The director's object: one XDP entry and one tcx entry.
//!
//! It owns the entries and nothing else yet: both let every packet pass.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::{tcx_action_base::TCX_NEXT, xdp_action::XDP_PASS},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

/// The XDP entry.
#[xdp(frags)]
pub fn xvs_xdp(_context: XdpContext) -> u32 {
    XDP_PASS
}

/// The tcx entry, also attached as a clsact filter where the kernel has no tcx.
#[classifier]
pub fn xvs_tcx(_context: TcContext) -> i32 {
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
