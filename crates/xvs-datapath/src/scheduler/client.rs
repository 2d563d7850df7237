//! What sh and mh share: a hash of the client names a bucket, and with [`flag::FALLBACK`] other
//! buckets are asked where that one's server takes no connection.

use core::marker::PhantomData;

use crate::{
    Env, Rounds,
    abi::{NONE, Tuple},
    memory::opaque,
    scheduler::{
        Service, flag, folded,
        table::{at, stands},
    },
};

/// How a scheduler goes from a client to buckets.
pub(super) trait Buckets {
    /// How many there are.
    const SIZE: u32;

    /// The client's bucket.
    fn first(client: u32) -> u32;

    /// The bucket asked in a round of the search, the first round being 0.
    fn again(client: u32, first: u32, round: u32) -> u32;
}

/// The real server for the client of the scratch's tuple; [`NONE`] when there is none.
#[inline(always)]
pub(super) fn pick<B: Buckets, E: Env>(env: &E, service: Service) -> u32 {
    let scratch = env.scratch();
    if scratch.is_null() {
        return NONE;
    }
    // SAFETY: the scratch is this CPU's alone while the program runs; the service is a valid map
    // value.
    let (tuple, table, flags) = unsafe {
        (
            &(*opaque(scratch)).tuple,
            (*service).buckets,
            (*service).scheduler_flags,
        )
    };
    let client = client(tuple, flags);
    let first = B::first(client);
    let chosen = at(env, table, first);
    if stands(env, chosen) {
        return chosen;
    }
    if flags & flag::FALLBACK == 0 || chosen == NONE {
        return NONE;
    }
    let mut search = Search::<B, E> {
        env,
        table,
        client,
        first,
        round: 0,
        chosen: NONE,
        buckets: PhantomData,
    };
    env.repeat(B::SIZE, &mut search);
    search.chosen
}

/// What of a packet is hashed, before it is hashed: address and port as one number.
#[inline(always)]
fn client(tuple: &Tuple, flags: u32) -> u32 {
    let port = if flags & flag::PORT != 0 {
        u32::from(u16::from_be(tuple.source_port()))
    } else {
        0
    };
    folded(&tuple.source).wrapping_add(port)
}

/// Looks from bucket to bucket until one's server takes connections.
struct Search<'a, B, E> {
    env: &'a E,
    table: u64,
    client: u32,
    first: u32,
    round: u32,
    chosen: u32,
    buckets: PhantomData<B>,
}

impl<B: Buckets, E: Env> Rounds for Search<'_, B, E> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        let server = at(
            self.env,
            self.table,
            B::again(self.client, self.first, self.round),
        );
        self.round = self.round.wrapping_add(1);
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
