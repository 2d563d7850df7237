//! Opening a connection: from a packet without one, to its entry.

use xvs_wire::{checksum, ipv4, tcp};

use crate::{
    Env, Flow, Packet, admission,
    abi::{
        Counter, Direction, Method, NONE, RealServer, Tag, Tuple, VirtualServer, low16, low32,
        setting_flag, upper16, virtual_server_flag,
    },
    memory::opaque,
    persistence, port, service,
    state::{self, udp},
    table::{
        self, Draft, FOUND_OVERFLOW, FORWARD, Family, INSERT_COLLISION, INSERT_DUPLICATE,
        INSERT_FULL, OVERFLOWED, REVERSE, Scratch,
    },
};

/// Not ours: to the kernel.
pub(crate) const OPEN_PASS: i64 = -10;
/// Dropped and counted.
pub(crate) const OPEN_DROP: i64 = -11;
/// No real server: the client is told that the port is unreachable.
pub(crate) const OPEN_REFUSE: i64 = -12;
/// Somebody else opened it meanwhile: look it up.
pub(crate) const OPEN_AGAIN: i64 = -13;

/// How many local ports a FULLNAT connection tries.
const PORT_TRIES: u32 = 32;

/// Opens a connection for a flow that has none. Answers the index of its forward entry,
/// [`OVERFLOWED`], or one of the constants above.
#[inline(always)]
pub(crate) fn open<F: Family, P: Packet, E: Env>(packet: &P, env: &E, flow: &Flow) -> i64 {
    if flow.protocol == ipv4::PROTOCOL_TCP && !opens(env, flow.flags) {
        return OPEN_PASS;
    }
    let index = service::of(env, flow);
    if index == NONE {
        return OPEN_PASS;
    }
    let service = env.virtual_server(index);
    if service.is_null() {
        return OPEN_PASS;
    }
    let service = opaque(service);
    // SAFETY: the virtual server is a valid map value.
    if !unsafe { admission::admits(packet, env, service) } {
        return OPEN_PASS;
    }
    let scratch = env.scratch();
    if scratch.is_null() {
        env.count(Counter::DropInternal);
        return OPEN_DROP;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let scratch = unsafe { &mut *opaque(scratch) };
    scratch.tuple = flow.tuple;
    // SAFETY: the virtual server is a valid map value.
    let persistent = unsafe { (*service).flags } & virtual_server_flag::PERSISTENT != 0;
    let (mut chosen, mut template) = (NONE, NONE);
    if persistent {
        // SAFETY: as above.
        (chosen, template) =
            unsafe { persistence::remembered::<F, E>(env, &flow.tuple, flow.protocol, service) };
    }
    if chosen == NONE {
        chosen = env.pick_call(index);
        if chosen == NONE {
            env.count(Counter::DropNoRealServer);
            return OPEN_REFUSE;
        }
        if persistent {
            // SAFETY: as above.
            template = unsafe {
                persistence::remember::<F, E>(
                    env,
                    scratch,
                    &flow.tuple,
                    flow.protocol,
                    service,
                    (index, chosen),
                )
            };
        }
    }
    let server = env.real_server(chosen);
    if server.is_null() {
        env.count(Counter::DropInternal);
        return OPEN_DROP;
    }
    let server = opaque(server);
    let state = first_state(env, flow, server);
    let answer = connect::<F, E>(env, scratch, flow, service, server, (index, chosen, state));
    if answer >= 0 || answer == OVERFLOWED {
        // SAFETY: both are valid map values, their counters shared by atomics alone.
        unsafe { account(env, service, server, flow.protocol, state) };
        if answer >= 0 {
            persistence::control::<F, E>(env, low32(answer.unsigned_abs()), template);
        }
    }
    answer
}

/// Whether a segment may open a connection (kernel `tcp_conn_schedule`): SYN without RST; with
/// sloppy_tcp anything without RST.
#[inline(always)]
fn opens<E: Env>(env: &E, flags: u8) -> bool {
    if flags & tcp::RST != 0 {
        return false;
    }
    if flags & tcp::SYN != 0 {
        return true;
    }
    let settings = env.settings();
    // SAFETY: the settings are a valid map value.
    !settings.is_null() && unsafe { (*opaque(settings)).flags } & setting_flag::SLOPPY_TCP != 0
}

#[inline(always)]
fn first_state<E: Env>(_env: &E, flow: &Flow, server: *const RealServer) -> u8 {
    if flow.protocol != ipv4::PROTOCOL_TCP {
        return udp::ONE_WAY;
    }
    // SAFETY: the server is a valid map value.
    let direction = if Method::two_way(unsafe { (*server).method }) {
        state::tcp::INPUT
    } else {
        state::tcp::INPUT_ONLY
    };
    state::tcp::next(direction, flow.flags, state::tcp::NONE)
}

/// Drafts the entries and inserts them.
#[inline(always)]
fn connect<F: Family, E: Env>(
    env: &E,
    scratch: &mut Scratch,
    flow: &Flow,
    service: *mut VirtualServer,
    server: *const RealServer,
    (virtual_server, real_server, state): (u32, u32, u8),
) -> i64 {
    // SAFETY: the server is a valid map value.
    let (method, crosses) = unsafe { ((*server).method, ((*server).family == 6) != F::V6) };
    let draft = scratch.draft_mut(FORWARD);
    *draft = Draft {
        tag: Tag::of(method, state) | Direction::FORWARD,
        tuple: flow.tuple,
        recipe: flow.tuple,
        identity: u32::from(flow.protocol) << 8,
        real_server,
        ip_delta: 0,
        l4_delta: 0,
        // SAFETY: as above.
        next_hop: unsafe { (*server).next_hop },
        virtual_server: low16(virtual_server),
    };
    match method {
        Method::NAT => {
            // SAFETY: as above.
            draft.recipe = unsafe { to_server(&flow.tuple, server) };
            outcome(env, two_way::<F, E>(env, scratch))
        }
        // SAFETY: both are valid map values.
        Method::FULLNAT => unsafe { full_nat::<F, E>(env, scratch, flow, service, server) },
        Method::TUNNEL if crosses => {
            draft.tag |= Tag::CROSSING;
            outcome(env, env.insert_call(F::V6, false))
        }
        Method::TUNNEL => {
            // SAFETY: as above.
            draft.recipe = unsafe {
                Tuple {
                    source: (*server).tunnel_source,
                    destination: (*server).address,
                    ports: 0,
                }
            };
            draft.ip_delta = outer_sum(&draft.recipe);
            outcome(env, env.insert_call(F::V6, false))
        }
        _ => outcome(env, env.insert_call(F::V6, false)),
    }
}

/// The tuple of packets on their way to a real server.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
unsafe fn to_server(tuple: &Tuple, server: *const RealServer) -> Tuple {
    // SAFETY: the caller vouches for the server.
    let (address, port) = unsafe { ((*server).address, (*server).port) };
    let port = if port == 0 { upper16(tuple.ports) } else { port };
    Tuple {
        source: tuple.source,
        destination: address,
        ports: tuple.ports & 0xffff | u32::from(port) << 16,
    }
}

/// Sum of an IPIP header's constant words, its addresses and what else does not change: version and
/// protocol. Length, type of service, identification, flags and time to live come with each packet.
#[inline(always)]
fn outer_sum(recipe: &Tuple) -> u16 {
    let constant = u32::from(ipv4::VERSION_IHL_PLAIN) + (u32::from(ipv4::PROTOCOL_IPIP) << 8);
    checksum::fold(
        constant + checksum::sum32(recipe.source[0]) + checksum::sum32(recipe.destination[0]),
    )
}

/// Completes the forward draft's deltas, drafts the reverse entry, and inserts both.
#[inline(always)]
fn two_way<F: Family, E: Env>(env: &E, scratch: &mut Scratch) -> i64 {
    let Scratch {
        forward, reverse, ..
    } = scratch;
    (forward.ip_delta, forward.l4_delta) =
        table::deltas(&forward.tuple, &forward.recipe, F::V6);
    let back = forward.recipe.swapped();
    let to_client = forward.tuple.swapped();
    let (ip_delta, l4_delta) = table::deltas(&back, &to_client, F::V6);
    *reverse = Draft {
        tag: forward.tag & !Tag::IDENTITY | Direction::REVERSE,
        tuple: back,
        recipe: to_client,
        identity: forward.identity,
        real_server: forward.real_server,
        ip_delta,
        l4_delta,
        next_hop: 0,
        virtual_server: forward.virtual_server,
    };
    env.insert_call(F::V6, true)
}

/// Tries local ports until one is free towards this real server.
///
/// # Safety
/// `service` and `server` must be valid map values.
#[inline(always)]
unsafe fn full_nat<F: Family, E: Env>(
    env: &E,
    scratch: &mut Scratch,
    flow: &Flow,
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
    // SAFETY: the caller vouches for the server.
    let recipe = unsafe { to_server(&flow.tuple, server) };
    let mut tries = 0;
    while tries < PORT_TRIES {
        tries += 1;
        // SAFETY: the local address is a valid map value.
        let (address, port) = unsafe { ((*local).address, port::next_port(env, local)) };
        scratch.forward.recipe = Tuple {
            source: address,
            destination: recipe.destination,
            ports: recipe.ports & 0xffff_0000 | u32::from(port),
        };
        scratch.reverse.tuple = scratch.forward.recipe.swapped();
        scratch.reverse.identity = scratch.forward.identity;
        let taken = env.find_call(F::V6, REVERSE);
        if taken >= 0 || taken == FOUND_OVERFLOW {
            continue;
        }
        let answer = two_way::<F, E>(env, scratch);
        if answer != INSERT_COLLISION {
            return outcome(env, answer);
        }
    }
    env.count(Counter::DropNoLocalPort);
    OPEN_DROP
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
unsafe fn account<E: Env>(
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
        let tag = Tag(u64::from(protocol) << 8).with_state(state);
        if state::is_active(tag) {
            env.add32(&raw mut (*server).active, 1);
        } else {
            env.add32(&raw mut (*server).inactive, 1);
        }
        table::burden(server);
    }
}
