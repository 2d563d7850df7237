//! What is in the maps: virtual servers, real servers, next hops, settings.
//!
//! A world is plain values. [`World::tables`] puts them into maps of this process; the tests of the
//! loaded programs put the same values into the kernel's.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use crate::{
    FibAnswer,
    abi::{
        self, AddressFilter, BLOCK, Block, Cold, Entry4, Entry6, FILTER_WORDS, HopKey, HopKind,
        LinkMac, LocalAddress, NextHop, RealServer, Seed, ServiceKey, Settings, VirtualServer,
        WAYS, index, join, link_mac_flag, real_server_flag, virtual_server_flag,
    },
    address_bit,
    native::{
        Array, Cpu, HashMap, Route, Routes, Server, Service, Tables, address, datagram::parsed,
    },
    own_bit,
    scheduler::wrr,
    state::{tcp, udp},
};

/// What is in the maps, and the routing table beside them.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of the maps")]
pub struct World {
    pub settings: Settings,
    pub filter: Box<AddressFilter>,
    pub services: Vec<(ServiceKey, u32)>,
    pub virtual_servers: Vec<VirtualServer>,
    pub real_servers: Vec<RealServer>,
    pub blocks: Vec<Block>,
    pub locals: Vec<LocalAddress>,
    pub link_macs: Vec<LinkMac>,
    pub next_hops: Vec<NextHop>,
    pub hop_index: Vec<(HopKey, u16)>,
    pub routes: Vec<Route>,
    /// Binary logarithm of the number of sets of either table, 1 to 20.
    pub set_bits: u32,
    /// Entries of either overflow hash.
    pub overflow: usize,
}

impl World {
    /// The link by which packets come in, and leave to clients.
    pub const CLIENTS: u32 = 2;
    /// The link of real servers.
    pub const SERVERS: u32 = 3;
    /// The address of [`World::CLIENTS`].
    pub const CLIENTS_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
    /// The address of [`World::SERVERS`].
    pub const SERVERS_MAC: [u8; 6] = [2, 0, 0, 0, 0, 3];
    /// The address of the clients' router.
    pub const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0x0c, 1];
    /// Jiffies at the begin: their low half is about to wrap.
    pub const START: u32 = 0xffff_fff0;
    /// Jiffies a second.
    pub const HZ: u32 = 250;
    /// The secret of the hash.
    pub const SEED: Seed = Seed {
        words: [
            0x9e37_79b9,
            0x7f4a_7c15,
            0xf39c_c060,
            0x5ced_c834,
            0x1082_276b,
            0xf3a2_7251,
            0xf86c_6a11,
            0xd0c1_8e95,
            0x2767_f0b1,
            0x53d2_6c5b,
        ],
        multiplier1: 0xbf58_476d_1ce4_e5b9,
        multiplier2: 0x94d0_49bb_1331_11eb,
    };

    /// A director without virtual servers: its two links, the kernel's default timeouts, a heartbeat
    /// just now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: settings(),
            filter: Box::new(AddressFilter {
                words: [0; FILTER_WORDS],
            }),
            services: Vec::new(),
            virtual_servers: Vec::new(),
            real_servers: Vec::new(),
            blocks: Vec::new(),
            locals: Vec::new(),
            link_macs: vec![LinkMac {
                ifindex: Self::CLIENTS,
                mac: Self::CLIENTS_MAC,
                zero: 0,
            }],
            next_hops: vec![NextHop::default()],
            hop_index: Vec::new(),
            routes: Vec::new(),
            set_bits: 8,
            overflow: 64,
        }
    }

    /// Adds a virtual server with its real servers, in the order of the list that schedulers walk;
    /// answers its index.
    ///
    /// # Panics
    /// With more than 64 real servers.
    pub fn add(&mut self, service: Service, servers: &[Server]) -> u32 {
        assert!(servers.len() <= BLOCK, "one block has 64 real servers");
        let index = count(&self.virtual_servers);
        let first = count(&self.real_servers);
        let mut block = Block {
            members: [0; BLOCK],
        };
        for (member, number) in block.members.iter_mut().zip(first..) {
            *member = number;
        }
        for server in servers {
            self.add_server(server, index);
        }
        let list = join(count(&self.blocks), count(servers));
        self.blocks.push(block);
        self.add_service(service, list, servers);
        index
    }

    fn add_service(&mut self, service: Service, list: u64, servers: &[Server]) {
        let key = ServiceKey {
            address: address(service.address.ip()),
            mark: 0,
            port: service.address.port().to_be(),
            protocol: service.protocol,
            family: family(service.address.ip()),
        };
        let mut flags = virtual_server_flag::IN_USE | virtual_server_flag::AVAILABLE;
        if service.open {
            flags |= virtual_server_flag::OPEN;
        }
        if service.one_packet {
            flags |= virtual_server_flag::ONE_PACKET;
        }
        if service.sip {
            flags |= virtual_server_flag::SIP;
        }
        if service.persistent.is_some() {
            flags |= virtual_server_flag::PERSISTENT;
        }
        let (greatest, divisor) = wrr::parameters(servers.iter().map(|server| server.weight));
        self.services.push((key, count(&self.virtual_servers)));
        self.virtual_servers.push(VirtualServer {
            key,
            flags,
            scheduler: service.scheduler,
            members: list,
            greatest,
            divisor,
            mask: service.persistent.map_or([0; 4], mask),
            persistence: 360 * Self::HZ,
            local_first: count(&self.locals),
            local_count: count(&service.locals),
            ..VirtualServer::default()
        });
        self.mark(service.address.ip(), false);
        for (local, first, last) in service.locals {
            self.mark(local, false);
            self.locals.push(LocalAddress {
                address: address(local),
                first,
                last,
                family: u32::from(family(local)),
                ..LocalAddress::default()
            });
        }
    }

    fn add_server(&mut self, server: &Server, virtual_server: u32) {
        let next_hop = server.mtu.map_or(0, |mtu| {
            self.add_next_hop(NextHop {
                mac0: macs(
                    Self::server_mac(count(&self.real_servers)),
                    Self::SERVERS_MAC,
                )
                .0,
                mac1: macs([0; 6], Self::SERVERS_MAC).1,
                ifindex: Self::SERVERS,
                kind: HopKind::KNOWN,
                mtu,
                spare: 0,
            })
        });
        self.mark(server.address.ip(), true);
        let here = if server.here {
            real_server_flag::HERE
        } else {
            0
        };
        self.real_servers.push(RealServer {
            weight: server.weight,
            flags: real_server_flag::IN_USE | real_server_flag::AVAILABLE | here,
            upper: server.thresholds.0,
            lower: server.thresholds.1,
            address: address(server.address.ip()),
            port: server.address.port().to_be(),
            family: family(server.address.ip()),
            method: server.method,
            next_hop,
            virtual_server,
            tunnel_source: server.tunnel_source.map_or([0; 4], address),
            ..RealServer::default()
        });
    }

    /// Adds a next hop; answers its index.
    pub fn add_next_hop(&mut self, hop: NextHop) -> u16 {
        self.next_hops.push(hop);
        u16::try_from(self.next_hops.len() - 1).unwrap_or(0)
    }

    /// Adds a route to a neighbour at [`World::CLIENTS`] with `mac`.
    #[must_use]
    pub fn reaching(mut self, destination: &str, mac: [u8; 6]) -> Self {
        let (mac0, mac1) = macs(mac, Self::CLIENTS_MAC);
        self.routes.push(Route {
            destination: parsed(destination),
            source: None,
            length: None,
            gateway: None,
            answer: FibAnswer {
                code: FibAnswer::KNOWN,
                ifindex: Self::CLIENTS,
                mac0,
                mac1,
                mtu: 0,
            },
        });
        self
    }

    /// Adds a route as [`World::reaching`], for packets from `source` alone.
    #[must_use]
    pub fn reaching_from(self, source: &str, destination: &str, mac: [u8; 6]) -> Self {
        let mut world = self.reaching(destination, mac);
        if let Some(route) = world.routes.last_mut() {
            route.source = Some(parsed(source));
        }
        world
    }

    /// Adds an address of this host.
    #[must_use]
    pub fn having(mut self, address: &str) -> Self {
        self.routes.push(Route {
            destination: parsed(address),
            source: None,
            length: None,
            gateway: None,
            answer: FibAnswer {
                code: FibAnswer::LOCAL,
                ..FibAnswer::default()
            },
        });
        self
    }

    /// Notes an IPv4 address as this host's own: nobody else may send from it.
    #[must_use]
    pub fn owning(mut self, address: &str) -> Self {
        let own = super::datagram::address(parsed(address));
        self.services.push((ServiceKey::host(own), 0));
        let (word, mask) = own_bit(own[0]);
        self.filter.words[word] |= mask;
        self
    }

    /// Adds a route at [`World::CLIENTS`] whose neighbour is not resolved.
    #[must_use]
    pub fn unresolved(mut self, destination: &str) -> Self {
        self.routes.push(Route {
            destination: parsed(destination),
            source: None,
            length: None,
            gateway: None,
            answer: FibAnswer {
                code: FibAnswer::NO_NEIGHBOUR,
                ifindex: Self::CLIENTS,
                ..FibAnswer::default()
            },
        });
        self
    }

    /// The address of the real server with this index.
    #[must_use]
    pub fn server_mac(index: u32) -> [u8; 6] {
        let [_, _, high, low] = index.to_be_bytes();
        [2, 0, 0, 0x50, high, low]
    }

    /// The maps of this world.
    ///
    /// # Panics
    /// Where the numbers of sets are out of their range.
    #[must_use]
    pub fn tables(&self) -> Arc<Tables> {
        assert!((1..=20).contains(&self.set_bits), "sets: 2^1 to 2^20");
        let sets = 1_usize << self.set_bits;
        let services = HashMap::new(1 << 15);
        for (key, index) in &self.services {
            services.insert_new(*key, *index);
        }
        let link_macs = HashMap::new(4096);
        let links = Array::of(0, index(abi::LINKS));
        for key in &self.link_macs {
            link_macs.insert_new(*key, link_mac_flag::OURS);
            links.edit(key.ifindex, |word| *word = key.noted(link_mac_flag::OURS));
        }
        let hop_index = HashMap::new(4096);
        for (key, index) in &self.hop_index {
            hop_index.insert_new(*key, u32::from(*index));
        }
        let taken = self.next_hops.len();
        let next_hops = self
            .next_hops
            .iter()
            .copied()
            .chain(std::iter::repeat_n(NextHop::default(), 32));
        Arc::new(Tables {
            seed: Self::SEED,
            shift4: 64 - self.set_bits,
            shift6: 64 - self.set_bits,
            flows4: Array::new((0..sets).map(|_| [Entry4::default(); WAYS])),
            flows6: Array::new((0..sets).map(|_| [Entry6::default(); WAYS])),
            cold4: Array::new((0..sets).map(|_| [Cold::default(); WAYS])),
            cold6: Array::new((0..sets).map(|_| [Cold::default(); WAYS])),
            overflow4: HashMap::new(self.overflow),
            overflow6: HashMap::new(self.overflow),
            overflown: Array::of(0, 2),
            services,
            virtual_servers: Array::new(self.virtual_servers.iter().copied()),
            real_servers: Array::new(self.real_servers.iter().copied()),
            blocks: Array::new(self.blocks.iter().copied()),
            localities: HashMap::new(16_384),
            fragments: HashMap::new(16_384),
            early: HashMap::new(1024),
            held: HashMap::new(2048),
            call_ids: HashMap::new(16_384),
            sequences: HashMap::new(16_384),
            locals: Array::new(self.locals.iter().copied()),
            link_macs,
            links,
            filter: Array::new([*self.filter]),
            next_hops: Array::new(next_hops),
            hop_index,
            hops_free: Mutex::new((taken..taken + 32).flat_map(u32::try_from).collect()),
            rates: HashMap::new(64),
            settings: Array::new([self.settings]),
            counters: [const { std::sync::atomic::AtomicU64::new(0) }; 64],
        })
    }

    /// A CPU on maps of this world, at [`World::START`].
    #[must_use]
    pub fn cpu(&self) -> Cpu {
        Cpu::new(&self.tables(), Self::START, 1)
    }

    /// The routing table.
    #[must_use]
    pub fn routes(&self) -> Arc<Routes> {
        Arc::new(Routes(self.routes.clone()))
    }

    /// Marks an address in the filter.
    fn mark(&mut self, ip: IpAddr, source: bool) {
        let [a, b, c, d] = address(ip);
        let (word, mask) = address_bit(a ^ b ^ c ^ d, source);
        self.filter.words[word] |= mask;
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

fn settings() -> Settings {
    Settings {
        heartbeat: World::START,
        patience: 2 * World::HZ,
        reuse_mode: 1,
        hz: World::HZ,
        version: abi::VERSION,
        tcp_timeouts: tcp::TIMEOUTS.map(|seconds| seconds * World::HZ),
        udp_timeouts: [
            udp::TIMEOUT * World::HZ,
            udp::TIMEOUT * World::HZ,
            udp::TIMEOUT * World::HZ,
            udp::QUOTED_TIMEOUT * World::HZ,
        ],
        seed: World::SEED,
        ..Settings::default()
    }
}

/// Both addresses of a frame as a next hop has them.
fn macs(to: [u8; 6], from: [u8; 6]) -> (u64, u32) {
    let [t0, t1, t2, t3, t4, t5] = to;
    let [f0, f1, f2, f3, f4, f5] = from;
    (
        u64::from_ne_bytes([t0, t1, t2, t3, t4, t5, f0, f1]),
        u32::from_ne_bytes([f2, f3, f4, f5]),
    )
}

/// The first `bits` bits of an address set.
fn mask(bits: u8) -> abi::Address {
    let whole = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = whole.to_be_bytes();
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(u32::from_ne_bytes)
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv6() { 6 } else { 4 }
}

fn count<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}
