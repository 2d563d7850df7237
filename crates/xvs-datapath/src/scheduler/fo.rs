//! Weighted fail-over (kernel `ip_vs_fo.c`): the heaviest server that takes connections; of equals
//! the first in the list.

use crate::{
    Env, Visitor,
    abi::{NONE, RealServer},
    scheduler::Members,
};

struct Heaviest {
    chosen: u32,
    weight: u32,
}

impl Visitor for Heaviest {
    #[inline(always)]
    fn visit(&mut self, _position: u32, index: u32, server: &RealServer) -> bool {
        if server.overloaded == 0 && server.weight > self.weight {
            self.chosen = index;
            self.weight = server.weight;
        }
        false
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, members: Members) -> u32 {
    let mut heaviest = Heaviest {
        chosen: NONE,
        weight: 0,
    };
    env.walk(members.list, 0, &mut heaviest);
    heaviest.chosen
}
