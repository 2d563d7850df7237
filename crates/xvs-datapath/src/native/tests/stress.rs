//! Several CPUs on the same flows at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use xvs_wire::tcp::{ACK, FIN, SYN};

use crate::{
    Env,
    abi::{Counter, Method, index},
    native::{Cpu, Datagram, Frame, Server, Service, Tables, World, audit, run},
};

const VIP: &str = "192.0.2.1:80";
const REAL: &str = "10.0.0.1:8080";
/// How long each test runs.
const TIME: Duration = Duration::from_millis(700);
/// More than the machine has, so that threads are interrupted anywhere.
const THREADS: u64 = 6;
/// Packets between two looks at the clock.
const ROUND: u32 = 256;

/// The frames of one flow, built before the time runs.
struct Flow {
    up: Vec<Vec<u8>>,
    down: Vec<Vec<u8>>,
}

fn flows(count: u16) -> Vec<Flow> {
    (1..=count)
        .map(|port| {
            let client = format!("198.51.100.7:{port}");
            Flow {
                // mostly new connections: they contend for slots
                up: [SYN, SYN, SYN, ACK, ACK, FIN | ACK]
                    .map(|flags| Datagram::tcp(&client, VIP, flags).bytes())
                    .into(),
                down: [SYN | ACK, ACK, FIN | ACK]
                    .map(|flags| Datagram::tcp(REAL, &client, flags).bytes())
                    .into(),
            }
        })
        .collect()
}

/// Runs random packets of `flows` on all threads, audits the tables when they rest, and does so
/// again until the time is over. Answers how many packets there were.
fn contend(world: &World, flows: &[Flow]) -> (Arc<Tables>, u64) {
    let tables = world.tables();
    let packets = AtomicU64::new(0);
    let begin = Instant::now();
    let mut turn = 0;
    while begin.elapsed() < TIME {
        turn += 1;
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (tables, packets) = (&tables, &packets);
                let cpu = Cpu::new(tables, World::START, turn * THREADS + thread + 1);
                scope.spawn(move || {
                    for _ in 0..8 * ROUND {
                        step(&cpu, world, flows);
                    }
                    packets.fetch_add(u64::from(8 * ROUND), Ordering::Relaxed);
                });
            }
        });
        let found = audit(&tables);
        assert!(found.is_empty(), "after turn {turn}: {found:#?}");
    }
    (tables, packets.into_inner())
}

fn step(cpu: &Cpu, world: &World, flows: &[Flow]) {
    let pick = |list: usize| usize::try_from(cpu.random()).unwrap_or(0) % list;
    let flow = &flows[pick(flows.len())];
    let list = if pick(4) == 0 { &flow.down } else { &flow.up };
    let mut frame = Frame::new(&list[pick(list.len())], World::CLIENTS, &world.routes());
    let _ = run(&mut frame, cpu);
}

fn world(method: u8, set_bits: u32, overflow: usize) -> World {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    world.set_bits = set_bits;
    world.overflow = overflow;
    world.add(Service::tcp(VIP), &[Server::new(method, REAL)]);
    world
}

fn counted(tables: &Tables, counter: Counter) -> u64 {
    tables.counters[index(counter.index())].load(Ordering::Relaxed)
}

#[test]
fn cpus_that_insert_the_same_flows_leave_no_duplicate_and_count_right() {
    for method in [Method::DIRECT, Method::NAT] {
        // few flows in much room: all threads insert the same ones, nothing is evicted
        let world = world(method, 6, 0);
        let (tables, packets) = contend(&world, &flows(24));
        assert!(packets > 0);
        assert_eq!(counted(&tables, Counter::DropTableFull), 0);
    }
}

#[test]
fn cpus_that_evict_each_others_flows_leave_no_half_connection_and_count_right() {
    for method in [Method::DIRECT, Method::NAT] {
        let world = world(method, 2, 0);
        let (tables, packets) = contend(&world, &flows(48));
        let evicted = counted(&tables, Counter::Evicted);
        assert!(evicted > packets / 1000, "{evicted} evicted of {packets}");
        assert_eq!(counted(&tables, Counter::DropInternal), 0);
    }
}

#[test]
fn cpus_that_take_local_ports_at_once_never_share_one_nor_drop() {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    world.set_bits = 8;
    // More ports than flows, and few enough that the rotor comes round all the time.
    let service = Service::tcp(VIP).local("10.0.0.100", 5000, 5063);
    world.add(service, &[Server::new(Method::FULLNAT, REAL)]);
    let (tables, packets) = contend(&world, &flows(24));
    assert!(packets > 0);
    assert!(counted(&tables, Counter::Opened) >= 24);
    assert_eq!(counted(&tables, Counter::DropCollision), 0);
    assert_eq!(counted(&tables, Counter::DropNoLocalPort), 0);
}
