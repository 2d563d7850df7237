//! Schedulers over many connections.

use proptest::prelude::*;
use xvs_wire::tcp::SYN;

use super::director::Director;
use crate::{
    abi::Method,
    native::{Datagram, Server, Service, World},
    scheduler::number,
};

const VIP: &str = "192.0.2.1:80";

/// How many of `connections` each of the real servers with `weights` gets.
fn spread(scheduler: u32, weights: &[u32], connections: u16) -> Vec<u32> {
    let mut world = World::new();
    let servers: Vec<_> = weights
        .iter()
        .zip(1..)
        .map(|(weight, number)| {
            Server::new(Method::DIRECT, &format!("10.0.1.{number}:0")).weight(*weight)
        })
        .collect();
    world.add(Service::tcp(VIP).scheduler(scheduler), &servers);
    let director = Director::new(&world);
    for port in (1001..).take(usize::from(connections)) {
        director.forward(&Datagram::tcp(&format!("198.51.100.7:{port}"), VIP, SYN));
    }
    director.audit();
    (0..)
        .take(weights.len())
        .map(|server| director.counts(server).0)
        .collect()
}

#[test]
fn round_robin_passes_over_quiesced_servers() {
    assert_eq!(spread(number::RR, &[1, 0, 7, 1], 9), [3, 0, 3, 3]);
}

#[test]
fn least_connections_ignore_weights() {
    assert_eq!(spread(number::LC, &[1, 50, 0], 10), [5, 5, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn weighted_round_robin_gives_each_its_weight_in_a_whole_round(
        weights in proptest::collection::vec(0_u32..12, 1..12),
        rounds in 1_u16..3,
    ) {
        let total: u32 = weights.iter().sum();
        prop_assume!(total > 0);
        let connections = u16::try_from(total).unwrap() * rounds;
        let expected: Vec<_> = weights.iter().map(|w| w * u32::from(rounds)).collect();
        prop_assert_eq!(spread(number::WRR, &weights, connections), expected);
    }

    #[test]
    fn weighted_least_connections_leave_no_server_more_than_one_connection_ahead(
        weights in proptest::collection::vec(0_u32..20, 1..12),
        connections in 1_u16..200,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let got = spread(number::WLC, &weights, connections);
        for (mine, my_weight) in got.iter().zip(&weights) {
            for (theirs, their_weight) in got.iter().zip(&weights) {
                // The last one was given to the least loaded: (mine - 1) / my_weight <= theirs / ...
                if *mine > 0 && *their_weight > 0 {
                    prop_assert!((mine - 1) * their_weight <= theirs * my_weight);
                }
            }
            if *my_weight == 0 {
                prop_assert_eq!(*mine, 0);
            }
        }
    }
}
