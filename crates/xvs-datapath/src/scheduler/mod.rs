//! The schedulers: one file each, and one line each in the list below.
//!
//! A scheduler gets the list of real servers in the kernel's order (the one added last comes first)
//! and answers the index of one, or [`NONE`]. It reads weights and counts that others change
//! meanwhile, and holds no lock.

pub mod lc;
pub mod rr;
pub mod wlc;
pub mod wrr;

use crate::{
    Env,
    abi::{NONE, RealServer, VirtualServer, high32},
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
}

/// The real servers of a virtual server, as a scheduler sees them.
#[derive(Clone, Copy, Debug)]
pub struct Members {
    /// First block and number, as in [`VirtualServer::members`].
    pub list: u64,
    /// How many there are, at least 1.
    pub count: u32,
}

/// Picks a real server of the virtual server with index `virtual_server`: its index, or [`NONE`].
#[inline(always)]
pub fn pick<E: Env>(env: &E, virtual_server: u32) -> u32 {
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
        number::RR => rr::pick(env, server, members),
        number::WRR => wrr::pick(env, server, members),
        number::LC => lc::pick(env, server, members),
        number::WLC => wlc::pick(env, server, members),
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

/// A virtual server that schedulers may change.
type Service = *mut VirtualServer;
