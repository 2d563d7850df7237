//! Weighted overflow (kernel `ip_vs_ovf.c`): the heaviest server whose active connections do not
//! exceed its weight; of equals the first in the list. UDP connections are never active.

use crate::{
    Env, Visitor,
    abi::{NONE, RealServer},
    scheduler::Members,
};

struct Roomiest {
    chosen: u32,
    weight: u32,
}

impl Visitor for Roomiest {
    #[inline(always)]
    fn visit(&mut self, _position: u32, index: u32, server: &RealServer) -> bool {
        if server.overloaded == 0 && server.weight > self.weight && server.active <= server.weight {
            self.chosen = index;
            self.weight = server.weight;
        }
        false
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, members: Members) -> u32 {
    let mut roomiest = Roomiest {
        chosen: NONE,
        weight: 0,
    };
    env.walk(members.list, 0, &mut roomiest);
    roomiest.chosen
}
