//! FULLNAT: which local address and port a connection comes from.

use crate::{
    Env,
    abi::{LocalAddress, NONE, VirtualServer, low16},
    memory::opaque,
};

/// The local address that the next connection of a virtual server comes from: its index, or
/// [`NONE`] when there is none of this family.
///
/// # Safety
/// `service` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn local_address<E: Env>(
    env: &E,
    service: *mut VirtualServer,
    ipv6: bool,
) -> u32 {
    // SAFETY: the caller vouches for the virtual server.
    let (first, count) = unsafe { ((*service).local_first, (*service).local_count) };
    if count == 0 {
        return NONE;
    }
    let family = if ipv6 { 6 } else { 4 };
    // SAFETY: as above; the rotor is shared by atomics alone.
    let turn = unsafe { env.add32(&raw mut (*service).local_cursor, 1) };
    let mut step = 0;
    while step < 8 {
        let index = first.wrapping_add(turn.wrapping_add(step) % count);
        let local = env.local_address(index);
        // SAFETY: the local address is a valid map value.
        if !local.is_null() && unsafe { (*opaque(local)).family } == family {
            return index;
        }
        step += 1;
    }
    NONE
}

/// The next port of a local address, as in a packet; 0 when the host keeps all of them.
///
/// # Safety
/// `local` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn next_port<E: Env>(env: &E, local: *mut LocalAddress) -> u16 {
    // SAFETY: the caller vouches for the local address; the rotor is shared by atomics alone.
    let (first, last, kept_first, kept_last, turn) = unsafe {
        (
            u32::from((*local).first),
            u32::from((*local).last),
            u32::from((*local).kept_first),
            u32::from((*local).kept_last),
            env.add32(&raw mut (*local).cursor, 1),
        )
    };
    let kept = if kept_first == 0 {
        0
    } else {
        kept_last.wrapping_sub(kept_first).wrapping_add(1)
    };
    let span = last.wrapping_sub(first).wrapping_add(1).wrapping_sub(kept);
    if span == 0 {
        return 0;
    }
    let port = first.wrapping_add(turn % span);
    // Ports from the kept range on stand behind it.
    let port = if kept != 0 && port >= kept_first {
        port.wrapping_add(kept)
    } else {
        port
    };
    low16(port).to_be()
}
