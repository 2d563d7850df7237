//! What a router said of the way to a tunnel's real server (RFC 1191): the largest packet that it can
//! carry. It is believed for ten minutes, as by the kernel's routes.

use crate::{Env, abi::RealServer, abi::low16, memory::opaque, next_hop::Hop};

/// Seconds for which a path's MTU is believed (kernel `net.ipv4.route.mtu_expires`).
const LIFETIME: u32 = 600;
/// The least that is believed (kernel `net.ipv4.route.min_pmtu`).
const LEAST: u32 = 552;
/// No IPv4 packet is larger.
const MOST: u32 = 0xffff;

/// Notes what a router said; 0, from one that says nothing, changes nothing.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn learn<E: Env>(env: &E, server: *mut RealServer, mtu: u32) {
    if mtu == 0 || mtu > MOST {
        return;
    }
    let mtu = if mtu < LEAST { LEAST } else { mtu };
    // Two CPUs may mix two routers' words here: both are of the same way.
    // SAFETY: the caller vouches for the server; each word is written whole.
    unsafe {
        (*server).path_mtu_stamp = env.now();
        (*server).path_mtu = low16(mtu);
    }
}

/// Lowers the MTU of a hop to what is known of the way behind it; whether there is something known.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn limit<E: Env>(
    env: &E,
    server: *const RealServer,
    now: u32,
    hop: &mut Hop,
) -> bool {
    // SAFETY: the caller vouches for the server.
    let (mtu, stamp) = unsafe { (u32::from((*server).path_mtu), (*server).path_mtu_stamp) };
    let settings = env.settings();
    if mtu == 0 || settings.is_null() {
        return false;
    }
    // SAFETY: the settings are a valid map value.
    let lifetime = unsafe { (*opaque(settings)).hz }.wrapping_mul(LIFETIME);
    if now.wrapping_sub(stamp) > lifetime {
        return false;
    }
    if hop.mtu == 0 || mtu < hop.mtu {
        hop.mtu = mtu;
    }
    true
}
