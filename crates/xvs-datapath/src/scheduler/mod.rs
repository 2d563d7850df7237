//! The schedulers: one file each, and one line each in the lists below.
//!
//! A scheduler gets the list of real servers in the kernel's order (the one added last comes first)
//! and answers the index of one, or [`NONE`]. It reads weights and counts that others change
//! meanwhile, and holds no lock. The hashing ones look up a table that user space builds
//! ([`table`]).

mod client;
pub mod dh;
pub mod fo;
pub mod lblc;
pub mod lblcr;
pub mod lc;
mod locality;
pub mod mh;
pub mod nq;
pub mod ovf;
pub mod rr;
pub mod sed;
pub mod sh;
pub mod table;
#[cfg(test)]
mod tests;
pub mod twos;
pub mod wlc;
pub mod wrr;

use crate::{
    Env,
    abi::{Address, NONE, RealServer, VirtualServer, high32},
    memory::opaque,
};

/// Numbers of the schedulers in the ABI.
pub mod number {
    /// Round robin.
    pub const RR: u32 = 0;
    /// Weighted round robin.
    pub const WRR: u32 = 1;
    /// Least connections.
    pub const LC: u32 = 2;
    /// Weighted least connections.
    pub const WLC: u32 = 3;
    /// Weighted fail-over.
    pub const FO: u32 = 4;
    /// Weighted overflow.
    pub const OVF: u32 = 5;
    /// Locality-based least connections.
    pub const LBLC: u32 = 6;
    /// Locality-based least connections with replication.
    pub const LBLCR: u32 = 7;
    /// Destination hashing.
    pub const DH: u32 = 8;
    /// Source hashing.
    pub const SH: u32 = 9;
    /// Maglev hashing.
    pub const MH: u32 = 10;
    /// Shortest expected delay.
    pub const SED: u32 = 11;
    /// Never queue.
    pub const NQ: u32 = 12;
    /// Power of two random choices.
    pub const TWOS: u32 = 13;
}

/// Bits of [`VirtualServer::scheduler_flags`] (kernel `IP_VS_SVC_F_SCHED1` and the next).
pub mod flag {
    /// sh and mh: where the bucket's server takes no connection, another bucket's.
    pub const FALLBACK: u32 = 1;
    /// sh and mh: the client's port counts too.
    pub const PORT: u32 = 1 << 1;
}

/// What [`attempt`] answers when another CPU chose meanwhile.
pub const RACED: u32 = NONE - 1;

/// The real servers of a virtual server, as a scheduler sees them.
#[derive(Clone, Copy, Debug)]
pub struct Members {
    /// First block and number, as in [`VirtualServer::members`].
    pub list: u64,
    /// How many there are, at least 1.
    pub count: u32,
}

/// Picks a real server of the virtual server with index `virtual_server` for the packet whose tuple is
/// in the scratch: its index, or [`NONE`].
#[inline(always)]
pub fn pick<E: Env>(env: &E, virtual_server: u32) -> u32 {
    let picked = attempt(env, virtual_server, false);
    if picked == RACED {
        attempt(env, virtual_server, true)
    } else {
        picked
    }
}

/// As [`pick`], once: [`RACED`] when another CPU moved the scheduler's state on, as then its choice
/// stands and ours is to be made after it. Who has lost already tries for the `last` time, and takes
/// what it finds: the round is then uneven by one.
#[inline(always)]
pub fn attempt<E: Env>(env: &E, virtual_server: u32, last: bool) -> u32 {
    let server = env.virtual_server(virtual_server);
    if server.is_null() {
        return NONE;
    }
    let server = opaque(server);
    // SAFETY: the virtual server is a valid map value.
    let (list, scheduler) = unsafe { ((*server).members, (*server).scheduler) };
    let members = Members {
        list,
        count: high32(list),
    };
    if members.count == 0 {
        return NONE;
    }
    match scheduler {
        number::RR => rr::pick(env, server, members, last),
        number::WRR => wrr::pick(env, server, members, last),
        number::LC => lc::pick(env, members),
        number::WLC => wlc::pick(env, members),
        number::FO => fo::pick(env, members),
        number::OVF => ovf::pick(env, members),
        number::LBLC => locality::pick(env, virtual_server, members, false),
        number::LBLCR => locality::pick(env, virtual_server, members, true),
        number::DH => dh::pick(env, server),
        number::SH => sh::pick(env, server),
        number::MH => mh::pick(env, server),
        number::SED => sed::pick(env, members),
        number::NQ => nq::pick(env, members),
        number::TWOS => twos::pick(env, members, last),
        _ => NONE,
    }
}

/// Whether a server may get a new connection at all.
#[inline(always)]
fn usable(server: &RealServer) -> bool {
    server.weight != 0 && server.overloaded == 0
}

/// The kernel's measure of load, `ip_vs_dest_conn_overhead`: 256 for each active connection and one
/// for each connection.
#[inline(always)]
fn overhead(server: &RealServer) -> u64 {
    (u64::from(server.active) << 8) + u64::from(server.active) + u64::from(server.inactive)
}

/// An address as the one number that hashing schedulers take, in the host's order.
#[inline(always)]
const fn folded(address: &Address) -> u32 {
    u32::from_be(address[0] ^ address[1] ^ address[2] ^ address[3])
}

/// A virtual server that schedulers may change.
type Service = *mut VirtualServer;
