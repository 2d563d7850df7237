//! Data connections to come: connections in the state LISTEN for two minutes.
//!
//! Of one that the server will open both ends are known: its entries are made, and the server's first
//! packet finds them. Of one that the client will open its port is not known: the entry has port 0, which
//! *open* asks for while there may be any, and makes the connection's own entries of.

use xvs_wire::{ipv4, tcp};

use crate::{
    Env, Flow,
    abi::{Counter, Method, NONE, Tag, index, low16, low32, upper16},
    memory::{opaque, read_shared},
    open, persistence,
    state::tcp as tcp_state,
    table::{self, FORWARD, FOUND_OVERFLOW, Family, OVERFLOWED},
};

/// Bit of what [`open::connect`] is told: the scratch names the real server's port.
pub(crate) const KNOWN_PORT: u32 = 1 << 16;
/// TCP in what [`open::connect`] is told.
const TCP: u32 = (ipv4::PROTOCOL_TCP as u32) << 8;

/// Makes the connection that a line announces, which was read into this CPU's room, or lets it wait once
/// more; `false` where there was no place for it, which is counted. `entry` is the control
/// connection's.
///
/// # Safety
/// `entry` must be a valid map value.
#[inline(always)]
pub(super) unsafe fn announced<F: Family, E: Env>(
    env: &E,
    flow: &Flow,
    entry: *mut F::Entry,
    tag: Tag,
    place: i64,
) -> bool {
    let (room, scratch) = (env.text(), env.scratch());
    if room.is_null() || scratch.is_null() {
        return true;
    }
    let (room, scratch) = (opaque(room), opaque(scratch));
    // SAFETY: the room is this CPU's alone while the program runs.
    let (announced, named) = unsafe { ((*room).line.announced(), (*room).line.named()) };
    let announced = u32::from(low16(announced).to_be());
    // SAFETY: the caller vouches for the entry.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above.
    let (virtual_server, real_server, peer) =
        unsafe { (*fields.virtual_server, *fields.real_server, *fields.peer) };
    // SAFETY: as above; the scratch is this CPU's alone while the program runs.
    unsafe {
        let recipe = F::recipe(entry);
        let tuple = &mut (*scratch).tuple;
        if tag.reverse() {
            tuple.source = recipe.destination;
            tuple.destination = recipe.source;
            tuple.ports = announced << 16;
            (*scratch).real_port = announced;
        } else {
            *tuple = flow.tuple;
            if !F::V6 {
                tuple.source[0] = named.to_be();
            }
            let below = u32::from(before(flow.tuple.destination_port()));
            tuple.ports = announced | below << 16;
            (*scratch).real_port = u32::from(before(recipe.destination_port()));
        }
        // The entry may have been evicted and used anew while it was read.
        if !Tag(read_shared(fields.tag)).same_use(tag) {
            return true;
        }
    }
    let server = env.real_server(real_server);
    // SAFETY: the server is a valid map value.
    if server.is_null() || unsafe { (*opaque(server)).method } != Method::NAT {
        return true;
    }
    let how = KNOWN_PORT | TCP | u32::from(tcp_state::LISTEN);
    let answer = env.connect_call(F::V6, u32::from(virtual_server), real_server, how);
    if answer == open::OPEN_AGAIN {
        // It was announced before.
        return wait_once_more::<F, E>(env);
    }
    if answer < 0 && answer != OVERFLOWED {
        return false;
    }
    // SAFETY: as above; its counters are shared by atomics alone.
    unsafe { open::occupy(env, opaque(server), ipv4::PROTOCOL_TCP, tcp_state::LISTEN) };
    env.count(Counter::FtpAnnounced);
    if answer >= 0 {
        let control = if tag.reverse() {
            peer
        } else if place >= 0 {
            low32(place.unsigned_abs())
        } else {
            NONE
        };
        persistence::control::<F, E>(env, low32(answer.unsigned_abs()), control);
    }
    note_time(env);
    true
}

/// Lets the drafted connection, which is there, wait as long as a new one.
#[inline(always)]
fn wait_once_more<F: Family, E: Env>(env: &E) -> bool {
    let place = env.find_call(F::V6, FORWARD);
    let entry = table::entry_at::<F, E>(env, place);
    if !entry.is_null() {
        // SAFETY: `entry` is a valid map value.
        unsafe { *F::fields(opaque(entry)).stamp = env.now() };
    }
    note_time(env);
    true
}

/// Notes that somebody may open a data connection from now on.
#[inline(always)]
fn note_time<E: Env>(env: &E) {
    let settings = env.settings();
    if !settings.is_null() {
        // 0 is never; the odd number may be of the jiffy to come.
        // SAFETY: the settings are a valid map value; the word is written whole.
        unsafe { (*opaque(settings)).announced = env.now() | 1 };
    }
}

/// The port before this one; both as in a packet.
#[inline(always)]
const fn before(port: u16) -> u16 {
    u16::from_be(port).wrapping_sub(1).to_be()
}

/// Whether a data connection was announced within the time for which one is waited for.
#[inline(always)]
fn may_come<E: Env>(env: &E) -> bool {
    let settings = env.settings();
    if settings.is_null() {
        return false;
    }
    let settings = opaque(settings);
    // SAFETY: the settings are a valid map value.
    let (announced, patience) = unsafe {
        let patience = (*settings).tcp_timeouts[index(u32::from(tcp_state::LISTEN))];
        ((*settings).announced, patience)
    };
    announced != 0 && env.now().wrapping_sub(announced).wrapping_add(1) <= patience
}

/// Opens the data connection that a SYN belongs to: as [`open::connect`], [`NOBODY`](open::NOBODY) where
/// none was announced. `admits` says whether packets may open connections of a virtual server.
#[inline(always)]
pub(crate) fn open<F: Family, E: Env>(
    env: &E,
    flow: &Flow,
    state: u8,
    admits: impl FnOnce(u32) -> bool,
) -> i64 {
    let scratch = env.scratch();
    if flow.protocol != ipv4::PROTOCOL_TCP
        || flow.flags & tcp::SYN == 0
        || !may_come(env)
        || scratch.is_null()
    {
        return open::NOBODY;
    }
    let scratch = opaque(scratch);
    // SAFETY: the scratch is this CPU's alone while the program runs.
    unsafe {
        let draft = (*scratch).draft_mut(FORWARD);
        draft.tuple = flow.tuple;
        draft.tuple.ports = u32::from(upper16(flow.tuple.ports)) << 16;
        draft.identity = TCP;
    }
    let place = env.find_call(F::V6, FORWARD);
    if place < 0 && place != FOUND_OVERFLOW {
        return open::NOBODY;
    }
    let entry = table::entry_at::<F, E>(env, place);
    if entry.is_null() {
        return open::NOBODY;
    }
    let entry = opaque(entry);
    // SAFETY: entries in the table are valid for ever, those of the overflow hash while this runs.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above.
    let tag = Tag(unsafe { read_shared(fields.tag) });
    // SAFETY: as above.
    let (virtual_server, real_server) = unsafe {
        (*scratch).tuple = flow.tuple;
        (*scratch).real_port = u32::from(F::recipe(entry).destination_port());
        (u32::from(*fields.virtual_server), *fields.real_server)
    };
    let server = env.real_server(real_server);
    // SAFETY: as above.
    let is_same = Tag(unsafe { read_shared(fields.tag) }).same_use(tag);
    if tag.state() != tcp_state::LISTEN || !is_same || server.is_null() || !admits(virtual_server) {
        return open::NOBODY;
    }
    let how = KNOWN_PORT | TCP | u32::from(state);
    let answer = env.connect_call(F::V6, virtual_server, real_server, how);
    if answer < 0 && answer != OVERFLOWED {
        return answer;
    }
    // SAFETY: the server is a valid map value, its counters shared by atomics alone.
    unsafe { open::occupy(env, opaque(server), ipv4::PROTOCOL_TCP, state) };
    env.count(Counter::Opened);
    if place >= 0 {
        let place = low32(place.unsigned_abs());
        if answer >= 0 {
            let control = persistence::controller::<F, E>(env, place);
            persistence::control::<F, E>(env, low32(answer.unsigned_abs()), control);
        }
        // Where another packet did it first, it is done.
        let _ended = env.end_call(F::V6, place);
    }
    answer
}
