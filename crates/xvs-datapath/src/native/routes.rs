//! A routing table with its neighbours.

use std::net::IpAddr;

use crate::{Fib, FibAnswer, native::address};

/// What the kernel would answer for a destination.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The destination, a single address.
    pub destination: IpAddr,
    /// The neighbour, where it is not the destination.
    pub gateway: Option<IpAddr>,
    /// The answer.
    pub answer: FibAnswer,
}

/// A routing table; what is not in it is unreachable.
#[derive(Clone, Debug, Default)]
pub struct Routes(pub Vec<Route>);

/// `BPF_FIB_LKUP_RET_UNREACHABLE`.
const UNREACHABLE: u32 = 2;

impl Routes {
    /// The answer to `query`, which then names the neighbour.
    #[must_use]
    pub fn look_up(&self, query: &mut Fib) -> FibAnswer {
        let found = self.0.iter().find(|route| {
            query.family == family(route.destination)
                && address(route.destination) == query.destination
        });
        let Some(route) = found else {
            return FibAnswer {
                code: UNREACHABLE,
                ..FibAnswer::default()
            };
        };
        if let Some(gateway) = route.gateway {
            query.destination = address(gateway);
            query.family = family(gateway);
        }
        route.answer
    }
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv6() { 6 } else { 4 }
}
