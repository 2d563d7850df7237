//! Source hashing (kernel `ip_vs_sh.c`): by the client's address, with its flag for the port by its port too.

use crate::{
    Env,
    abi::NONE,
    bucket,
    scheduler::{
        Service,
        client::{self, Buckets},
        table::Member,
    },
};

/// Binary logarithm of [`SIZE`] (kernel `CONFIG_IP_VS_SH_TAB_BITS`, default 8).
const BITS: u32 = 8;
/// Buckets of the table.
pub const SIZE: usize = 1 << BITS;

struct SourceHashing;

impl Buckets for SourceHashing {
    const SIZE: u32 = 1 << BITS;

    #[inline(always)]
    fn first(client: u32) -> u32 {
        bucket(client, BITS)
    }

    #[inline(always)]
    fn again(_client: u32, first: u32, round: u32) -> u32 {
        // The kernel adds the hash to an offset that begins at the hash.
        first.wrapping_mul(2).wrapping_add(round) & (Self::SIZE - 1)
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, service: Service) -> u32 {
    client::pick::<SourceHashing, E>(env, service)
}

/// Fills the table from the servers in the kernel's order: as many buckets each as its weight, at
/// least one, round and round.
pub fn fill(members: &[Member], buckets: &mut [u32]) {
    buckets.fill(NONE);
    let mut servers = members.iter().cycle();
    let (mut left, mut index) = (0, NONE);
    for bucket in buckets {
        if left == 0 {
            let Some(member) = servers.next() else {
                return;
            };
            (left, index) = (member.weight.max(1), member.index);
        }
        *bucket = index;
        left -= 1;
    }
}
