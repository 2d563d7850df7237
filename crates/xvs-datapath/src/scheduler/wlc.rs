//! Weighted least connections (kernel `ip_vs_wlc.c`): the least load by weight; of equals the first
//! in the list.

use crate::{
    Env, Visitor,
    abi::{NONE, RealServer},
    scheduler::{Members, Service, overhead, usable},
};

struct Least {
    chosen: u32,
    weight: u32,
    load: u64,
}

impl Visitor for Least {
    #[inline(always)]
    fn visit(&mut self, _position: u32, index: u32, server: &RealServer) -> bool {
        if usable(server) {
            let load = overhead(server);
            // load / weight < least.load / least.weight, without dividing
            if self.chosen == NONE
                || self.load.wrapping_mul(u64::from(server.weight))
                    > load.wrapping_mul(u64::from(self.weight))
            {
                self.chosen = index;
                self.weight = server.weight;
                self.load = load;
            }
        }
        false
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, _service: Service, members: Members) -> u32 {
    let mut least = Least {
        chosen: NONE,
        weight: 0,
        load: 0,
    };
    env.walk(members.list, 0, members.count, &mut least);
    least.chosen
}
