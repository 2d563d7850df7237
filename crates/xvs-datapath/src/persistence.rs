//! Templates: a client stays with its real server.
//!
//! A template is an entry of the flow table that no packet matches: its key is the client's masked
//! address with port 0 and what the client talks to. Its real server is that of the client's next
//! connections.

use crate::{
    Env,
    abi::{
        Direction, NONE, Tag, Tuple, VirtualServer, index, low16, low32, setting_flag,
    },
    memory::opaque,
    table::{FORWARD, Family, Scratch, at, locate},
};

/// Bits of the draft's identity that make it a template.
const TEMPLATE: u32 = low32(Tag::TEMPLATE);

/// The real server that a template of the flow in the scratch names, and the template's index:
/// ([`NONE`], [`NONE`]) when there is no valid one.
///
/// # Safety
/// `service` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn remembered<F: Family, E: Env>(
    env: &E,
    tuple: &Tuple,
    protocol: u8,
    service: *const VirtualServer,
) -> (u32, u32) {
    // SAFETY: the caller vouches for the virtual server.
    let key = F::Key::from(&unsafe { template_tuple(tuple, service) });
    let identity = u32::from(protocol) << 8 | TEMPLATE;
    let (entry, _, place) = locate::<F, E>(env, &key, identity);
    if entry.is_null() {
        return (NONE, NONE);
    }
    // SAFETY: entries in the table are valid for ever.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above.
    let real_server = unsafe { *fields.real_server };
    let server = env.real_server(real_server);
    if server.is_null() {
        return (NONE, NONE);
    }
    let server = opaque(server);
    let settings = env.settings();
    let quiescent_ends = !settings.is_null()
        // SAFETY: the settings are a valid map value.
        && unsafe { (*opaque(settings)).flags } & setting_flag::EXPIRE_QUIESCENT_TEMPLATE != 0;
    // SAFETY: the server is a valid map value.
    let valid = unsafe {
        crate::table::available(server) && !(quiescent_ends && (*server).weight == 0)
    };
    if !valid {
        return (NONE, NONE);
    }
    // SAFETY: as above.
    unsafe { *fields.stamp = env.now() };
    (real_server, place)
}

/// Makes, or turns to another real server, the template of the flow. Answers its index, or [`NONE`]
/// when it is in the overflow hash or could not be made: the connection then goes without.
///
/// # Safety
/// `service` must be a valid map value; the scratch's forward draft is overwritten.
#[inline(always)]
pub(crate) unsafe fn remember<F: Family, E: Env>(
    env: &E,
    scratch: &mut Scratch,
    tuple: &Tuple,
    protocol: u8,
    service: *const VirtualServer,
    (virtual_server, real_server): (u32, u32),
) -> u32 {
    // SAFETY: the caller vouches for the virtual server.
    let key = unsafe { template_tuple(tuple, service) };
    let identity = u32::from(protocol) << 8 | TEMPLATE;
    let (entry, _, place) = locate::<F, E>(env, &F::Key::from(&key), identity);
    if !entry.is_null() {
        // A template whose real server is gone or quiesced: it now names the new one.
        // SAFETY: entries in the table are valid for ever.
        unsafe {
            let fields = F::fields(entry);
            let old = *fields.real_server;
            *fields.real_server = real_server;
            *fields.stamp = env.now();
            moved(env, old, u32::MAX);
            moved(env, real_server, 1);
        }
        return place;
    }
    let draft = scratch.draft_mut(FORWARD);
    draft.tag = Direction::FORWARD | Tag::TEMPLATE;
    draft.tuple = key;
    draft.recipe = key;
    draft.identity = identity;
    draft.real_server = real_server;
    draft.virtual_server = low16(virtual_server);
    draft.next_hop = 0;
    draft.ip_delta = 0;
    draft.l4_delta = 0;
    let place = env.insert_call(F::V6, false);
    if place < 0 {
        if place == crate::table::OVERFLOWED {
            // SAFETY: counters are shared by atomics alone.
            unsafe { moved(env, real_server, 1) };
        }
        return NONE;
    }
    // SAFETY: as above.
    unsafe { moved(env, real_server, 1) };
    low32(place.unsigned_abs())
}

/// Notes in the cold side of a connection which template controls it.
#[inline(always)]
pub(crate) fn control<F: Family, E: Env>(env: &E, connection: u32, template: u32) {
    if template == NONE || at::<F, E>(env, template).is_null() {
        return;
    }
    let set = F::cold(env, connection >> 2);
    if set.is_null() {
        return;
    }
    // SAFETY: the set is a valid map value of four; the slot is the caller's.
    unsafe {
        (*opaque(set)
            .cast::<crate::abi::Cold>()
            .add(index(connection & 3)))
        .control = template.wrapping_add(1);
    }
}

/// # Safety
/// Counters are shared by atomics alone.
#[inline(always)]
unsafe fn moved<E: Env>(env: &E, real_server: u32, amount: u32) {
    let server = env.real_server(real_server);
    if !server.is_null() {
        // SAFETY: the server is a valid map value.
        unsafe { env.add32(&raw mut (*opaque(server)).persistent, amount) };
    }
}

/// The template's key (kernel `ip_vs_sched_persist`): masked client, port 0; VIP and the virtual
/// server's port, which is 0 where it takes every port.
///
/// # Safety
/// `service` must be a valid map value.
#[inline(always)]
unsafe fn template_tuple(tuple: &Tuple, service: *const VirtualServer) -> Tuple {
    // SAFETY: the caller vouches for the virtual server.
    let (mask, port) = unsafe { ((*service).mask, (*service).key.port) };
    Tuple {
        source: [
            tuple.source[0] & mask[0],
            tuple.source[1] & mask[1],
            tuple.source[2] & mask[2],
            tuple.source[3] & mask[3],
        ],
        destination: tuple.destination,
        ports: u32::from(port) << 16,
    }
}

