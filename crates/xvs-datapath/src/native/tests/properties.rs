//! What holds for any segments and any weights.

use std::collections::BTreeMap;

use proptest::prelude::*;
use xvs_wire::tcp::{ACK, FIN, RST, SYN};

use super::director::Director;
use crate::{
    Verdict,
    abi::{Counter, Method, Tag},
    native::{Datagram, Server, Service, World, exercise_text, leave, run},
    scheduler::number,
    state::{self, tcp, udp},
};

const CLIENT: &str = "198.51.100.7:40000";
const VIP: &str = "192.0.2.1:80";
const REAL: &str = "10.0.0.1:8080";

/// Flags of a segment: any of the four that count, and none.
fn flags() -> impl Strategy<Value = u8> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(syn, fin, ack, rst)| {
        [(syn, SYN), (fin, FIN), (ack, ACK), (rst, RST)]
            .into_iter()
            .filter(|(on, _)| *on)
            .fold(0, |flags, (_, flag)| flags | flag)
    })
}

fn director(service: Service, servers: &[Server]) -> Director {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    world.set_bits = 10;
    world.add(service, servers);
    Director::new(&world)
}

fn client(number: u32) -> String {
    format!("198.51.100.7:{}", 10_000 + number)
}

/// How many of `picks` datagrams, each of a client of its own, went to each of the servers.
fn shares(scheduler: u32, weights: &[u32], picks: u32) -> Vec<u64> {
    let service = Service::udp(VIP).scheduler(scheduler);
    shares_of(service, Datagram::udp, weights, picks)
}

/// As [`shares`], of another virtual server and other packets.
fn shares_of(
    service: Service,
    packet: fn(&str, &str) -> Datagram,
    weights: &[u32],
    picks: u32,
) -> Vec<u64> {
    let servers: Vec<Server> = (1..)
        .zip(weights)
        .map(|(last, weight)| {
            Server::new(Method::DIRECT, &format!("10.0.0.{last}:0")).weight(*weight)
        })
        .collect();
    let director = director(service, &servers);
    for number in 0..picks {
        director.forward(&packet(&client(number), VIP));
    }
    director.audit();
    (0..)
        .take(weights.len())
        .map(|server| director.server(server).connections)
        .collect()
}

fn greatest_divisor(weights: &[u32]) -> u32 {
    let divisor = |mut a: u32, mut b: u32| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    weights.iter().copied().fold(0, divisor)
}

/// Pieces of which lines of SIP and FTP are made, sound and not.
const PIECES: [&str; 32] = [
    "\r\n",
    "\r",
    "\n",
    "\r\n\n",
    " ",
    "\t",
    "Call-ID",
    "call-id: ",
    "CALL-ID:",
    "i",
    "I: ",
    "Via: x",
    "a1b2",
    "@",
    "host.example",
    ":",
    "<>",
    "PORT ",
    "eprt ",
    "227 ",
    "229 ",
    "(",
    ")",
    "|",
    "|||",
    "1",
    "2",
    "10,0,0,1,",
    "19,137",
    "198.51.100.7",
    "2001:db8::7",
    "65535",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tcp_connection_counts_as_what_its_state_says_after_any_segments(
        segments in prop::collection::vec((any::<bool>(), flags()), 1..40),
        (method, here) in prop::sample::select(vec![
            (Method::NAT, false), (Method::NAT, true), (Method::DIRECT, false), (Method::LOCAL, true),
        ]),
    ) {
        let server = Server::new(method, REAL);
        let server = if here { server.here() } else { server };
        let director = director(Service::tcp(VIP), &[server]);
        // What is for this host is left to tcx by XDP.
        let enter = |segment: &Datagram| run(&mut director.buffer(segment), &director.cpu);
        let _ = enter(&Datagram::tcp(CLIENT, VIP, SYN));
        for (replies, flags) in segments {
            let source = if method == Method::LOCAL { VIP } else { REAL };
            let reply = Datagram::tcp(source, CLIENT, flags);
            let _ = match (replies && method != Method::DIRECT, here) {
                (true, true) => leave(&mut director.buffer(&reply), &director.cpu),
                (true, false) => enter(&reply),
                (false, _) => enter(&Datagram::tcp(CLIENT, VIP, flags)),
            };
            let (forward, reverse) = director.states();
            // None where SYN and RST together came for a closed one, as in the kernel.
            let there = u32::try_from(forward.len()).unwrap();
            prop_assert!(there <= 1);
            prop_assert!(forward.iter().all(|state| *state <= tcp::SYNACK));
            if method == Method::NAT {
                prop_assert_eq!(&forward, &reverse);
            }
            let active = forward.iter().filter(|state| tcp::is_active(**state));
            let active = u32::try_from(active.count()).unwrap();
            prop_assert_eq!(director.counts(0), (active, there - active));
            director.audit();
        }
    }

    #[test]
    fn no_segment_of_a_client_alone_establishes_under_secure_tcp(
        segments in prop::collection::vec(flags(), 0..40),
    ) {
        let mut state = tcp::next(tcp::INPUT | tcp::SECURE, SYN, tcp::NONE);
        for flags in segments {
            state = tcp::next(tcp::INPUT | tcp::SECURE, flags, state);
            prop_assert_ne!(state, tcp::ESTABLISHED);
        }
    }

    #[test]
    fn a_reset_ends_what_is_established_and_a_syn_leaves_it(
        direction in prop::sample::select(vec![tcp::INPUT, tcp::OUTPUT, tcp::INPUT_ONLY]),
        secure in prop::sample::select(vec![0, tcp::SECURE]),
        flags in flags(),
    ) {
        let next = |flags| tcp::next(direction | secure, flags, tcp::ESTABLISHED);
        prop_assert_eq!(next(flags | RST), tcp::CLOSE);
        prop_assert_eq!(next(SYN | flags & !RST), tcp::ESTABLISHED);
    }

    #[test]
    fn datagrams_never_count_as_active(state in 0_u8..16) {
        let tag = Tag(Tag::identity(0, 17, 0)).with_state(state);
        prop_assert!(!state::is_active(tag));
        for (reply, first) in [(false, false), (false, true), (true, false)] {
            prop_assert!(udp::next(reply, first, state & 3) < 4);
        }
    }

    #[test]
    fn rr_gives_every_server_its_turn_whatever_the_weights(
        weights in prop::collection::vec(1_u32..100, 1..8),
        rounds in 1_u32..5,
    ) {
        let servers = u32::try_from(weights.len()).unwrap();
        let shares = shares(number::RR, &weights, rounds * servers);
        prop_assert!(shares.iter().all(|share| *share == u64::from(rounds)), "{:?}", shares);
    }

    #[test]
    fn wrr_gives_each_server_its_weight_in_every_cycle(
        weights in prop::collection::vec(1_u32..20, 1..7),
    ) {
        let divisor = greatest_divisor(&weights);
        let cycle = weights.iter().sum::<u32>() / divisor;
        let shares = shares(number::WRR, &weights, cycle * 2);
        for (share, weight) in shares.iter().zip(&weights) {
            prop_assert_eq!(*share, u64::from(weight / divisor * 2), "{:?} {:?}", shares, weights);
        }
    }

    #[test]
    fn wlc_keeps_idle_connections_in_proportion_to_the_weights(
        weights in prop::collection::vec(1_u32..20, 1..7),
        picks in 1_u32..300,
    ) {
        let total = u64::from(weights.iter().sum::<u32>());
        let shares = shares(number::WLC, &weights, picks);
        prop_assert_eq!(shares.iter().sum::<u64>(), u64::from(picks));
        for (share, weight) in shares.iter().zip(&weights) {
            // Each server has its share to within one connection of each of them.
            let due = u64::from(picks) * u64::from(*weight);
            let slack = total * u64::try_from(weights.len()).unwrap();
            prop_assert!((share * total).abs_diff(due) <= slack, "{:?} {:?}", shares, weights);
        }
    }

    #[test]
    fn sed_gives_a_connection_to_the_server_whose_delay_is_least(
        weights in prop::collection::vec(1_u32..20, 1..7),
        picks in 1_u32..300,
    ) {
        // Only active connections delay.
        let shares = shares_of(Service::tcp(VIP).scheduler(number::SED), Datagram::syn, &weights, picks);
        prop_assert_eq!(shares.iter().sum::<u64>(), u64::from(picks));
        let servers = || shares.iter().zip(&weights).map(|(share, weight)| (*share, u64::from(*weight)));
        for (share, weight) in servers() {
            // When it got its last one, nobody would have had less delay; since then theirs only grew.
            prop_assert!(
                servers().all(|(others, theirs)| share * theirs <= (others + 1) * weight),
                "{:?} {:?}", shares, weights
            );
        }
    }

    #[test]
    fn lc_keeps_connections_even_whatever_the_weights(
        weights in prop::collection::vec(1_u32..100, 1..8),
        picks in 1_u32..200,
    ) {
        let shares = shares(number::LC, &weights, picks);
        let (least, most) = (shares.iter().min(), shares.iter().max());
        prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{:?}", shares);
    }

    #[test]
    fn local_ports_are_nobody_elses_and_those_who_get_none_are_counted(
        ports in 1_u16..20,
        clients in prop::collection::btree_set(1_u8..60, 1..40),
    ) {
        let mut world = World::new();
        for last in &clients {
            world = world.reaching(&format!("198.51.100.{last}"), World::ROUTER_MAC);
        }
        let service = Service::udp(VIP).local("10.0.0.100", 5000, 4999 + ports);
        world.add(service, &[Server::new(Method::FULLNAT, REAL)]);
        let director = Director::new(&world);
        let mut mapped = BTreeMap::new();
        for last in &clients {
            let client = format!("198.51.100.{last}:40000");
            let mut buffer = director.buffer(&Datagram::udp(&client, VIP));
            if run(&mut buffer, &director.cpu) == Verdict::redirect(World::SERVERS) {
                let bytes = buffer.bytes();
                let port = u16::from_be_bytes([bytes[34], bytes[35]]);
                prop_assert!((5000..5000 + ports).contains(&port));
                prop_assert_eq!(mapped.insert(port, client), None, "port {}", port);
            }
        }
        let refused = clients.len() - mapped.len();
        prop_assert_eq!(mapped.len(), clients.len().min(usize::from(ports)));
        prop_assert_eq!(director.counted(Counter::DropNoLocalPort), u64::try_from(refused).unwrap());
        for (port, client) in &mapped {
            let reply = Datagram::udp(REAL, &format!("10.0.0.100:{port}"));
            let mut buffer = director.buffer(&reply);
            prop_assert_eq!(run(&mut buffer, &director.cpu), Verdict::redirect(World::CLIENTS));
            let expected = Datagram::udp(VIP, client).returned();
            prop_assert_eq!(buffer.bytes(), expected.bytes());
        }
        director.audit();
    }

    #[test]
    fn no_scheduler_chooses_a_server_of_weight_0(
        scheduler in prop::sample::select(vec![
            number::RR, number::WRR, number::LC, number::WLC, number::SED, number::NQ, number::FO,
        ]),
        weights in prop::collection::vec(1_u32..10, 1..5),
        quiesced in 0_usize..5,
    ) {
        let mut weights = weights;
        let quiesced = quiesced.min(weights.len());
        weights.insert(quiesced, 0);
        let shares = shares(scheduler, &weights, 20);
        prop_assert_eq!(shares[quiesced], 0);
    }

    #[test]
    fn text_is_read_byte_by_byte_as_it_stands(
        places in prop::collection::vec(0..PIECES.len(), 0..24),
        name in prop::option::of(17_usize..21),
    ) {
        let pieces = name.iter().chain(&places).map(|place| PIECES[*place]);
        exercise_text(pieces.collect::<String>().as_bytes());
    }
}
