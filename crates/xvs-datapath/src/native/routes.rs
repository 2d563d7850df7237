//! A routing table with its neighbours.

use std::net::IpAddr;

use crate::{Fib, FibAnswer, abi::Address, native::address};

/// What the kernel would answer for a destination.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The destination.
    pub destination: IpAddr,
    /// The source that it is for alone, before those for any (a rule of routing); none for any.
    pub source: Option<IpAddr>,
    /// How many bits of the destination count; all of them where there is none.
    pub length: Option<u8>,
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
        let mine = |route: &&Route| {
            query.family == family(route.destination)
                && route.covers(&query.destination)
                && route
                    .source
                    .is_none_or(|source| address(source) == query.source)
        };
        let found = self
            .0
            .iter()
            .filter(mine)
            .max_by_key(|route| (route.source.is_some(), route.bits()));
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

impl Route {
    /// How many bits of the destination count.
    fn bits(&self) -> u8 {
        let all = if self.destination.is_ipv6() { 128 } else { 32 };
        self.length.unwrap_or(all)
    }

    fn covers(&self, wanted: &Address) -> bool {
        let whole = |address: &Address| {
            address.iter().fold(0_u128, |sum, word| {
                sum << 32 | u128::from(u32::from_be(*word))
            })
        };
        // An IPv4 address stands in the first word.
        let differing = whole(wanted) ^ whole(&address(self.destination));
        differing
            .checked_shr(128 - u32::from(self.bits()))
            .unwrap_or(0)
            == 0
    }
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv6() { 6 } else { 4 }
}
