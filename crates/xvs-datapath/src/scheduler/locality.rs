//! What [`lblc`] and [`lblcr`] share: what is remembered of destinations, and when a server is
//! overloaded.
//!
//! It stands in a map that forgets what was used longest ago, where the kernel collects every minute
//! what is beyond 16,384 destinations of a virtual server.

use crate::{
    Env, Visitor,
    abi::{Locality, LocalityKey, NONE, RealServer},
    memory::opaque,
    scheduler::{Members, lblc, lblcr, wlc},
};

/// Picks the remembered server of the packet's destination, or that of [`wlc`], which is remembered.
#[inline(always)]
pub(super) fn pick<E: Env>(
    env: &E,
    virtual_server: u32,
    members: Members,
    replicated: bool,
) -> u32 {
    let Some(key) = key(env, virtual_server) else {
        return NONE;
    };
    let kept = remembered(env, &key);
    if !kept.is_null() {
        // SAFETY: the value is a valid map value.
        let known = unsafe {
            if replicated {
                lblcr::recall(env, kept, virtual_server, members)
            } else {
                lblc::recall(env, kept, virtual_server, members)
            }
        };
        if known != NONE {
            return known;
        }
    }
    let chosen = wlc::pick(env, members);
    if chosen == NONE {
        return NONE;
    }
    // Looked up again: the verifier would follow the walk for either answer of the first time.
    let kept = env.locality(&key);
    if kept.is_null() {
        remember(env, &key, chosen);
        return chosen;
    }
    let kept = opaque(kept);
    // SAFETY: as above.
    unsafe {
        if replicated {
            lblcr::join(env, kept, chosen);
        } else {
            lblc::change(kept, chosen);
        }
    }
    chosen
}

/// The destination of the packet in the scratch.
#[inline(always)]
fn key<E: Env>(env: &E, virtual_server: u32) -> Option<LocalityKey> {
    let scratch = env.scratch();
    if scratch.is_null() {
        return None;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let address = unsafe { (*opaque(scratch)).tuple.destination };
    Some(LocalityKey {
        address,
        virtual_server,
    })
}

/// What is remembered of a destination, now used; null where nothing is, or it has expired.
#[inline(always)]
fn remembered<E: Env>(env: &E, key: &LocalityKey) -> *mut Locality {
    let kept = env.locality(key);
    let settings = env.settings();
    if kept.is_null() || settings.is_null() {
        return core::ptr::null_mut();
    }
    let kept = opaque(kept);
    let now = env.now();
    // SAFETY: both are valid map values; words are whole whoever writes them.
    unsafe {
        let expiration = (*opaque(settings)).lblc_expiration;
        let idle = now.wrapping_sub((*kept).stamp);
        (*kept).stamp = now;
        if expiration != 0 && idle > expiration {
            (*kept).servers = Locality::NOBODY;
        }
    }
    kept
}

/// Remembers the first server of a destination.
#[inline(always)]
fn remember<E: Env>(env: &E, key: &LocalityKey, server: u32) {
    let scratch = env.scratch();
    if scratch.is_null() {
        return;
    }
    let now = env.now();
    // SAFETY: the scratch is this CPU's alone while the program runs; the room is large enough and
    // aligned.
    unsafe {
        let room = (&raw mut (*opaque(scratch)).entry).cast::<Locality>();
        (*room).stamp = now;
        (*room).changed = now;
        (*room).lock = 0;
        (*room).spare = 0;
        (*room).servers = Locality::NOBODY;
        (*room).servers[0] = server;
        env.locality_insert(key, &*room);
    }
}

/// Whether a server has more active connections than its weight while another is bored (kernel
/// `is_overloaded`).
#[inline(always)]
pub(super) fn overloaded<E: Env>(env: &E, members: Members, index: u32) -> bool {
    let server = env.real_server(index);
    if server.is_null() {
        return true;
    }
    let server = opaque(server);
    // SAFETY: the server is a valid map value.
    if unsafe { (*server).active <= (*server).weight } {
        return false;
    }
    let mut bored = Bored { found: 0 };
    env.walk(members.list, 0, &mut bored);
    bored.found != 0
}

/// Finds a server that has less than half its weight in active connections.
struct Bored {
    found: u32,
}

impl Visitor for Bored {
    #[inline(always)]
    fn visit(&mut self, _position: u32, _index: u32, server: &RealServer) -> bool {
        if u64::from(server.active) * 2 < u64::from(server.weight) {
            self.found = 1;
        }
        self.found != 0
    }
}
