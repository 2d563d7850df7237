//! Round robin (kernel `ip_vs_rr.c`): the next usable server after the last chosen one.

use crate::{
    Env, Visitor,
    abi::{NONE, RealServer},
    scheduler::{Members, Service, usable},
};

struct First {
    chosen: u32,
    position: u32,
}

impl Visitor for First {
    #[inline(always)]
    fn visit(&mut self, position: u32, index: u32, server: &RealServer) -> bool {
        if usable(server) {
            self.chosen = index;
            self.position = position;
            return true;
        }
        false
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, service: Service, members: Members) -> u32 {
    let mut tries = 0;
    loop {
        // SAFETY: the service is a valid map value; its cursor is shared by atomics alone.
        let cursor = unsafe { (&raw const (*service).cursor).read_volatile() };
        let start = if cursor < members.count { cursor } else { 0 };
        let mut first = First {
            chosen: NONE,
            position: 0,
        };
        env.walk(members.list, start, members.count, &mut first);
        if first.chosen == NONE {
            return NONE;
        }
        // SAFETY: as above.
        let seen = unsafe {
            env.compare_exchange32(&raw mut (*service).cursor, cursor, first.position + 1)
        };
        tries += 1;
        // Another CPU moved on: its choice stands, ours is made after it. Whoever loses twice
        // in a row takes what it found; the round is then uneven by one.
        if seen == cursor || tries >= 2 {
            return first.chosen;
        }
    }
}
