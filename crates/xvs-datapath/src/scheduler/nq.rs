//! Never queue (kernel `ip_vs_nq.c`): the first server without an active connection; where all have
//! some, as [`sed`](super::sed).

use crate::{
    Env, Visitor,
    abi::RealServer,
    scheduler::{Members, sed::delay, usable, wlc::Least},
};

struct Idle {
    least: Least,
}

impl Visitor for Idle {
    #[inline(always)]
    fn visit(&mut self, _position: u32, index: u32, server: &RealServer) -> bool {
        if server.active == 0 && usable(server) {
            self.least.chosen = index;
            return true;
        }
        self.least.weigh(index, server, delay(server));
        false
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, members: Members) -> u32 {
    let mut idle = Idle { least: Least::NONE };
    env.walk(members.list, 0, &mut idle);
    idle.least.chosen
}
