//! Locality-based least connections (kernel `ip_vs_lblc.c`): a destination stays with its server
//! while that is not overloaded; else it gets the server that [`wlc`](super::wlc) picks. For caches
//! behind a firewall mark.

use crate::{
    Env,
    abi::{Locality, NONE},
    memory::opaque,
    scheduler::{Members, locality::overloaded},
    table::available,
};

/// The server that a destination stays with, or [`NONE`].
///
/// # Safety
/// `kept` must be a valid map value.
#[inline(always)]
pub(super) unsafe fn recall<E: Env>(
    env: &E,
    kept: *mut Locality,
    virtual_server: u32,
    members: Members,
) -> u32 {
    // SAFETY: the caller vouches for the value, whose words are whole whoever writes them.
    let server = unsafe { (*kept).servers[0] };
    if serves(env, virtual_server, server) && !overloaded(env, members, server) {
        server
    } else {
        NONE
    }
}

/// Gives a destination another server.
///
/// # Safety
/// `kept` must be a valid map value.
#[inline(always)]
pub(super) unsafe fn change(kept: *mut Locality, server: u32) {
    // SAFETY: as in [`recall`].
    unsafe { (*kept).servers[0] = server };
}

/// Whether a remembered server is still one of this virtual server, with a weight. Its thresholds do
/// not count, as in the kernel.
#[inline(always)]
fn serves<E: Env>(env: &E, virtual_server: u32, index: u32) -> bool {
    let server = env.real_server(index);
    if server.is_null() {
        return false;
    }
    let server = opaque(server);
    // SAFETY: the server is a valid map value.
    unsafe {
        available(server) && (*server).virtual_server == virtual_server && (*server).weight != 0
    }
}
