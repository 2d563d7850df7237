//! The real server's object: what runs beside an unmodified server.
//!
//! It owns the entries and the map declarations. `decapsulation` takes the outer header off
//! tunnelled packets (TUN); `client` reads the client's true address from a SYN and `peer` tells it
//! to the server (FULLNAT). One copy is loaded for each network namespace that needs it.

#![no_std]
#![no_main]

mod client;
mod counters;
mod decapsulation;
mod ip;
mod peer;

use aya_ebpf::{
    bindings::tcx_action_base::TCX_NEXT,
    macros::{cgroup_sock_addr, classifier},
    programs::{SockAddrContext, TcContext},
};

/// Ingress of a link that tunnelled packets come in by.
#[classifier]
pub fn xvs_decap(context: TcContext) -> i32 {
    decapsulation::ingress(&context)
}

/// Ingress of a link that connections of the director come in by.
#[classifier]
pub fn xvs_client(context: TcContext) -> i32 {
    client::ingress(&context);
    TCX_NEXT
}

/// `getpeername`, and `accept` with an address, on an IPv4 socket.
#[cgroup_sock_addr(getpeername4)]
pub fn xvs_peer4(context: SockAddrContext) -> i32 {
    peer::name_v4(&context);
    peer::PROCEED
}

/// `getpeername`, and `accept` with an address, on an IPv6 socket.
#[cgroup_sock_addr(getpeername6)]
pub fn xvs_peer6(context: SockAddrContext) -> i32 {
    peer::name_v6(&context);
    peer::PROCEED
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // No panic may be left in a program that verifies; this only satisfies the compiler.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
