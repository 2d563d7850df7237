//! The kernel's recorded decisions, replayed.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;
use xvs_wire::ipv4;

use super::{flag, number, rr, table, wrr};
use crate::{
    Env,
    abi::{
        BLOCK, Block, Method, NONE, Tuple, high32, join, low32, real_server_flag,
        virtual_server_flag,
    },
    native::{Cpu, Server, Service, World, address},
    open::server_of,
    table::{V4, burden},
};

const RECORDED: &str = include_str!("../../tests/fixtures/schedulers.json");
const CLIENT: &str = "192.168.0.2";
const VIP: &str = "192.168.0.10";
/// Blocks for the largest table.
const TABLE_BLOCKS: usize = table::size(number::MH).div_ceil(BLOCK);

/// A virtual server with three real servers, and the little of a daemon that changes need.
struct Replay {
    cpu: Cpu,
    scheduler: u32,
    protocol: u8,
    held: bool,
    /// Indexes in the kernel's order.
    list: Vec<u32>,
}

impl Replay {
    fn new(scenario: &Value) -> Self {
        let mode = text(scenario, "mode");
        let protocol = if mode == "udp" {
            ipv4::PROTOCOL_UDP
        } else {
            ipv4::PROTOCOL_TCP
        };
        let mut world = World::new();
        let scheduler = scheduler(text(scenario, "scheduler"));
        let mut service = Service::udp(&format!("{VIP}:1000")).scheduler(scheduler);
        if !scenario["persist"].is_null() {
            service = service.persistent(mask_bits(&scenario["netmask"]));
        }
        let port = if mode == "udp" { 53 } else { 80 };
        let servers: Vec<_> = (0..3)
            .map(|server| {
                let limits = &scenario["thresholds"][server];
                let weight = number_of(&scenario["weights"][server]);
                let server = Server::new(Method::NAT, &format!("10.0.0.1{}:{port}", server + 1));
                let server = server.weight(weight);
                if limits.is_null() {
                    server
                } else {
                    server.thresholds(number_of(&limits[0]), number_of(&limits[1]))
                }
            })
            .collect();
        world.add(service, &servers);
        world.blocks.extend(
            [Block {
                members: [NONE; BLOCK],
            }; TABLE_BLOCKS],
        );
        for (number, server) in world.real_servers.iter_mut().enumerate() {
            server.last_weight = server.weight;
            (server.active, server.inactive) = inherited(scenario, number);
        }
        world.virtual_servers[0].members = 0;
        world.virtual_servers[0].scheduler_flags = flags(&scenario["flags"]);
        let mut replay = Self {
            cpu: world.cpu(),
            scheduler,
            protocol,
            held: mode == "tcp_hold",
            list: Vec::new(),
        };
        for server in scenario["order_added"].as_array().unwrap() {
            replay.add(number_of(server) - 1);
        }
        replay
    }

    fn add(&mut self, server: u32) {
        let mut list = vec![server];
        list.extend(&self.list);
        self.set_available(server, real_server_flag::AVAILABLE);
        self.arrange(list);
    }

    fn delete(&mut self, server: u32) {
        let list = self.list.iter().copied().filter(|other| *other != server);
        let list = list.collect();
        self.set_available(server, 0);
        self.arrange(list);
    }

    fn set_available(&self, server: u32, available: u32) {
        self.cpu.tables().real_servers.edit(server, |server| {
            server.flags = real_server_flag::IN_USE | available;
        });
    }

    fn set_weight(&mut self, server: u32, weight: u32) {
        self.cpu.tables().real_servers.edit(server, |server| {
            server.weight = weight;
            if weight != 0 {
                server.last_weight = weight;
            }
        });
        self.arrange(self.list.clone());
    }

    /// What a daemon does when the list or a weight changed.
    fn arrange(&mut self, list: Vec<u32>) {
        let tables = self.cpu.tables();
        let mut members: Vec<_> = list
            .iter()
            .map(|index| table::Member::new(*index, &tables.real_servers.get(*index)))
            .collect();
        let (greatest, divisor) = wrr::parameters(members.iter().map(|member| member.weight));
        let mut buckets = vec![NONE; table::size(self.scheduler)];
        table::fill(self.scheduler, &mut members, &mut buckets);
        write(&self.cpu, 0, &list);
        write(&self.cpu, 1, &buckets);
        tables.virtual_servers.edit(0, |service| {
            service.members = join(0, u32::try_from(list.len()).unwrap());
            service.buckets = join(1, u32::try_from(buckets.len()).unwrap());
            service.cursor = rr::after_change(&self.list, &list, service.cursor);
            (service.greatest, service.divisor) = (greatest, divisor);
            service.weighted = wrr::after_change(service.weighted, greatest, divisor);
        });
        self.list = list;
    }

    /// The server of a packet, counted as the scenario's connections are.
    fn connect(&self, tuple: Tuple) -> u32 {
        // SAFETY: the scratch and the servers are this process's, and no program runs meanwhile.
        unsafe {
            (*self.cpu.scratch()).tuple = tuple;
            let service = self.cpu.virtual_server(0);
            let choice = server_of::<V4, _>(&self.cpu, service, 0, self.protocol);
            let chosen = low32(choice);
            let server = self.cpu.real_server(chosen);
            if !server.is_null() {
                if self.held {
                    (*server).active += 1;
                } else {
                    (*server).inactive += 1;
                }
                burden(server);
            }
            chosen
        }
    }

    /// A command that a scenario has in its sequence.
    fn command(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        let after = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1).copied()
        };
        let server = after("-r").map(|endpoint| {
            let host = endpoint.split(':').next().unwrap();
            host.strip_prefix("10.0.0.1")
                .unwrap()
                .parse::<u32>()
                .unwrap()
                - 1
        });
        let weight = after("-w").map(|weight| weight.parse().unwrap());
        match (words[1], server, weight) {
            ("-e", Some(server), Some(weight)) => self.set_weight(server, weight),
            ("-d", Some(server), None) => self.delete(server),
            ("-a", Some(server), Some(weight)) => {
                self.add(server);
                self.set_weight(server, weight);
            }
            // The same scheduler again changes nothing.
            ("-E", None, None) => {}
            _ => panic!("`{line}` is not understood"),
        }
    }
}

/// Writes numbers into blocks from `first` on.
fn write(cpu: &Cpu, first: u32, numbers: &[u32]) {
    for (chunk, block) in numbers.chunks(BLOCK).zip(first..) {
        cpu.tables().blocks.edit(block, |block| {
            block.members[..chunk.len()].copy_from_slice(chunk);
        });
    }
}

fn text<'a>(scenario: &'a Value, key: &str) -> &'a str {
    scenario[key].as_str().unwrap()
}

fn number_of(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn scheduler(name: &str) -> u32 {
    match name {
        "dh" => number::DH,
        "fo" => number::FO,
        "lblc" => number::LBLC,
        "lblcr" => number::LBLCR,
        "lc" => number::LC,
        "mh" => number::MH,
        "nq" => number::NQ,
        "ovf" => number::OVF,
        "rr" => number::RR,
        "sed" => number::SED,
        "sh" => number::SH,
        "twos" => number::TWOS,
        "wlc" => number::WLC,
        "wrr" => number::WRR,
        _ => panic!("`{name}` is no scheduler"),
    }
}

fn flags(names: &Value) -> u32 {
    let names = names.as_str().unwrap_or("").split(',');
    names.fold(0, |flags, name| match name {
        "" => flags,
        "sh-fallback" | "mh-fallback" => flags | flag::FALLBACK,
        "sh-port" | "mh-port" => flags | flag::PORT,
        _ => panic!("`{name}` is no flag"),
    })
}

fn mask_bits(netmask: &Value) -> u8 {
    let Some(netmask) = netmask.as_str() else {
        return 32;
    };
    let bits = u32::from(netmask.parse::<Ipv4Addr>().unwrap()).count_ones();
    u8::try_from(bits).unwrap()
}

fn tuple(keys: &Value, packet: usize) -> Tuple {
    let key = &keys[packet];
    let parsed = |value: &Value, default: &str| {
        let host: IpAddr = value.as_str().unwrap_or(default).parse().unwrap();
        address(host)
    };
    let port = |value: &Value| u16::try_from(value.as_u64().unwrap_or(1000)).unwrap();
    Tuple {
        source: parsed(&key[0], CLIENT),
        destination: parsed(&key[2], VIP),
        ports: u32::from(port(&key[1]).to_be()) | u32::from(port(&key[3]).to_be()) << 16,
    }
}

/// Who got each connection, and the decisions on record.
fn decisions(replay: &mut Replay, scenario: &Value) -> (Vec<String>, Vec<String>) {
    let (mut ours, mut recorded) = (Vec::new(), Vec::new());
    for step in scenario["sequence"].as_array().unwrap() {
        let step = step.as_str().unwrap();
        if step.starts_with('#') {
            replay.command(step);
            continue;
        }
        ours.push(match replay.connect(tuple(&scenario["keys"], ours.len())) {
            NONE => "errno111".to_owned(),
            server => format!("rs{}", server + 1),
        });
        recorded.push(step.to_owned());
    }
    (ours, recorded)
}

/// The connections that a server had before the scenario: the recorder deleted the firewall mark's real
/// servers and added them again, and then the kernel keeps their counts.
fn inherited(scenario: &Value, server: usize) -> (u32, u32) {
    let name = format!("rs{}", server + 1);
    let sequence = scenario["sequence"].as_array().unwrap();
    let opened = sequence.iter().filter(|step| **step == name).count();
    let opened = u32::try_from(opened).unwrap();
    let after = &scenario["after"][server];
    let (active, inactive) = (number_of(&after[0]), number_of(&after[1]));
    if scenario["mode"] == "tcp_hold" {
        (active - opened, inactive)
    } else {
        (active, inactive - opened)
    }
}

#[test]
fn every_decision_is_the_kernels() {
    let scenarios: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    assert_eq!(scenarios.len(), 293);
    let mut compared = 0;
    let mut wrong = Vec::new();
    for scenario in scenarios.iter().filter(|each| each["scheduler"] != "twos") {
        let mut replay = Replay::new(scenario);
        let (ours, recorded) = decisions(&mut replay, scenario);
        compared += ours.len();
        if let Some(first) = (0..ours.len()).find(|at| ours[*at] != recorded[*at]) {
            let show = |list: &[String]| list[..list.len().min(first + 12)].join(" ");
            wrong.push(format!(
                "{} {} {} from {first} on\n  ours:     {}\n  recorded: {}",
                scenario["name"],
                scenario["mode"],
                scenario["weights"],
                show(&ours),
                show(&recorded)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 14_000, "only {compared} decisions on record");
}

#[test]
fn two_random_choices_spread_as_the_kernels_do() {
    let scenarios: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    for scenario in scenarios.iter().filter(|each| each["scheduler"] == "twos") {
        let (ours, recorded) = decisions(&mut Replay::new(scenario), scenario);
        let share = |list: &[String], who: &str| {
            list.iter().filter(|each| *each == who).count() * 100 / list.len()
        };
        for server in ["rs1", "rs2", "rs3"] {
            let (mine, theirs) = (share(&ours, server), share(&recorded, server));
            assert!(
                mine.abs_diff(theirs) <= 20 && (mine == 0) == (theirs == 0),
                "{} {} {}: {server} got {mine} of 100 instead of {theirs}",
                scenario["name"],
                scenario["mode"],
                scenario["weights"],
            );
        }
        assert_eq!(share(&ours, "errno111"), share(&recorded, "errno111"));
    }
}

#[test]
fn a_virtual_server_without_real_servers_picks_none() {
    let scenarios: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    let mut replay = Replay::new(&scenarios[0]);
    for server in 0..3 {
        replay.delete(server);
    }
    assert_eq!(replay.connect(tuple(&Value::Null, 0)), NONE);
    let service = replay.cpu.tables().virtual_servers.get(0);
    assert_eq!(high32(service.members), 0);
    assert_ne!(service.flags & virtual_server_flag::AVAILABLE, 0);
}

/// A virtual server with this scheduler and three real servers of weight 1.
fn three(scheduler: &str) -> Replay {
    let scenario = serde_json::json!({
        "scheduler": scheduler, "mode": "tcp_hold", "weights": [1, 1, 1],
        "order_added": [1, 2, 3], "sequence": [], "after": [[0, 0], [0, 0], [0, 0]],
    });
    Replay::new(&scenario)
}

#[test]
fn a_destination_that_was_idle_for_too_long_is_scheduled_anew() {
    for (idle, expected) in [(100, 2), (101, 1)] {
        let replay = three("lblc");
        let tables = replay.cpu.tables();
        tables
            .settings
            .edit(0, |settings| settings.lblc_expiration = 100);
        assert_eq!(replay.connect(tuple(&Value::Null, 0)), 2);
        replay.cpu.wait(idle);
        assert_eq!(replay.connect(tuple(&Value::Null, 0)), expected);
    }
}

#[test]
fn a_set_without_change_for_long_loses_its_most_loaded_server() {
    let replay = three("lblcr");
    let tables = replay.cpu.tables();
    tables
        .settings
        .edit(0, |settings| settings.lblcr_expiration = 100);
    let set = || tables.localities.entries()[0].1.servers[..3].to_vec();
    let first: Vec<_> = (0..3)
        .map(|_| replay.connect(tuple(&Value::Null, 0)))
        .collect();
    assert_eq!(first, [2, 2, 1]);
    assert_eq!(set(), [1, 2, NONE]);
    replay.cpu.wait(101);
    replay.connect(tuple(&Value::Null, 0));
    assert_eq!(set()[..2], [1, NONE]);
}

#[test]
fn a_remembered_server_of_another_virtual_server_is_not_used() {
    let replay = three("lblc");
    assert_eq!(replay.connect(tuple(&Value::Null, 0)), 2);
    let tables = replay.cpu.tables();
    tables
        .real_servers
        .edit(2, |server| server.virtual_server = 7);
    assert_eq!(replay.connect(tuple(&Value::Null, 0)), 1);
}

#[test]
fn a_table_without_servers_or_weights_has_nobody() {
    for scheduler in [number::DH, number::SH, number::MH] {
        let mut buckets = vec![0; table::size(scheduler)];
        table::fill(scheduler, &mut [], &mut buckets);
        assert!(buckets.iter().all(|bucket| *bucket == NONE));
    }
    let mut buckets = vec![0; table::size(number::MH)];
    table::fill(number::MH, &mut [table::Member::default()], &mut buckets);
    assert!(buckets.iter().all(|bucket| *bucket == NONE));
}

#[test]
fn a_maglev_table_divides_its_buckets_by_weight_and_a_quiesced_server_keeps_its() {
    let server = |index, weight| table::Member {
        index,
        weight,
        last_weight: weight,
        address: [0x0a00_0100 + index, 0, 0, 0],
        ..table::Member::default()
    };
    let mut before = vec![0; table::size(number::MH)];
    table::fill(number::MH, &mut [server(0, 30), server(1, 10)], &mut before);
    let share = before.iter().filter(|bucket| **bucket == 0).count();
    assert!((3066..=3072).contains(&share), "{share} of 4093");
    let quiesced = table::Member {
        weight: 0,
        ..server(1, 10)
    };
    let mut after = vec![0; table::size(number::MH)];
    table::fill(number::MH, &mut [server(0, 30), quiesced], &mut after);
    assert_eq!(before, after);
}
