//! Templates: a client stays with its real server.
//!
//! A template is an entry of the flow table that no packet matches: its key is the client's masked
//! address with port 0 and what the client talks to. Its real server is that of the client's next
//! connections.

use crate::{
    Env,
    abi::{
        CallId, Direction, NONE, Slot, TEXT, Tag, VirtualServer, high32, index, join, low16, low32,
        setting_flag, virtual_server_flag,
    },
    ftp,
    memory::{opaque, read_shared},
    state::{self, template as template_state},
    table::{FORWARD, FOUND_OVERFLOW, Family, OVERFLOWED, Scratch, at, overflow_entry},
};

/// Bits of the draft's identity that make it a template.
const TEMPLATE: u32 = low32(Tag::TEMPLATE);

/// The real server that the client of the scratch's tuple stays with (low half), and its template
/// (high half), which is made where there is none. The template is [`NONE`] when it is in the
/// overflow hash or could not be made: the connection then goes without.
///
/// # Safety
/// `service` must be a valid map value, `scratch` the environment's, and no reference into it may live;
/// its forward draft is overwritten.
#[inline(always)]
pub(crate) unsafe fn choose<F: Family, E: Env>(
    env: &E,
    scratch: *mut Scratch,
    service: *const VirtualServer,
    virtual_server: u32,
    protocol: u32,
) -> u64 {
    // SAFETY: the caller vouches for both; the look-up begins after the last use of the reference.
    unsafe {
        let scratch = &mut *scratch;
        draft::<F>(scratch, service);
        if (*service).flags & virtual_server_flag::SIP != 0 {
            by_call(env, scratch);
        }
        // One template for all protocols that the mark groups.
        let protocol = if (*service).key.mark == 0 {
            protocol
        } else {
            0
        };
        scratch.forward.identity = protocol << 8 | TEMPLATE;
        scratch.forward.virtual_server = low16(virtual_server);
    }
    let place = env.find_call(F::V6, FORWARD);
    let entry = if place >= 0 {
        at::<F, E>(env, low32(place.unsigned_abs()))
    } else if place == FOUND_OVERFLOW {
        // SAFETY: the caller vouches for the scratch.
        overflow_entry::<F, E>(env, unsafe { &mut *scratch }, FORWARD)
    } else {
        core::ptr::null_mut()
    };
    if entry.is_null() {
        let chosen = env.pick_call(virtual_server);
        if chosen == NONE {
            return join(NONE, NONE);
        }
        // SAFETY: as above.
        unsafe { (*scratch).forward.real_server = chosen };
        let place = env.insert_call(F::V6, false);
        if place < 0 && place != OVERFLOWED {
            return join(chosen, NONE);
        }
        persists(env, chosen, 1);
        // SAFETY: as above.
        unsafe {
            if (*service).flags & virtual_server_flag::SIP != 0 {
                name(env, &mut *scratch);
            }
        }
        let template = if place < 0 {
            NONE
        } else {
            low32(place.unsigned_abs())
        };
        return join(chosen, template);
    }
    let template = if place < 0 {
        NONE
    } else {
        low32(place.unsigned_abs())
    };
    // SAFETY: entries in the table are valid for ever, those of the overflow hash while this runs.
    let fields = unsafe { F::fields(opaque(entry)) };
    // SAFETY: as above.
    let remembered = unsafe { *fields.real_server };
    let mut chosen = remembered;
    if !holds(env, remembered) {
        // Its real server is gone, or quiesced where that ends templates: it names another now.
        chosen = env.pick_call(virtual_server);
        if chosen == NONE {
            return join(NONE, NONE);
        }
        persists(env, remembered, u32::MAX);
        persists(env, chosen, 1);
        // SAFETY: as above; where the tag moves meanwhile, the template stays assured.
        unsafe {
            *fields.real_server = chosen;
            let tag = Tag(read_shared(fields.tag));
            env.compare_exchange(fields.tag, tag.0, tag.with_state(template_state::NONE).0);
        }
    }
    // SAFETY: as above.
    unsafe { *fields.stamp = env.now() };
    join(chosen, template)
}

/// Whether a template may go on naming this real server.
#[inline(always)]
fn holds<E: Env>(env: &E, real_server: u32) -> bool {
    let server = env.real_server(real_server);
    if server.is_null() {
        return false;
    }
    let server = opaque(server);
    let quiescent_ends = state::is_set(env, setting_flag::EXPIRE_QUIESCENT_TEMPLATE);
    // SAFETY: the server is a valid map value.
    unsafe { crate::table::available(server) && !(quiescent_ends && (*server).weight == 0) }
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

/// Index of the template that controls a connection, or [`NONE`].
#[inline(always)]
pub(crate) fn controller<F: Family, E: Env>(env: &E, connection: u32) -> u32 {
    let set = F::cold(env, connection >> 2);
    if set.is_null() {
        return NONE;
    }
    // SAFETY: the set is a valid map value of four.
    let control = unsafe {
        (*opaque(set)
            .cast::<crate::abi::Cold>()
            .add(index(connection & 3)))
        .control
    };
    control.wrapping_sub(1)
}

/// Notes that a connection to a real server was established, or replied to: its template is one that stays.
#[inline(always)]
pub(crate) fn assure<F: Family, E: Env>(env: &E, connection: u32, real_server: u32) {
    let server = env.real_server(real_server);
    // The cold side of most is not in any cache: it is asked only where a template names this server.
    // SAFETY: the server is a valid map value; counters are shared by atomics alone.
    if server.is_null() || unsafe { (&raw const (*opaque(server)).persistent).read_volatile() } == 0
    {
        return;
    }
    let place = controller::<F, E>(env, connection);
    if place == NONE {
        return;
    }
    let entry = at::<F, E>(env, place);
    if entry.is_null() {
        return;
    }
    // SAFETY: entries in the table are valid for ever.
    let word = unsafe { F::fields(entry) }.tag;
    // SAFETY: as above.
    let tag = Tag(unsafe { read_shared(word) });
    // SAFETY: as above.
    let names = unsafe { *F::fields(entry).real_server } == real_server;
    if tag.slot() == Slot::LIVE && tag.template() && names && tag.state() != template_state::ASSURED
    {
        // Where another packet does it at the same time, it is done.
        // SAFETY: tags are shared by atomics alone.
        unsafe { env.compare_exchange(word, tag.0, tag.with_state(template_state::ASSURED).0) };
    }
}

/// Counts templates of a real server.
#[inline(always)]
fn persists<E: Env>(env: &E, real_server: u32, amount: u32) {
    let server = env.real_server(real_server);
    if !server.is_null() {
        // SAFETY: the server is a valid map value; counters are shared by atomics alone.
        unsafe { env.add32(&raw mut (*opaque(server)).persistent, amount) };
    }
}

/// Drafts the template (kernel `ip_vs_sched_persist`): masked client, port 0; VIP and the virtual
/// server's port, which is 0 where it takes every port or is FTP's. In the place of a VIP stands a firewall mark.
///
/// # Safety
/// `service` must be a valid map value.
#[inline(always)]
unsafe fn draft<F: Family>(scratch: &mut Scratch, service: *const VirtualServer) {
    let Scratch { forward, tuple, .. } = scratch;
    // SAFETY: the caller vouches for the virtual server.
    let (mask, port, mark) =
        unsafe { (&(*service).mask, (*service).key.port, (*service).key.mark) };
    forward.tag = Direction::FORWARD | Tag::TEMPLATE;
    forward.tuple.source[0] = tuple.source[0] & mask[0];
    if F::V6 {
        forward.tuple.source[1] = tuple.source[1] & mask[1];
        forward.tuple.source[2] = tuple.source[2] & mask[2];
        forward.tuple.source[3] = tuple.source[3] & mask[3];
    } else {
        forward.tuple.source[1] = 0;
        forward.tuple.source[2] = 0;
        forward.tuple.source[3] = 0;
    }
    forward.tuple.destination = if mark == 0 {
        tuple.destination
    } else {
        [mark.to_be(), 0, 0, 0]
    };
    // The data connections of FTP, whatever their ports, go where the control connection goes.
    let port = if port == ftp::PORT.to_be() { 0 } else { port };
    forward.tuple.ports = u32::from(port) << 16;
    forward.recipe = forward.tuple;
    forward.next_hop = 0;
    forward.ip_delta = 0;
    forward.l4_delta = 0;
}

/// Makes the draft the template of one call, whose Call-ID was read: a digest stands in place of the VIP
/// and the ports, which the recipe has.
#[inline(always)]
fn by_call<E: Env>(env: &E, scratch: &mut Scratch) {
    let text = env.text();
    if text.is_null() {
        return;
    }
    // SAFETY: the room is this CPU's alone while the program runs.
    let digest = unsafe { (*opaque(text)).search.digest() };
    let tuple = &mut scratch.forward.tuple;
    tuple.destination = [low32(digest), 0, 0, 0];
    tuple.ports = high32(digest);
}

/// Remembers the Call-ID of the template that was drafted.
#[inline(always)]
fn name<E: Env>(env: &E, scratch: &mut Scratch) {
    let text = env.text();
    if text.is_null() {
        return;
    }
    scratch.note_overflow_key(FORWARD);
    // SAFETY: the room is this CPU's alone while the program runs; it is longer than the place where a
    // Call-ID may begin by the length of one.
    unsafe {
        let text = opaque(text);
        if let Some(start) = (*text).search.found() {
            let bytes = (&raw const (*text).bytes).cast::<u8>();
            let call_id = bytes.add(index(start & (TEXT - 1))).cast::<CallId>();
            env.call_id_insert(&scratch.key, call_id);
        }
    }
}
