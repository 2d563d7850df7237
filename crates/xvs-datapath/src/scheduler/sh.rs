//! Source hashing (kernel `ip_vs_sh.c`): by the client's address, with [`flag::PORT`] by its port too.

use crate::{
    Env, Rounds,
    abi::{NONE, Tuple},
    bucket,
    memory::opaque,
    scheduler::{
        Service, flag, folded,
        table::{Member, at, stands},
    },
};

/// Binary logarithm of [`SIZE`] (kernel `CONFIG_IP_VS_SH_TAB_BITS`, default 8).
const BITS: u32 = 8;
/// Buckets of the table.
pub const SIZE: usize = 1 << BITS;
const MASK: u32 = (1 << BITS) - 1;

/// What of a packet is hashed, before it is hashed: address and port as one number.
#[inline(always)]
pub(super) fn client(tuple: &Tuple, flags: u32) -> u32 {
    let port = if flags & flag::PORT != 0 {
        u32::from(u16::from_be(tuple.source_port()))
    } else {
        0
    };
    folded(&tuple.source).wrapping_add(port)
}

/// Looks from bucket to bucket.
struct Round<'a, E> {
    env: &'a E,
    buckets: u64,
    hash: u32,
    offset: u32,
    chosen: u32,
}

impl<E: Env> Rounds for Round<'_, E> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        // The kernel adds the hash to an offset that begins at the hash.
        let place = self.hash.wrapping_mul(2).wrapping_add(self.offset) & MASK;
        self.offset = self.offset.wrapping_add(1);
        let server = at(self.env, self.buckets, place);
        if server == NONE {
            return true;
        }
        if stands(self.env, server) {
            self.chosen = server;
            return true;
        }
        false
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, service: Service) -> u32 {
    let scratch = env.scratch();
    if scratch.is_null() {
        return NONE;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs; the service is a valid map
    // value.
    let (tuple, buckets, flags) = unsafe {
        (
            &(*opaque(scratch)).tuple,
            (*service).buckets,
            (*service).scheduler_flags,
        )
    };
    let hash = bucket(client(tuple, flags), BITS);
    let chosen = at(env, buckets, hash);
    if stands(env, chosen) {
        return chosen;
    }
    if flags & flag::FALLBACK == 0 || chosen == NONE {
        return NONE;
    }
    let mut round = Round {
        env,
        buckets,
        hash,
        offset: 0,
        chosen: NONE,
    };
    env.repeat(1 << BITS, &mut round);
    round.chosen
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
