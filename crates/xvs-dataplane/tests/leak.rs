//! Connections that were opened and closed leave nothing behind: no entry, no count, no memory.
//!
//! Crafted packets go through the programs of this process, and the dataplane's own housekeeping ends
//! what is past its timeout. `XVS_LEAK_CONNECTIONS` says how many; `make soak` takes 500,000.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::{env, fs, net::IpAddr, sync::Arc};

use xvs_datapath::native::{Datagram, Routes, Sizes, Tables, World};
use xvs_dataplane::{
    Atomicity, Bpf, ConnectionFilter, Dataplane, Hook,
    testing::{Action, Clock},
};
use xvs_types::{
    Endpoint, ForwardingMethod, Op, RealServer, Setting, VirtualServer, VirtualServerId,
};
use xvs_wire::tcp::{ACK, FIN, SYN};

const VIP: &str = "192.0.2.10";
const REAL: &str = "10.0.0.1:80";
const LOCAL: &str = "10.0.0.100";
const CLIENT: &str = "198.51.100.7";
/// Connections that live at a time.
const ROUND: u32 = 3_000;
/// Longer than any state in which a closed connection rests.
const REST: u32 = 122;

/// Port of the virtual server, and the way to its real server.
const METHODS: [(u16, ForwardingMethod); 3] = [
    (80, ForwardingMethod::Nat),
    (81, ForwardingMethod::Direct),
    (82, ForwardingMethod::FullNat),
];

struct Director {
    bpf: Bpf,
    clock: Clock,
}

impl Director {
    fn new() -> Self {
        let sizes = Sizes {
            set_bits: 14,
            overflow: 1024,
            virtual_servers: 64,
            real_servers: 64,
            blocks: 64,
            locals: 16,
            next_hops: 256,
        };
        let clock = Clock::new(World::START);
        let tables = Arc::new(Tables::empty(World::SEED, &sizes));
        let world = World::new().reaching(CLIENT, World::ROUTER_MAC);
        let routes: Routes = (*world.routes()).clone();
        let bpf = Bpf::in_process(&tables, &clock, routes).unwrap();
        let mut director = Self { bpf, clock };
        director.configure();
        director
    }

    fn configure(&mut self) {
        let mut ops = Vec::new();
        for (port, method) in METHODS {
            let id = VirtualServerId::tcp(Endpoint::new(VIP.parse().unwrap(), port));
            let mut virtual_server = VirtualServer::new(id);
            if method == ForwardingMethod::FullNat {
                virtual_server.local_addresses = vec![LOCAL.parse().unwrap()];
            }
            ops.push(Op::AddVirtualServer { virtual_server });
            let mut real_server = RealServer::new(REAL.parse().unwrap());
            real_server.method = method;
            ops.push(Op::AddRealServer {
                virtual_server: id,
                real_server,
            });
        }
        self.apply(&ops);
        support::tell(&mut self.bpf, VIP);
    }

    fn apply(&mut self, ops: &[Op]) {
        for result in self.bpf.apply(ops, Atomicity::AllOrNothing) {
            result.unwrap();
        }
    }

    /// Sends a packet, which must leave; answers it as it left.
    fn send(&mut self, ifindex: u32, datagram: &Datagram) -> Vec<u8> {
        let ran = self.bpf.run(Hook::Tcx, ifindex, &datagram.bytes()).unwrap();
        assert_eq!(ran.action, Action::Send, "{datagram:?}");
        ran.frame
    }

    /// A whole connection, closed by both sides.
    fn connection(&mut self, client: &str, port: u16, method: ForwardingMethod) {
        let vip = format!("{VIP}:{port}");
        let up = |flags| Datagram::tcp(client, &vip, flags);
        let syn = self.send(World::CLIENTS, &up(SYN));
        // The real server answers whom it sees.
        let source: [u8; 4] = syn[26..30].try_into().unwrap();
        let source_port = u16::from_be_bytes(syn[34..36].try_into().unwrap());
        let seen = Endpoint::new(IpAddr::from(source), source_port).to_string();
        let replies = method != ForwardingMethod::Direct;
        for (flags, answer) in [(ACK, SYN | ACK), (FIN | ACK, FIN | ACK), (ACK, ACK)] {
            if replies {
                self.send(World::SERVERS, &Datagram::tcp(REAL, &seen, answer));
            }
            self.send(World::CLIENTS, &up(flags));
        }
    }

    /// Active and inactive connections, and how many were ever opened.
    fn counts(&mut self) -> (u32, u32, u64) {
        let mut sum = (0, 0, 0);
        for virtual_server in self.bpf.virtual_servers() {
            sum.2 += virtual_server.counters.connections;
            for real_server in virtual_server.real_servers {
                sum.0 += real_server.active;
                sum.1 += real_server.inactive;
            }
        }
        sum
    }

    fn listed(&mut self) -> u64 {
        let mut listed = 0;
        self.bpf
            .connections(&ConnectionFilter::default(), &mut |_connection| {
                listed += 1;
                true
            });
        listed
    }

    fn rest(&mut self, seconds: u32) {
        self.clock.advance(seconds * World::HZ);
        // One pass ends them, the next one sees that they are gone.
        self.bpf.housekeep();
        self.bpf.housekeep();
    }
}

/// Memory of this process that is in use, in KiB.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4
}

#[test]
fn connections_that_were_closed_leave_no_entry_no_count_and_no_memory() {
    let wanted: u64 =
        env::var("XVS_LEAK_CONNECTIONS").map_or(9_000, |count| count.parse().expect("a number"));
    let mut director = Director::new();
    let (mut opened, mut rounds, mut settled) = (0, 0, 0);
    while opened < wanted {
        for number in 0..ROUND {
            let (port, method) = METHODS[usize::try_from(number).unwrap() % METHODS.len()];
            let client = format!("{CLIENT}:{}", 10_000 + number);
            director.connection(&client, port, method);
        }
        opened += u64::from(ROUND);
        rounds += 1;
        assert_eq!(director.counts(), (0, ROUND, opened));
        assert_eq!(director.listed(), u64::from(ROUND));
        director.rest(REST);
        assert_eq!(director.counts(), (0, 0, opened));
        assert_eq!(director.listed(), 0);
        let table = director.bpf.status().table_v4;
        assert_eq!((table.used, table.overflow), (0, 0));
        if rounds == 2 {
            // Whatever is grown once has grown.
            settled = resident();
        }
    }
    let grown = resident().saturating_sub(settled);
    assert!(grown < 2048, "{grown} KiB more after {opened} connections");
    println!("{opened} connections, {grown} KiB more than after {ROUND}");
}

#[test]
fn what_drop_entry_takes_leaves_nothing_either() {
    let mut director = Director::new();
    let setting = Op::SetSetting {
        setting: Setting::DropEntry,
        value: 3,
    };
    director.apply(&[setting]);
    for number in 0..ROUND {
        let client = format!("{CLIENT}:{}", 10_000 + number);
        let vip = format!("{VIP}:80");
        director.send(World::CLIENTS, &Datagram::tcp(&client, &vip, SYN));
    }
    // A flood of SYN lives for 60 s; the defence takes a thirty-second part each second.
    for _second in 0..30 {
        director.rest(1);
    }
    let (active, inactive, opened) = director.counts();
    assert_eq!((inactive, opened), (0, u64::from(ROUND)));
    assert!((1..ROUND / 2).contains(&active), "{active} are left");
    assert_eq!(director.listed(), u64::from(active));
    director.rest(REST);
    assert_eq!(director.counts(), (0, 0, u64::from(ROUND)));
}
