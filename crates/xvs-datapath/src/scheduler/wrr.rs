//! Weighted round robin (kernel `ip_vs_wrr.c`).
//!
//! The kernel keeps a current server and a current weight. It scans on for a server whose weight is
//! at least the current weight; at the end of the list the current weight falls by the divisor, and
//! from the lowest it goes back to the greatest. A level at which no server can be found is skipped
//! here by arithmetic instead of by walking the list once a level: weights reach 2^31 - 1.

use crate::{
    Env, Visitor,
    abi::{NONE, RealServer, high32, join, low32},
    scheduler::{Members, RACED, Service},
};

/// One round of the list from the current server on: the first server up to the end whose weight
/// reaches `level`; where there is none, the greatest weight of all.
struct Onward {
    level: u32,
    start: u32,
    greatest: u32,
    chosen: u32,
    position: u32,
}

impl Visitor for Onward {
    #[inline(always)]
    fn visit(&mut self, position: u32, index: u32, server: &RealServer) -> bool {
        let weight = if server.overloaded == 0 {
            server.weight
        } else {
            0
        };
        if weight > self.greatest {
            self.greatest = weight;
        }
        if weight < self.level || position < self.start {
            return false;
        }
        self.chosen = index;
        self.position = position;
        true
    }
}

/// The first server of the list whose weight reaches `level`.
struct Reaching {
    level: u32,
    chosen: u32,
    position: u32,
}

impl Visitor for Reaching {
    #[inline(always)]
    fn visit(&mut self, position: u32, index: u32, server: &RealServer) -> bool {
        if server.overloaded != 0 || server.weight < self.level {
            return false;
        }
        self.chosen = index;
        self.position = position;
        true
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, service: Service, members: Members, last: bool) -> u32 {
    // SAFETY: the service is a valid map value; `weighted` is shared by atomics alone, the others are
    // written by the daemon alone.
    let (state, greatest, divisor) = unsafe {
        (
            (&raw const (*service).weighted).read_volatile(),
            (*service).greatest,
            (*service).divisor,
        )
    };
    if greatest == 0 {
        return NONE;
    }
    let (cursor, level) = (low32(state), high32(state));
    let level = if level == 0 { greatest } else { level };
    let mut onward = Onward {
        level,
        start: cursor,
        greatest: 0,
        chosen: NONE,
        position: 0,
    };
    let start = if cursor < members.count { cursor } else { 0 };
    env.walk(members.list, start, &mut onward);
    let mut found = Reaching {
        level,
        chosen: onward.chosen,
        position: onward.position,
    };
    if found.chosen == NONE {
        if onward.greatest == 0 {
            return NONE;
        }
        found.level = fall(level, divisor, greatest, onward.greatest);
        env.walk(members.list, 0, &mut found);
        if found.chosen == NONE {
            return NONE;
        }
    }
    let next = join(found.position + 1, found.level);
    // SAFETY: as above.
    let seen = unsafe { env.compare_exchange(&raw mut (*service).weighted, state, next) };
    if seen == state || last {
        found.chosen
    } else {
        RACED
    }
}

/// The next level below `level`, or the greatest after the lowest, that a weight of `reachable` or
/// less can meet.
#[inline(always)]
fn fall(level: u32, divisor: u32, greatest: u32, reachable: u32) -> u32 {
    let divisor = if divisor == 0 { 1 } else { divisor };
    let next = if level > divisor {
        level - divisor
    } else {
        greatest
    };
    if next <= reachable {
        return next;
    }
    let steps = (next - reachable).div_ceil(divisor);
    let down = steps.wrapping_mul(divisor);
    if next > down { next - down } else { 1 }
}

/// What the daemon keeps of a virtual server's weights: (greatest less (divisor - 1), divisor).
#[must_use]
pub fn parameters(weights: impl Iterator<Item = u32>) -> (u32, u32) {
    let (mut greatest, mut divisor) = (0, 0);
    for weight in weights.filter(|weight| *weight > 0) {
        greatest = greatest.max(weight);
        divisor = common_divisor(divisor, weight);
    }
    let divisor = divisor.max(1);
    (
        if greatest == 0 {
            0
        } else {
            greatest - (divisor - 1)
        },
        divisor,
    )
}

/// The state after the list or a weight changed: the scan begins at the head, the level is kept as
/// far as it still is one (kernel `ip_vs_wrr_dest_changed`).
#[must_use]
pub fn after_change(state: u64, greatest: u32, divisor: u32) -> u64 {
    let level = high32(state);
    let level = if level == 0 || level > greatest {
        greatest
    } else if divisor > 1 {
        (level / divisor) * divisor + 1
    } else {
        level
    };
    join(0, level)
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if a == 0 { b } else { common_divisor(b % a, a) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_the_divisor_and_the_greatest_weight_less_one_step() {
        assert_eq!(parameters([4, 2, 0].into_iter()), (3, 2));
        assert_eq!(parameters([4, 3, 2].into_iter()), (4, 1));
        assert_eq!(parameters([0, 0].into_iter()), (0, 1));
    }

    #[test]
    fn a_level_that_no_server_reaches_is_skipped() {
        assert_eq!(fall(2_000_000_000, 1, 2_000_000_000, 3), 3);
        assert_eq!(fall(3, 2, 3, 4), 1);
        assert_eq!(fall(1, 2, 3, 4), 3);
    }

    #[test]
    fn a_change_begins_at_the_head_and_keeps_the_level() {
        assert_eq!(after_change(join(2, 3), 4, 1), join(0, 3));
        assert_eq!(after_change(join(2, 9), 4, 1), join(0, 4));
        assert_eq!(after_change(join(2, 4), 5, 2), join(0, 5));
    }
}
