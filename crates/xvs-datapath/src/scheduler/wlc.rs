//! Weighted least connections (kernel `ip_vs_wlc.c`): the least load by weight; of equals the first
//! in the list.

use crate::{
    Env, Visitor,
    abi::{NONE, RealServer},
    scheduler::{Members, overhead},
};

/// The server with the least load by weight so far.
pub(super) struct Least {
    /// Its index, or [`NONE`].
    pub(super) chosen: u32,
    weight: u32,
    load: u64,
}

impl Least {
    /// None yet: a load without weight, which every server undercuts that has a weight.
    pub(super) const NONE: Self = Self {
        chosen: NONE,
        weight: 0,
        load: 1,
    };

    /// Takes a server that is less loaded: `load` / weight is less, without dividing. One of weight 0
    /// never is.
    #[inline(always)]
    pub(super) fn weigh(&mut self, index: u32, server: &RealServer, load: u64) {
        if server.overloaded == 0
            && self.load.wrapping_mul(u64::from(server.weight))
                > load.wrapping_mul(u64::from(self.weight))
        {
            self.chosen = index;
            self.weight = server.weight;
            self.load = load;
        }
    }
}

impl Visitor for Least {
    #[inline(always)]
    fn visit(&mut self, _position: u32, index: u32, server: &RealServer) -> bool {
        self.weigh(index, server, overhead(server));
        false
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, members: Members) -> u32 {
    let mut least = Least::NONE;
    env.walk(members.list, 0, &mut least);
    least.chosen
}
