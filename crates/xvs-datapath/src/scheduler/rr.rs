//! Round robin (kernel `ip_vs_rr.c`): the next usable server after the last chosen one.

use crate::{
    Env, Visitor,
    abi::{NONE, RealServer},
    memory::opaque,
    scheduler::{Members, RACED, Service, table, usable},
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
pub(super) fn pick<E: Env>(env: &E, service: Service, members: Members, last: bool) -> u32 {
    // SAFETY: the service is a valid map value; its cursor is shared by atomics alone.
    let cursor = unsafe { (&raw const (*service).cursor).read_volatile() };
    let start = if cursor < members.count { cursor } else { 0 };
    let mut first = First {
        chosen: NONE,
        position: 0,
    };
    look(env, members, start, &mut first);
    if first.chosen == NONE {
        env.walk(members.list, start, &mut first);
    }
    if first.chosen == NONE {
        return NONE;
    }
    // SAFETY: as above.
    let seen =
        unsafe { env.compare_exchange32(&raw mut (*service).cursor, cursor, first.position + 1) };
    if seen == cursor || last {
        first.chosen
    } else {
        RACED
    }
}

/// Looks at the server at `start`, whose turn it is nearly always: a walk costs as much as ten such looks.
#[inline(always)]
fn look<E: Env>(env: &E, members: Members, start: u32, first: &mut First) {
    let index = table::at(env, members.list, start);
    let server = env.real_server(index);
    if !server.is_null() {
        // SAFETY: the server is a valid map value.
        first.visit(start, index, unsafe { &*opaque(server) });
    }
}

/// The cursor after the list changed from `old` to `new`, both indexes of real servers in the
/// kernel's order: behind the server chosen last, or where that is gone behind the one before it.
#[must_use]
pub fn after_change(old: &[u32], new: &[u32], cursor: u32) -> u32 {
    let behind = usize::try_from(cursor).unwrap_or(usize::MAX);
    old.iter()
        .take(behind)
        .rev()
        .find_map(|server| new.iter().position(|other| other == server))
        .and_then(|position| u32::try_from(position + 1).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::after_change;

    #[test]
    fn a_server_added_at_the_head_moves_the_cursor_on() {
        assert_eq!(after_change(&[3, 2, 1], &[4, 3, 2, 1], 2), 3);
    }

    #[test]
    fn without_the_last_chosen_server_the_round_goes_on_behind_the_one_before() {
        assert_eq!(after_change(&[3, 2, 1], &[3, 1], 2), 1);
        assert_eq!(after_change(&[3, 2, 1], &[2, 1], 1), 0);
    }

    #[test]
    fn a_round_that_has_not_begun_begins_at_the_head() {
        assert_eq!(after_change(&[2, 1], &[3, 2, 1], 0), 0);
    }
}
