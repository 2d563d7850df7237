//! The order of `-L`: ipvsadm's comparisons, which are not an order.
//!
//! ipvsadm subtracts 32-bit values into an `int`, so that far apart values wrap: 255.255.255.255
//! comes before 0.0.0.0, and there are three addresses each before the next. What such a comparison
//! gives depends on the algorithm, so the C library's is used: glibc's `qsort`, a merge sort that
//! halves from the top. (Rust's own sort may panic on such a comparison.)

use std::net::IpAddr;

use xvs_types::{
    Endpoint, Family, Protocol, RealServerListing, VirtualServerId, VirtualServerListing,
};

/// Sorts virtual servers, and the real servers of each.
pub(super) fn sort(virtual_servers: &mut Vec<VirtualServerListing>) {
    merge_sort(virtual_servers, &|one, other| {
        compare_virtual_servers(&one.config.id, &other.config.id)
    });
    for virtual_server in virtual_servers {
        sort_real_servers(&mut virtual_server.real_servers);
    }
}

/// Sorts the real servers of one virtual server.
pub(super) fn sort_real_servers(real_servers: &mut Vec<RealServerListing>) {
    merge_sort(real_servers, &|one, other| {
        compare_endpoints(one.config.endpoint, other.config.endpoint)
    });
}

/// Negative, zero or positive, as C's comparisons answer.
type Compare<'a, T> = &'a dyn Fn(&T, &T) -> i32;

/// Sorts by way of the items' places: an item is moved once, whatever its size.
fn merge_sort<T>(items: &mut Vec<T>, compare: Compare<'_, T>) {
    let mut places: Vec<usize> = (0..items.len()).collect();
    let mut room = places.clone();
    sort_places(
        &mut places,
        &mut room,
        &|one, other| match (items.get(one), items.get(other)) {
            (Some(one), Some(other)) => compare(one, other),
            _ => 0,
        },
    );
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(
        places
            .into_iter()
            .filter_map(|place| taken.get_mut(place)?.take()),
    );
}

/// Sorts `places`; `room` is as long.
fn sort_places(places: &mut [usize], room: &mut [usize], compare: &dyn Fn(usize, usize) -> i32) {
    if places.len() < 2 {
        return;
    }
    let half = places.len() / 2;
    let (lower, upper) = places.split_at_mut(half);
    sort_places(lower, &mut room[..half], compare);
    sort_places(upper, &mut room[half..], compare);
    let (mut lower, mut upper) = (lower.iter().peekable(), upper.iter().peekable());
    for slot in room.iter_mut() {
        let from_lower = match (lower.peek(), upper.peek()) {
            (Some(one), Some(other)) => compare(**one, **other) <= 0,
            (one, _) => one.is_some(),
        };
        let next = if from_lower {
            lower.next()
        } else {
            upper.next()
        };
        *slot = next.copied().unwrap_or_default();
    }
    places.copy_from_slice(room);
}

fn compare_virtual_servers(one: &VirtualServerId, other: &VirtualServerId) -> i32 {
    first_difference([
        difference(mark(one), mark(other)),
        family(one.family()) - family(other.family()),
        protocol(one) - protocol(other),
        match (one, other) {
            (
                VirtualServerId::Address { endpoint: one, .. },
                VirtualServerId::Address {
                    endpoint: other, ..
                },
            ) => compare_endpoints(*one, *other),
            _ => 0,
        },
    ])
}

fn compare_endpoints(one: Endpoint, other: Endpoint) -> i32 {
    let addresses = match (one.address, other.address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => difference(one.to_bits(), other.to_bits()),
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let words = [96_u32, 64, 32, 0].map(|shift| {
                let word = |bits: u128| u32::try_from((bits >> shift) & 0xffff_ffff).unwrap_or(0);
                difference(word(one.to_bits()), word(other.to_bits()))
            });
            first_difference(words)
        }
        _ => family(one.family()) - family(other.family()),
    };
    first_difference([addresses, i32::from(one.port) - i32::from(other.port)])
}

/// The difference as a C compiler stores it in an `int`.
fn difference(one: u32, other: u32) -> i32 {
    one.wrapping_sub(other).cast_signed()
}

fn first_difference<const N: usize>(differences: [i32; N]) -> i32 {
    differences
        .into_iter()
        .find(|difference| *difference != 0)
        .unwrap_or(0)
}

fn mark(id: &VirtualServerId) -> u32 {
    match id {
        VirtualServerId::Mark { mark, .. } => *mark,
        VirtualServerId::Address { .. } => 0,
    }
}

/// The number of the family in Linux.
fn family(family: Family) -> i32 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn protocol(id: &VirtualServerId) -> i32 {
    match id {
        VirtualServerId::Address { protocol, .. } => i32::from(Protocol::number(*protocol)),
        VirtualServerId::Mark { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(texts: &[&str]) -> Vec<String> {
        let mut endpoints: Vec<Endpoint> = texts.iter().map(|text| text.parse().unwrap()).collect();
        merge_sort(&mut endpoints, &|one, other| {
            compare_endpoints(*one, *other)
        });
        endpoints.iter().map(Endpoint::to_string).collect()
    }

    #[test]
    fn the_highest_address_comes_before_the_lowest() {
        assert_eq!(
            sorted(&["0.0.0.0:80", "255.255.255.255:80"]),
            ["255.255.255.255:80", "0.0.0.0:80"]
        );
    }

    #[test]
    fn numbers_count_not_digits_and_ipv4_comes_first() {
        assert_eq!(
            sorted(&["[::1]:1", "10.0.0.10:80", "10.0.0.9:81", "10.0.0.9:80"]),
            ["10.0.0.9:80", "10.0.0.9:81", "10.0.0.10:80", "[::1]:1"]
        );
    }

    #[test]
    fn a_comparison_without_order_does_no_harm() {
        let texts: Vec<String> = (0..=255_u8).map(|n| format!("{n}.0.0.0:1")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(sorted(&texts).len(), texts.len());
    }

    #[test]
    fn marks_come_by_number_with_the_greatest_as_minus_one() {
        let id = |mark| VirtualServerId::Mark {
            family: Family::V4,
            mark,
        };
        assert!(compare_virtual_servers(&id(u32::MAX), &id(1)) < 0);
        assert!(compare_virtual_servers(&id(2), &id(10)) < 0);
        let tcp = VirtualServerId::tcp("10.0.0.1:80".parse().unwrap());
        assert!(compare_virtual_servers(&tcp, &id(1)) < 0);
        assert!(compare_virtual_servers(&id(u32::MAX), &tcp) < 0);
    }
}
