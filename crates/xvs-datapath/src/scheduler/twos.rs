//! Power of two random choices (kernel `ip_vs_twos.c`): two draws by weight, and of the two servers
//! the one with the lesser load by weight.

use crate::{
    Env, Visitor,
    abi::{NONE, RealServer, high32, low32, wide},
    scheduler::{Members, RACED, overhead, usable},
};

/// The sum of the weights.
struct Total {
    weight: u64,
}

impl Visitor for Total {
    #[inline(always)]
    fn visit(&mut self, _position: u32, _index: u32, server: &RealServer) -> bool {
        if usable(server) {
            self.weight = self.weight.wrapping_add(u64::from(server.weight));
        }
        false
    }
}

/// A draw: the weight left until its server, then that server.
#[repr(C)]
#[derive(Clone, Copy)]
struct Draw {
    left: u64,
    load: u64,
    chosen: u32,
    weight: u32,
}

impl Draw {
    #[inline(always)]
    const fn of(left: u64) -> Self {
        Self {
            left,
            load: 0,
            chosen: NONE,
            weight: 0,
        }
    }

    #[inline(always)]
    fn pass(&mut self, index: u32, server: &RealServer) {
        if self.chosen != NONE {
            return;
        }
        let weight = u64::from(server.weight);
        if self.left > weight {
            self.left -= weight;
            return;
        }
        self.chosen = index;
        self.weight = server.weight;
        self.load = overhead(server);
    }
}

struct Two {
    one: Draw,
    other: Draw,
}

impl Visitor for Two {
    #[inline(always)]
    fn visit(&mut self, _position: u32, index: u32, server: &RealServer) -> bool {
        if usable(server) {
            self.one.pass(index, server);
            self.other.pass(index, server);
        }
        self.one.chosen != NONE && self.other.chosen != NONE
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, members: Members, last: bool) -> u32 {
    let mut total = Total { weight: 0 };
    env.walk(members.list, 0, &mut total);
    if total.weight == 0 {
        return NONE;
    }
    // Both ends are in the range, as in the kernel.
    let range = total.weight + 1;
    let mut two = Two {
        one: Draw::of(below(range, env.random())),
        other: Draw::of(below(range, env.random())),
    };
    env.walk(members.list, 0, &mut two);
    let Two { one, other } = two;
    if one.chosen == NONE {
        // Weights fell between the walks: draw again.
        return if last { NONE } else { RACED };
    }
    let other_is_less_loaded = u64::from(other.weight).wrapping_mul(one.load)
        > u64::from(one.weight).wrapping_mul(other.load);
    if other.chosen != NONE && other_is_less_loaded {
        other.chosen
    } else {
        one.chosen
    }
}

/// A number from 0 to less than `range` from 32 random bits: their fraction of the range.
#[inline(always)]
fn below(range: u64, random: u32) -> u64 {
    let random = u64::from(random);
    wide(high32(range)) * random + ((wide(low32(range)) * random) >> 32)
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn a_draw_takes_its_fraction_of_a_range_of_any_size() {
        assert_eq!(below(10, 0), 0);
        assert_eq!(below(10, u32::MAX), 9);
        assert_eq!(below(1 << 40, 1 << 31), 1 << 39);
    }
}
