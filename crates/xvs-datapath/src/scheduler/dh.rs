//! Destination hashing (kernel `ip_vs_dh.c`): by the address that the client talks to, which differs
//! where a virtual server is a firewall mark.

use crate::{
    Env,
    abi::NONE,
    bucket,
    memory::opaque,
    scheduler::{
        Service, folded,
        table::{Member, at, stands},
    },
};

/// Binary logarithm of [`SIZE`] (kernel `CONFIG_IP_VS_DH_TAB_BITS`, default 8).
const BITS: u32 = 8;
/// Buckets of the table.
pub const SIZE: usize = 1 << BITS;

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, service: Service) -> u32 {
    let scratch = env.scratch();
    if scratch.is_null() {
        return NONE;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs; the service is a valid map
    // value.
    let (destination, buckets) =
        unsafe { ((*opaque(scratch)).tuple.destination, (*service).buckets) };
    let chosen = at(env, buckets, bucket(folded(&destination), BITS));
    if stands(env, chosen) { chosen } else { NONE }
}

/// Fills the table from the servers in the kernel's order: one bucket each, round and round.
pub fn fill(members: &[Member], buckets: &mut [u32]) {
    buckets.fill(NONE);
    let servers = members.iter().cycle();
    for (bucket, member) in buckets.iter_mut().zip(servers) {
        *bucket = member.index;
    }
}
