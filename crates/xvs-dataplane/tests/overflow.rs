//! NAT connections of which one direction, or both, lie in the overflow hash: they live, are counted and
//! end as the others do.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::sync::Arc;

use xvs_datapath::{
    abi::{NONE, Tag},
    native::{Datagram, Routes, Sizes, Tables, World},
};
use xvs_dataplane::{
    Atomicity, Bpf, ConnectionFilter, Dataplane, Hook,
    testing::{Action, Clock},
};
use xvs_types::{Endpoint, ForwardingMethod, Op, RealServer, VirtualServer, VirtualServerId};

const VIP: &str = "192.0.2.10:53";
const REAL: &str = "10.0.0.1:5353";
const CLIENT: &str = "198.51.100.7";
/// More than four sets hold.
const CONNECTIONS: u16 = 40;
/// Lifetime of a UDP connection in seconds.
const LIFETIME: u32 = 300;

struct Director {
    bpf: Bpf,
    clock: Clock,
    tables: Arc<Tables>,
}

impl Director {
    /// A director whose table has room for 16 entries; each of the connections has had two datagrams
    /// from its client, so that no other one may take its place.
    fn full() -> Self {
        let sizes = Sizes {
            set_bits: 2,
            overflow: 1024,
            virtual_servers: 8,
            real_servers: 8,
            blocks: 16,
            locals: 4,
            next_hops: 64,
        };
        let clock = Clock::new(World::START);
        let tables = Arc::new(Tables::empty(World::SEED, &sizes));
        let world = World::new().reaching(CLIENT, World::ROUTER_MAC);
        let routes: Routes = (*world.routes()).clone();
        let mut bpf = Bpf::in_process(&tables, &clock, routes).unwrap();
        let id = VirtualServerId::udp(VIP.parse().unwrap());
        let mut real_server = RealServer::new(REAL.parse::<Endpoint>().unwrap());
        real_server.method = ForwardingMethod::Nat;
        let ops = [
            Op::AddVirtualServer {
                virtual_server: VirtualServer::new(id),
            },
            Op::AddRealServer {
                virtual_server: id,
                real_server,
            },
        ];
        for result in bpf.apply(&ops, Atomicity::AllOrNothing) {
            result.unwrap();
        }
        support::tell(&mut bpf, "192.0.2.10");
        let mut director = Self { bpf, clock, tables };
        for number in 0..CONNECTIONS {
            director.ask(number);
            director.ask(number);
        }
        director
    }

    fn send(&mut self, ifindex: u32, datagram: &Datagram) {
        let ran = self.bpf.run(Hook::Tcx, ifindex, &datagram.bytes()).unwrap();
        assert_eq!(ran.action, Action::Send, "{datagram:?}");
    }

    fn ask(&mut self, number: u16) {
        self.send(World::CLIENTS, &Datagram::udp(&client(number), VIP));
    }

    fn answer(&mut self, number: u16) {
        self.send(World::SERVERS, &Datagram::udp(REAL, &client(number)));
    }

    fn rest(&mut self, seconds: u32) {
        self.clock.advance(seconds * World::HZ);
        self.bpf.housekeep();
        self.bpf.housekeep();
    }

    /// Connections with their forward entry in the table and the other one in the overflow hash.
    fn halves(&self) -> Vec<u16> {
        let entries = self.tables.entries4();
        let halves = entries.iter().map(|(_, entry)| entry);
        halves
            .filter(|entry| !Tag(entry.tag).reverse() && entry.peer == NONE)
            .map(|entry| {
                let [first, second, ..] = entry.ports.to_ne_bytes();
                u16::from_be_bytes([first, second]) - FIRST_PORT
            })
            .collect()
    }

    /// Entries in the table and in the overflow hash.
    fn entries(&self) -> (usize, usize) {
        (
            self.tables.entries4().len(),
            self.tables.overflow4.entries().len(),
        )
    }

    fn listed(&mut self) -> u16 {
        let mut listed = 0;
        self.bpf
            .connections(&ConnectionFilter::default(), &mut |_connection| {
                listed += 1;
                true
            });
        listed
    }

    /// Inactive connections, packets in, packets out, of the real server.
    fn counts(&mut self) -> (u32, u64, u64) {
        let listing = self.bpf.virtual_servers();
        let server = &listing[0].real_servers[0];
        let counters = &server.counters;
        (server.inactive, counters.packets_in, counters.packets_out)
    }
}

const FIRST_PORT: u16 = 20_000;

fn client(number: u16) -> String {
    format!("{CLIENT}:{}", FIRST_PORT + number)
}

#[test]
fn replies_alone_keep_a_connection_of_which_one_direction_overflowed() {
    let mut director = Director::full();
    let halves = director.halves();
    assert!(!halves.is_empty(), "{:?}", director.entries());
    // Twice two thirds of a lifetime, with a reply between: its stamp is in the overflow hash.
    director.rest(LIFETIME * 2 / 3);
    for number in &halves {
        director.answer(*number);
    }
    director.rest(LIFETIME * 2 / 3);
    let kept = u16::try_from(halves.len()).unwrap();
    assert_eq!(director.listed(), kept);
    let (used, overflow) = director.entries();
    assert_eq!((used, overflow), (halves.len(), halves.len()));
    for number in &halves {
        director.ask(*number);
        director.answer(*number);
    }
    let replies = u64::from(kept) * 2;
    let asked = u64::from(CONNECTIONS) * 2 + u64::from(kept);
    assert_eq!(director.counts(), (kept.into(), asked, replies));
}

#[test]
fn a_sweep_ends_both_directions_wherever_they_lie_and_keeps_what_they_counted() {
    let mut director = Director::full();
    assert!(!director.halves().is_empty());
    let (used, overflow) = director.entries();
    assert_eq!(used + overflow, usize::from(CONNECTIONS) * 2);
    for number in 0..CONNECTIONS {
        director.answer(number);
    }
    let all = u64::from(CONNECTIONS);
    assert_eq!(director.counts(), (CONNECTIONS.into(), all * 2, all));
    director.rest(LIFETIME - 1);
    assert_eq!(director.listed(), CONNECTIONS);
    director.rest(3);
    assert_eq!(director.listed(), 0);
    assert_eq!(director.entries(), (0, 0));
    assert_eq!(director.counts(), (0, all * 2, all));
}

#[test]
fn a_kill_ends_both_directions_wherever_they_lie() {
    let mut director = Director::full();
    assert!(!director.halves().is_empty());
    let killed = director.bpf.kill(&ConnectionFilter::default());
    assert_eq!(killed, u64::from(CONNECTIONS));
    assert_eq!(director.entries(), (0, 0));
    assert_eq!(director.counts().0, 0);
    // The same clients begin anew.
    director.ask(0);
    assert_eq!(director.listed(), 1);
}
