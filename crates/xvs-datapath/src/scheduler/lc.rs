//! Least connections (kernel `ip_vs_lc.c`): the least load; of equals the first in the list.

use crate::{
    Env, Visitor,
    abi::{NONE, RealServer},
    scheduler::{Members, overhead, usable},
};

struct Least {
    chosen: u32,
    load: u64,
}

impl Visitor for Least {
    #[inline(always)]
    fn visit(&mut self, _position: u32, index: u32, server: &RealServer) -> bool {
        let load = overhead(server);
        if usable(server) && load < self.load {
            self.chosen = index;
            self.load = load;
        }
        false
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, members: Members) -> u32 {
    let mut least = Least {
        chosen: NONE,
        load: u64::MAX,
    };
    env.walk(members.list, 0, &mut least);
    least.chosen
}
