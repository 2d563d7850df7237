//! Opening a connection: from a packet without one, to its entry.

mod connect;

use xvs_wire::{ipv4, tcp};

pub use connect::connect;
pub(crate) use connect::occupy;

use connect::account;

use crate::{
    Env, Flow, Packet, Verdict,
    abi::{
        Counter, Method, NONE, RealServer, VirtualServer, high32, join, low32, setting_flag,
        virtual_server_flag,
    },
    admission, answer, brought, fragments, ftp,
    martian::is_martian,
    memory::opaque,
    persistence, related, service, sip,
    state::{self, sctp, udp},
    table::{self, FOUND_OVERFLOW, Family, OVERFLOWED},
    unusual,
};

/// Not ours: to the kernel.
const OPEN_PASS: i64 = -10;
/// Dropped and counted.
const OPEN_DROP: i64 = -11;
/// No real server: the client is told that the port is unreachable.
const OPEN_REFUSE: i64 = -12;
/// Somebody else opened it meanwhile: look it up.
pub(crate) const OPEN_AGAIN: i64 = -13;
/// Nobody has announced it.
pub(crate) const NOBODY: i64 = -14;

/// Decides a packet of the family that the fast path found no connection for: [`Verdict::CARRY`]
/// when there is one now.
#[inline(always)]
pub fn run<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    // SAFETY: nothing else took it.
    let Some(flow) = (unsafe { Flow::of(env) }) else {
        return Verdict::PASS;
    };
    let is_read = flow.opened == Flow::READ;
    flow.opened = 0;
    flow.heard = 0;
    flow.is_new = 0;
    if !is_read && !unusual::parse::<F, P, E>(packet, env, flow) {
        if flow.fragment == unusual::EARLY {
            return fragments::unknown::<F, P, E>(packet, env, flow);
        }
        return related::schedule::<F, P, E>(packet, env, flow);
    }
    if fragments::is_awaited(env, flow) {
        return Verdict::RELEASE;
    }
    // Where the fast path has looked, and there is no other place, the connection is not there.
    if !is_read || table::is_overflown::<F, E>(env) {
        let place = table::find_flow::<F, E>(env, flow);
        flow.opened = handed(place);
        if place >= 0 || place == FOUND_OVERFLOW {
            return Verdict::CARRY;
        }
    }
    // The host drops both, and says so where it is asked to.
    if flow.fragment == unusual::CUT || is_martian::<F, P, E>(packet, env, flow) {
        return Verdict::PASS;
    }
    let opened = open::<F, P, E, true>(packet, env, flow);
    flow.opened = handed(opened);
    // One in the overflow hash goes its step twice, which leads no further: TCP's table has SYN, and with
    // sloppy_tcp ACK and FIN, lead from where they lead back there, and SCTP's step knows the first packet.
    flow.is_new = u32::from(flow.opened != 0);
    match opened {
        OPEN_PASS => {
            // Where it is brought once more, and opens a connection then, that is noted over this.
            if flow.fragment == unusual::FIRST && P::RESOLVES {
                fragments::note(env, flow, true);
            }
            Verdict::PASS
        }
        OPEN_DROP => Verdict::DROP,
        OPEN_REFUSE => {
            // As the kernel does where no real server is left (`ip_vs_leave`).
            flow.message = answer::PORT_UNREACHABLE;
            flow.account = 0;
            Verdict::ANSWER
        }
        OPEN_AGAIN => {
            // The other packet's connection may not be complete yet; the client sends again.
            env.count(Counter::DropRace);
            Verdict::DROP
        }
        _ => Verdict::CARRY,
    }
}

/// What *carry* is told of an entry in the table: [`Flow::opened`].
#[inline(always)]
fn handed(place: i64) -> u32 {
    if place < 0 {
        0
    } else {
        low32(place.unsigned_abs()).wrapping_add(1)
    }
}

/// Opens a connection for a flow that has none. Answers the index of its forward entry,
/// [`OVERFLOWED`], or one of the constants above. `READS` says whether the packet has text of the
/// flow's that may be read.
#[inline(always)]
fn open<F: Family, P: Packet, E: Env, const READS: bool>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
) -> i64 {
    let message = flow.fragment == unusual::MESSAGE;
    let opens = message
        || match flow.protocol {
            ipv4::PROTOCOL_TCP => opens(env, flow.flags),
            ipv4::PROTOCOL_SCTP => opens_sctp(env, flow.flags),
            _ => true,
        };
    // Where the connection of a later fragment is gone, only a first one opens another; AH and ESP open none.
    if !opens || !unusual::has_ports(flow) {
        return OPEN_PASS;
    }
    if READS {
        let state = state::next_tcp(env, state::tcp::INPUT, flow.flags, state::tcp::NONE);
        let announced = ftp::expect::open::<F, E>(env, flow, state, |index| {
            let service = env.virtual_server(index);
            // SAFETY: the virtual server is a valid map value.
            !service.is_null() && unsafe { admission::admits(packet, env, opaque(service)) }
        });
        if announced != NOBODY {
            return announced;
        }
    }
    let index = service::of(env, flow, packet.mark());
    if index == NONE {
        return OPEN_PASS;
    }
    if brought::is_awaited(packet, env) {
        // The firewall has not seen it yet, and a mark outweighs the address.
        return OPEN_PASS;
    }
    let service = env.virtual_server(index);
    if service.is_null() {
        return OPEN_PASS;
    }
    let service = opaque(service);
    // SAFETY: the virtual server is a valid map value.
    if unsafe { is_data_alone(flow, service) } {
        return OPEN_PASS;
    }
    // SAFETY: the virtual server is a valid map value.
    if !unsafe { admission::admits(packet, env, service) } {
        return OPEN_PASS;
    }
    if defended(env) {
        env.count(Counter::DropDefence);
        return OPEN_DROP;
    }
    let scratch = env.scratch();
    if scratch.is_null() {
        env.count(Counter::DropInternal);
        return OPEN_DROP;
    }
    // SAFETY: the virtual server is a valid map value.
    if unsafe { (*service).flags } & virtual_server_flag::SIP != 0
        && !(READS && sip::read(packet, env, flow, index))
    {
        env.count(Counter::DropNoCallId);
        return OPEN_DROP;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    unsafe { (*opaque(scratch)).tuple = flow.tuple };
    // SAFETY: the virtual server is a valid map value.
    let choice = unsafe { server_of::<F, E>(env, service, index, flow.protocol) };
    let (chosen, template) = (low32(choice), high32(choice));
    if chosen == NONE {
        env.count(Counter::DropNoRealServer);
        return OPEN_REFUSE;
    }
    let server = env.real_server(chosen);
    if server.is_null() {
        env.count(Counter::DropInternal);
        return OPEN_DROP;
    }
    let server = opaque(server);
    let state = if message {
        quoted_state(flow.protocol)
    } else {
        first_state(env, flow, server)
    };
    let answer = env.connect_call(
        F::V6,
        index,
        chosen,
        u32::from(flow.protocol) << 8 | u32::from(state),
    );
    if answer >= 0 || answer == OVERFLOWED {
        // SAFETY: both are valid map values, their counters shared by atomics alone.
        unsafe { account(env, service, server, flow.protocol, state) };
        if answer >= 0 {
            let connection = low32(answer.unsigned_abs());
            persistence::control::<F, E>(env, connection, template);
            // With sloppy_tcp and sloppy_sctp.
            let established = match flow.protocol {
                ipv4::PROTOCOL_TCP => state == state::tcp::ESTABLISHED,
                ipv4::PROTOCOL_SCTP => state == sctp::ESTABLISHED,
                _ => false,
            };
            if established {
                persistence::assure::<F, E>(env, connection, chosen);
            }
        }
    }
    answer
}

/// Whether a packet is data of FTP that nobody has announced: what a server sends of its own accord, and
/// what the look-up finds another port's virtual server for, unless that one is persistent (kernel
/// `ip_vs_schedule`, `ip_vs_leave`).
///
/// # Safety
/// `service` must be a valid map value.
#[inline(always)]
unsafe fn is_data_alone(flow: &Flow, service: *const VirtualServer) -> bool {
    // SAFETY: the caller vouches for the virtual server.
    let (port, flags) = unsafe { ((*service).key.port, (*service).flags) };
    flow.tuple.source_port() == ftp::DATA_PORT.to_be()
        || port != 0
            && port != flow.tuple.destination_port()
            && flags & virtual_server_flag::PERSISTENT == 0
}

/// Opens a connection for packets that an ICMP error quotes, whose tuple is in `flow`, where that is
/// asked for (`schedule_icmp`; kernel `ip_vs_try_to_schedule`): [`Verdict::RELATED`] when there is one
/// now, [`Verdict::ONWARD`] when it is none of ours. It ends within seconds when no packet follows.
#[inline(always)]
pub(crate) fn by_message<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
) -> Verdict {
    if !state::is_set(env, setting_flag::SCHEDULE_ICMP) {
        return Verdict::ONWARD;
    }
    match open::<F, P, E, false>(packet, env, flow) {
        OPEN_PASS => Verdict::ONWARD,
        // An error is never the cause of another one.
        OPEN_DROP | OPEN_REFUSE => Verdict::DROP,
        OPEN_AGAIN => {
            env.count(Counter::DropRace);
            Verdict::DROP
        }
        _ => Verdict::RELATED,
    }
}

/// The real server for the tuple in the scratch, as [`choose`] says it. Only what persists is worth a call
/// more than the scheduler's.
///
/// # Safety
/// `service` must be the valid map value at `index`.
#[inline(always)]
pub(crate) unsafe fn server_of<F: Family, E: Env>(
    env: &E,
    service: *const VirtualServer,
    index: u32,
    protocol: u8,
) -> u64 {
    // SAFETY: the caller vouches for the virtual server.
    if unsafe { (*service).flags } & virtual_server_flag::PERSISTENT == 0 {
        join(env.pick_call(index), NONE)
    } else {
        env.choose_call(F::V6, index, u32::from(protocol))
    }
}

/// The real server of a persistent virtual server for the tuple in the scratch (low half) and the template
/// that says so (high half); each [`NONE`] when there is none.
#[inline(always)]
pub fn choose<F: Family, E: Env>(env: &E, virtual_server: u32, protocol: u32) -> u64 {
    let service = env.virtual_server(virtual_server);
    let scratch = env.scratch();
    if service.is_null() || scratch.is_null() {
        return join(NONE, NONE);
    }
    let (scratch, service) = (opaque(scratch), opaque(service));
    // SAFETY: both are valid map values, and the scratch is this CPU's alone while the program runs.
    unsafe { persistence::choose::<F, E>(env, scratch, service, virtual_server, protocol) }
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
    state::is_set(env, setting_flag::SLOPPY_TCP)
}

/// Whether a packet of SCTP may open a connection (kernel `sctp_conn_schedule`): INIT; with sloppy_sctp
/// anything but ABORT.
#[inline(always)]
fn opens_sctp<E: Env>(env: &E, event: u8) -> bool {
    event == sctp::INIT_CHUNK
        || event != sctp::ABORT_CHUNK && state::is_set(env, setting_flag::SLOPPY_SCTP)
}

/// Whether `drop_packet` takes this new connection (kernel `ip_vs_todrop`): the first, and then one of
/// each `drop_rate`.
#[inline(always)]
fn defended<E: Env>(env: &E) -> bool {
    let settings = env.settings();
    if settings.is_null() {
        return false;
    }
    let settings = opaque(settings);
    // SAFETY: the settings are a valid map value; the counter is shared by atomics alone.
    unsafe {
        let rate = (*settings).drop_rate;
        if rate == 0 {
            return false;
        }
        let counter = &raw mut (*settings).drop_counter;
        let left = counter.read_volatile();
        let takes = left < 2 || left > rate;
        let next = if takes { rate } else { left - 1 };
        // Who loses a race goes on, as in the kernel, which counts without a lock.
        env.compare_exchange32(counter, left, next) == left && takes
    }
}

/// The state of a connection whose packets were only quoted.
#[inline(always)]
const fn quoted_state(protocol: u8) -> u8 {
    if protocol == ipv4::PROTOCOL_TCP {
        state::tcp::NONE
    } else {
        udp::QUOTED
    }
}

#[inline(always)]
fn first_state<E: Env>(env: &E, flow: &Flow, server: *const RealServer) -> u8 {
    if flow.protocol == ipv4::PROTOCOL_UDP {
        return udp::ONE_WAY;
    }
    // SAFETY: the server is a valid map value.
    let method = unsafe { (*server).method };
    let direction = if Method::two_way(method) || method == Method::LOCAL {
        state::tcp::INPUT
    } else {
        state::tcp::INPUT_ONLY
    };
    if flow.protocol == ipv4::PROTOCOL_SCTP {
        return sctp::next(direction, flow.flags, sctp::NONE);
    }
    state::next_tcp(env, direction, flow.flags, state::tcp::NONE)
}
