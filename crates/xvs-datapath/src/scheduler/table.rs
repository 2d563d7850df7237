//! Tables of the hashing schedulers: which server each bucket belongs to.
//!
//! User space builds a table ([`fill`]), puts it into blocks like those of the list of real servers,
//! and swaps it whole: [`VirtualServer::buckets`](crate::abi::VirtualServer::buckets) names the first
//! block and the number of buckets. The programs look up one bucket.

use crate::{
    Env,
    abi::{Address, NONE, high32, index, low32},
    memory::opaque,
    scheduler::{dh, mh, number, sh, usable},
    table::available,
};

/// A real server as the tables need it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Member {
    /// Its index.
    pub index: u32,
    /// Its weight.
    pub weight: u32,
    /// Its latest weight that was not 0; 0 where it never had one.
    pub last_weight: u32,
    /// Its address.
    pub address: Address,
    /// Its port as in a packet.
    pub port: u16,
    /// mh: the next bucket of its permutation.
    pub(super) place: u32,
    /// mh: the step of its permutation.
    pub(super) step: u32,
}

impl Member {
    /// A real server at `index`.
    #[must_use]
    pub fn new(index: u32, server: &crate::abi::RealServer) -> Self {
        Self {
            index,
            weight: server.weight,
            last_weight: server.last_weight,
            address: server.address,
            port: server.port,
            place: 0,
            step: 0,
        }
    }
}

/// Buckets of the table of a scheduler; 0 for those without one.
#[must_use]
pub const fn size(scheduler: u32) -> usize {
    match scheduler {
        number::DH => dh::SIZE,
        number::SH => sh::SIZE,
        number::MH => mh::SIZE,
        _ => 0,
    }
}

/// Builds the table of a scheduler, as long as [`size`] says, from the real servers in the kernel's
/// order (last added first): an index for each bucket, or [`NONE`].
///
/// dh wants it built anew when a server comes or goes, sh and mh also when a weight changes.
pub fn fill(scheduler: u32, members: &mut [Member], buckets: &mut [u32]) {
    match scheduler {
        number::DH => dh::fill(members, buckets),
        number::SH => sh::fill(members, buckets),
        number::MH => mh::fill(members, buckets),
        _ => {}
    }
}

/// The server of a bucket, or [`NONE`].
#[inline(always)]
pub(super) fn at<E: Env>(env: &E, buckets: u64, place: u32) -> u32 {
    if place >= high32(buckets) {
        return NONE;
    }
    let block = env.block(low32(buckets).wrapping_add(place >> 6));
    if block.is_null() {
        return NONE;
    }
    // SAFETY: the block is a valid map value; the index is masked to its length.
    unsafe { (*opaque(block)).members[index(place & 63)] }
}

/// Whether the server at `index` is in the rules and takes connections.
#[inline(always)]
pub(super) fn stands<E: Env>(env: &E, index: u32) -> bool {
    let server = env.real_server(index);
    if server.is_null() {
        return false;
    }
    let server = opaque(server);
    // SAFETY: the server is a valid map value.
    unsafe { available(server) && usable(&*server) }
}
