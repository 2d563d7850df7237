//! Shortest expected delay (kernel `ip_vs_sed.c`): the least (active + 1) by weight, as if the new
//! connection were already there; of equals the first in the list.

use crate::{
    Env, Visitor,
    abi::RealServer,
    scheduler::{Members, wlc::Least},
};

struct Soonest {
    least: Least,
}

impl Visitor for Soonest {
    #[inline(always)]
    fn visit(&mut self, _position: u32, index: u32, server: &RealServer) -> bool {
        self.least.weigh(index, server, delay(server));
        false
    }
}

/// Connections that the server would have active with one more.
#[inline(always)]
pub(super) fn delay(server: &RealServer) -> u64 {
    u64::from(server.active) + 1
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, members: Members) -> u32 {
    let mut soonest = Soonest { least: Least::NONE };
    env.walk(members.list, 0, &mut soonest);
    soonest.least.chosen
}
