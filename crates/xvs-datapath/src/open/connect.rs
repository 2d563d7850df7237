//! The entries of a new connection: drafted by its forwarding method, inserted, and put to account.

use core::marker::PhantomData;

use super::{OPEN_AGAIN, OPEN_DROP};
use crate::{
    Env, Rounds,
    abi::{
        Counter, Direction, LocalAddress, Method, NONE, RealServer, Tag, VirtualServer, low8,
        low16, virtual_server_flag, wide,
    },
    ftp,
    memory::opaque,
    port, state,
    table::{
        self, Draft, FOUND_OVERFLOW, Family, INSERT_COLLISION, INSERT_DUPLICATE, INSERT_FULL,
        REVERSE, Scratch,
    },
};

/// How many local ports a FULLNAT connection tries.
const PORT_TRIES: u32 = 32;
/// How often it takes another port because somebody else inserted the one it had found free.
const INSERT_TRIES: u32 = 3;

/// Drafts the entries of a connection of the tuple in the scratch, and inserts them. `how` has the
/// protocol in its second byte and the first state in its first; with
/// `KNOWN_PORT` the scratch names the real server's port.
#[inline(always)]
pub fn connect<F: Family, E: Env>(env: &E, virtual_server: u32, real_server: u32, how: u32) -> i64 {
    let scratch = env.scratch();
    let service = env.virtual_server(virtual_server);
    let server = env.real_server(real_server);
    if scratch.is_null() || service.is_null() || server.is_null() {
        env.count(Counter::DropInternal);
        return OPEN_DROP;
    }
    let (scratch, service) = (opaque(scratch), opaque(service));
    let server = opaque(server).cast_const();
    // SAFETY: the server is a valid map value.
    let method = unsafe { (*server).method };
    // SAFETY: the scratch is this CPU's alone while the program runs; nothing is called meanwhile that
    // would use it.
    let Scratch {
        forward: draft,
        tuple,
        ..
    } = unsafe { &mut *scratch };
    // Field by field: a draft built on the stack would take a fifth of it.
    draft.tag = Tag::of(method, low8(wide(how))) | Direction::FORWARD;
    draft.tuple = *tuple;
    draft.recipe = *tuple;
    draft.identity = how & 0xff00;
    draft.real_server = real_server;
    draft.ip_delta = 0;
    draft.l4_delta = 0;
    // SAFETY: as above.
    draft.next_hop = unsafe { (*server).next_hop };
    draft.virtual_server = low16(virtual_server);
    match method {
        Method::NAT => {
            // SAFETY: as above.
            let answer = unsafe {
                to_server(draft, service, server);
                if how & ftp::expect::KNOWN_PORT != 0 {
                    let port = (*scratch).real_port;
                    (*scratch).forward.recipe.ports =
                        (*scratch).forward.recipe.ports & 0xffff | port << 16;
                } else if ftp::is_control(low8(wide(how >> 8)), (*scratch).tuple.destination_port())
                {
                    (*scratch).forward.tag |= Tag::CROSSING;
                }
                two_way::<F, E>(env, scratch)
            };
            outcome(env, answer)
        }
        // SAFETY: all are valid map values.
        Method::FULLNAT => unsafe { full_nat::<F, E>(env, scratch, service, server) },
        Method::TUNNEL => {
            // SAFETY: both are valid map values; the draft is not used any more.
            unsafe { tunnel::<F>(scratch, server) };
            outcome(env, env.insert_call(F::V6, false))
        }
        _ => outcome(env, env.insert_call(F::V6, false)),
    }
}

/// Completes the draft of a tunnelled connection.
///
/// # Safety
/// `scratch` must be the environment's, and no reference into it may live; `server` must be a valid
/// map value.
// A frame of its own, and not under those of the other methods.
#[inline(never)]
unsafe fn tunnel<F: Family>(scratch: *mut Scratch, server: *const RealServer) {
    // SAFETY: the caller vouches for both.
    unsafe {
        let draft = &mut (*scratch).forward;
        if ((*server).family == 6) != F::V6 || (*server).tunnel_kind != 0 {
            draft.tag |= Tag::CROSSING;
        } else {
            draft.recipe.source = (*server).tunnel_source;
            draft.recipe.destination = (*server).address;
            draft.recipe.ports = 0;
        }
    }
}

/// Turns a draft's recipe to a real server. A persistent virtual server that takes every port, or
/// stands for a mark, keeps the client's choice (kernel `ip_vs_sched_persist`).
///
/// # Safety
/// `service` and `server` must be valid map values.
#[inline(always)]
unsafe fn to_server(draft: &mut Draft, service: *const VirtualServer, server: *const RealServer) {
    // SAFETY: the caller vouches for both.
    unsafe {
        draft.recipe.destination = (*server).address;
        let asked = draft.tuple.destination_port() == (*service).key.port;
        let persistent = (*service).flags & virtual_server_flag::PERSISTENT != 0;
        if (*server).port != 0 && (asked || !persistent) {
            draft.recipe.ports = draft.recipe.ports & 0xffff | u32::from((*server).port) << 16;
        }
    }
}

/// Completes the forward draft's deltas, drafts the reverse entry, and inserts both.
///
/// # Safety
/// `scratch` must be the environment's, and no reference into it may live.
#[inline(always)]
unsafe fn two_way<F: Family, E: Env>(env: &E, scratch: *mut Scratch) -> i64 {
    // SAFETY: the caller vouches for the scratch.
    unsafe { complete::<F>(scratch) };
    env.insert_call(F::V6, true)
}

/// Completes the forward draft's deltas, and drafts the reverse entry.
///
/// # Safety
/// As for [`two_way`].
// A frame of its own, which is gone before the insert has one.
#[inline(never)]
unsafe fn complete<F: Family>(scratch: *mut Scratch) {
    // SAFETY: the caller vouches for the scratch; its last use here is before the insert.
    let Scratch {
        forward, reverse, ..
    } = unsafe { &mut *scratch };
    (forward.ip_delta, forward.l4_delta) = table::deltas(&forward.tuple, &forward.recipe, F::V6);
    reverse.tag = forward.tag & !Tag::IDENTITY | Direction::REVERSE;
    back(forward, reverse);
    (reverse.ip_delta, reverse.l4_delta) = table::deltas(&reverse.tuple, &reverse.recipe, F::V6);
    reverse.identity = forward.identity;
    reverse.real_server = forward.real_server;
    reverse.next_hop = 0;
    reverse.virtual_server = forward.virtual_server;
}

/// The way back: what comes from the real server goes to the client.
#[inline(always)]
fn back(forward: &Draft, reverse: &mut Draft) {
    reverse.tuple.source = forward.recipe.destination;
    reverse.tuple.destination = forward.recipe.source;
    reverse.tuple.ports = forward.recipe.ports.rotate_left(16);
    reverse.recipe.source = forward.tuple.destination;
    reverse.recipe.destination = forward.tuple.source;
    reverse.recipe.ports = forward.tuple.ports.rotate_left(16);
}

/// Tries local ports until one is free towards this real server.
///
/// # Safety
/// `service` and `server` must be valid map values, `scratch` the environment's, and no reference into
/// it may live.
#[inline(always)]
unsafe fn full_nat<F: Family, E: Env>(
    env: &E,
    scratch: *mut Scratch,
    service: *mut VirtualServer,
    server: *const RealServer,
) -> i64 {
    // SAFETY: the caller vouches for the virtual server.
    let local = unsafe { port::local_address(env, service, F::V6) };
    let local = if local == NONE {
        core::ptr::null_mut()
    } else {
        env.local_address(local)
    };
    if local.is_null() {
        env.count(Counter::DropNoLocalAddress);
        return OPEN_DROP;
    }
    let local = opaque(local);
    // SAFETY: the caller vouches for scratch and server; the local address is a valid map value.
    unsafe {
        let forward = &mut (*scratch).forward;
        to_server(forward, service, server);
        forward.recipe.source = (*local).address;
    }
    let mut ports = Ports::<F, E> {
        env,
        scratch,
        local,
        free: 0,
        family: PhantomData,
    };
    let mut answer = INSERT_COLLISION;
    let mut attempts = 0;
    // Another CPU may take a port between look-up and insert: then the next free one. The insert is no
    // part of the search's rounds, for it would be too deep on the stack.
    while attempts < INSERT_TRIES && answer == INSERT_COLLISION {
        ports.free = 0;
        env.repeat(PORT_TRIES, &mut ports);
        if ports.free == 0 {
            env.count(Counter::DropNoLocalPort);
            // SAFETY: the caller vouches for the virtual server; the count is shared by atomics alone.
            unsafe { env.add64(&raw mut (*service).portless, 1) };
            return OPEN_DROP;
        }
        // SAFETY: the caller vouches for the scratch.
        answer = unsafe { two_way::<F, E>(env, scratch) };
        attempts += 1;
    }
    outcome(env, answer)
}

/// Looks for a free port, one a round.
struct Ports<'a, F, E> {
    env: &'a E,
    /// The environment's; no reference into it lives between rounds.
    scratch: *mut Scratch,
    /// A valid map value.
    local: *mut LocalAddress,
    /// Not 0 once the drafts have one.
    free: u32,
    family: PhantomData<F>,
}

impl<F: Family, E: Env> Rounds for Ports<'_, F, E> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        // SAFETY: the local address is a valid map value.
        let port = unsafe { port::next_port(self.env, self.local) };
        if port == 0 {
            // The host keeps every port of this address.
            return true;
        }
        // SAFETY: the scratch is the environment's; its last use here is before the look-up.
        let Scratch {
            forward, reverse, ..
        } = unsafe { &mut *self.scratch };
        forward.recipe.ports = forward.recipe.ports & 0xffff_0000 | u32::from(port);
        back(forward, reverse);
        reverse.identity = forward.identity;
        let taken = self.env.find_call(F::V6, REVERSE);
        if taken < 0 && taken != FOUND_OVERFLOW {
            self.free = 1;
        }
        self.free != 0
    }
}

/// Counts what became of an insert and says what becomes of the packet.
#[inline(always)]
fn outcome<E: Env>(env: &E, answer: i64) -> i64 {
    match answer {
        INSERT_DUPLICATE => OPEN_AGAIN,
        INSERT_FULL => {
            env.count(Counter::DropTableFull);
            OPEN_DROP
        }
        INSERT_COLLISION => {
            env.count(Counter::DropCollision);
            OPEN_DROP
        }
        other => other,
    }
}

/// Counts a connection at its virtual and its real server.
///
/// # Safety
/// Both must be valid map values.
#[inline(always)]
pub(super) unsafe fn account<E: Env>(
    env: &E,
    service: *mut VirtualServer,
    server: *mut RealServer,
    protocol: u8,
    state: u8,
) {
    env.count(Counter::Opened);
    // SAFETY: the caller vouches for both; counters are shared by atomics alone.
    unsafe {
        env.add64(&raw mut (*service).connections, 1);
        env.add64(&raw mut (*server).connections, 1);
        occupy(env, server, protocol, state);
    }
}

/// Notes a connection in this state among those that a real server has.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn occupy<E: Env>(env: &E, server: *mut RealServer, protocol: u8, state: u8) {
    // SAFETY: the caller vouches for the server; counters are shared by atomics alone.
    unsafe {
        let tag = Tag(u64::from(protocol) << 8).with_state(state);
        if state::is_active(tag) {
            env.add32(&raw mut (*server).active, 1);
        } else {
            env.add32(&raw mut (*server).inactive, 1);
        }
        table::burden(server);
    }
}
