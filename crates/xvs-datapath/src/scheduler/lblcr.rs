//! Locality-based least connections with replication (kernel `ip_vs_lblcr.c`): a destination has a
//! set of servers, of which the least loaded serves; when that is overloaded the server that
//! [`wlc`](super::wlc) picks joins the set, and a set without change for long loses its most loaded one.
//!
//! The kernel's sets have no limit, these hold [`PLACES`]. From a full set that is overloaded every
//! connection goes where [`wlc`](super::wlc) says, as it would from a larger one.

use crate::{
    Env,
    abi::{Locality, NONE, PLACES, index},
    memory::opaque,
    scheduler::{Members, locality::overloaded, overhead, wlc::Least},
    table::available,
};

/// The server of a destination's set that serves now, or [`NONE`] when another shall join.
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
    // SAFETY: the caller vouches for the value.
    let least = unsafe { least_loaded(env, kept, virtual_server) };
    // SAFETY: as above.
    unsafe { shrink(env, kept) };
    if least != NONE && !overloaded(env, members, least) {
        least
    } else {
        NONE
    }
}

/// The least loaded server of a set that takes connections, or [`NONE`].
///
/// # Safety
/// `kept` must be a valid map value.
#[inline(always)]
unsafe fn least_loaded<E: Env>(env: &E, kept: *const Locality, virtual_server: u32) -> u32 {
    let mut least = Least::NONE;
    let mut place = 0;
    while place < PLACES {
        // SAFETY: the caller vouches for the value.
        let member = unsafe { (*kept).servers[index(place)] };
        place += 1;
        let server = env.real_server(member);
        if server.is_null() {
            break;
        }
        let server = opaque(server);
        // SAFETY: the server is a valid map value.
        unsafe {
            if available(server) && (*server).virtual_server == virtual_server {
                least.weigh(member, &*server, overhead(&*server));
            }
        }
    }
    least.chosen
}

/// Takes the most loaded server out of a set of several that has not changed for long.
///
/// # Safety
/// `kept` must be a valid map value.
#[inline(always)]
unsafe fn shrink<E: Env>(env: &E, kept: *mut Locality) {
    let settings = env.settings();
    if settings.is_null() {
        return;
    }
    let now = env.now();
    // SAFETY: the settings are a valid map value, and the caller vouches for the other.
    unsafe {
        let expiration = (*opaque(settings)).lblcr_expiration;
        let unchanged = now.wrapping_sub((*kept).changed);
        if (*kept).servers[1] == NONE || expiration == 0 || unchanged <= expiration {
            return;
        }
        if !lock(env, kept) {
            return;
        }
        let most = most_loaded(env, kept);
        let mut place = most;
        while place < PLACES - 1 {
            (*kept).servers[index(place)] = (*kept).servers[index(place + 1)];
            place += 1;
        }
        if most < PLACES {
            (*kept).servers[index(PLACES - 1)] = NONE;
            (*kept).changed = now;
        }
        unlock(env, kept);
    }
}

/// The place of the most loaded server of a set; [`PLACES`] when none has a weight.
///
/// # Safety
/// `kept` must be a valid map value.
#[inline(always)]
unsafe fn most_loaded<E: Env>(env: &E, kept: *const Locality) -> u32 {
    let (mut most, mut most_load, mut most_weight) = (PLACES, 0, 0);
    let mut place = 0;
    while place < PLACES {
        // SAFETY: the caller vouches for the value.
        let server = env.real_server(unsafe { (*kept).servers[index(place)] });
        if server.is_null() {
            break;
        }
        let server = opaque(server);
        // SAFETY: the server is a valid map value.
        let (load, weight) = unsafe { (overhead(&*server), u64::from((*server).weight)) };
        if weight != 0
            && (most == PLACES || load.wrapping_mul(most_weight) > weight.wrapping_mul(most_load))
        {
            (most, most_load, most_weight) = (place, load, weight);
        }
        place += 1;
    }
    most
}

/// Puts a server in front of a set that has it not and is not full.
///
/// # Safety
/// `kept` must be a valid map value.
#[inline(always)]
pub(super) unsafe fn join<E: Env>(env: &E, kept: *mut Locality, server: u32) {
    if !lock(env, kept) {
        return;
    }
    // SAFETY: the caller vouches for the value.
    unsafe {
        let mut has = (*kept).servers[index(PLACES - 1)] != NONE;
        let mut place = 0;
        while place < PLACES {
            has |= (*kept).servers[index(place)] == server;
            place += 1;
        }
        if !has {
            let mut place = PLACES - 1;
            while place > 0 {
                (*kept).servers[index(place)] = (*kept).servers[index(place - 1)];
                place -= 1;
            }
            (*kept).servers[0] = server;
            (*kept).changed = env.now();
        }
    }
    unlock(env, kept);
}

/// Takes the lock of a set, or says that another CPU changes it right now: then ours is left to the
/// next packet.
#[inline(always)]
fn lock<E: Env>(env: &E, kept: *mut Locality) -> bool {
    // SAFETY: the value is a valid map value; the lock is used by atomics alone.
    unsafe { env.compare_exchange32(&raw mut (*kept).lock, 0, 1) == 0 }
}

#[inline(always)]
fn unlock<E: Env>(env: &E, kept: *mut Locality) {
    // SAFETY: as above.
    unsafe { env.compare_exchange32(&raw mut (*kept).lock, 1, 0) };
}
