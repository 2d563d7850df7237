//! Recordings with other addresses and ports: what is decided depends on neither.
//!
//! Addresses and ports change by what checksums do not see: what one word of a pair loses the other
//! gains, so that the frames stay right without being computed anew by the code under test.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use xvs_conformance::{Recording, Scenario, Suite, Topology};

use crate::{HOOKS, expect, known};

const TOPICS: [&str; 10] = [
    "broken", "icmp", "iphdr", "life", "many", "mtu", "nosvc", "persist", "tcp", "udp",
];
/// Schedulers that decide by addresses.
const BY_ADDRESS: [&str; 3] = ["-s dh", "-s mh", "-s sh"];
/// Words of the names of schedulers that decide by addresses, or remember them.
const OF_ADDRESSES: [&str; 4] = ["dh", "lblc", "mh", "sh"];
/// Ports that mean something: none, a template of a quiesced server, GUE.
const KEPT: [u16; 3] = [0, 6080, 65_535];

#[test]
fn recordings_with_other_addresses_and_ports_are_decided_alike() {
    // A port that is far from the recorded one, and one that crosses a byte.
    for port in [7, 41] {
        let suite: Suite = TOPICS
            .iter()
            .flat_map(|topic| renumbered(topic, port))
            .collect();
        assert!(suite.iter().count() > 480);
        let [hook, _] = HOOKS;
        let tally = suite.native(&known(), hook).unwrap();
        expect(&format!("ports {port} apart"), &tally);
    }
}

#[test]
fn schedulers_decide_alike_among_other_addresses_and_ports() {
    for port in [7, 41] {
        let suite: Suite = renumbered_decisions(port).into_iter().collect();
        assert!(suite.iter().count() > 150);
        let [hook, _] = HOOKS;
        let tally = suite.native(&known(), hook).unwrap();
        expect(&format!("schedulers, ports {port} apart"), &tally);
    }
}

#[test]
fn addresses_and_ports_of_texts_and_frames_are_others() {
    let numbers = Numbers { port: 7 };
    assert_eq!(
        numbers.text("-a -t 192.0.2.10:80 -r [2001:db8:2::11]:8080 -w 1"),
        "-a -t 191.0.3.10:73 -r [2000:db9:2::11]:8073 -w 1"
    );
    let columns = "  -> 10.1.0.11:53      Masq    1";
    assert_eq!(numbers.text(columns), "  -> 9.1.1.11:46       Masq    1");
    let digits: Vec<String> = renumbered("tcp", 7)
        .iter()
        .filter_map(|recording| match recording {
            Recording::Frames(scenario, _) if scenario.id == "A/tcp/tcp-full-nat" => {
                Some(format!("{:?}", scenario.steps))
            }
            _ => None,
        })
        .collect();
    // 191.0.3.10, and never 192.0.2.10.
    assert!(digits.iter().all(|steps| steps.contains("191, 0, 3, 10")));
    assert!(!digits.iter().any(|steps| steps.contains("192, 0, 2, 10")));
    assert_eq!(digits.len(), 1);
}

/// The recordings of a topic with other numbers; without those whose decisions are made of them.
fn renumbered(topic: &str, port: u16) -> Vec<Recording> {
    let text = |file: String| fs::read_to_string(folder().join(file)).unwrap();
    let numbers = Numbers { port };
    let mut topologies: Value = serde_json::from_str(&text("topology.json".to_owned())).unwrap();
    numbers.change(&mut topologies);
    let topologies: BTreeMap<String, Topology> = serde_json::from_value(topologies).unwrap();
    let topologies: BTreeMap<_, _> = topologies
        .into_iter()
        .map(|(name, topology)| (name, Arc::new(topology)))
        .collect();
    text(format!("{topic}.jsonl"))
        .lines()
        .filter(|line| !BY_ADDRESS.iter().any(|scheduler| line.contains(scheduler)))
        .map(|line| {
            let mut scenario: Value = serde_json::from_str(line).unwrap();
            numbers.change(&mut scenario);
            let scenario: Scenario = serde_json::from_value(scenario).unwrap();
            let topology = Arc::clone(&topologies[&scenario.topology]);
            Recording::Frames(scenario, topology)
        })
        .collect()
}

/// The schedulers' decisions with other numbers; without those that are made of them.
fn renumbered_decisions(port: u16) -> Vec<Recording> {
    let file = folder().join("../../../xvs-datapath/tests/fixtures/schedulers.json");
    let numbers = Numbers { port };
    let all: Vec<Value> = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    all.into_iter()
        .filter(|one| {
            let scheduler = one["scheduler"].as_str().unwrap();
            !OF_ADDRESSES.iter().any(|name| scheduler.starts_with(name))
        })
        .map(|mut one| {
            numbers.change(&mut one);
            let ports = one["keys"].as_array_mut().into_iter().flatten();
            for number in ports.flat_map(|key| key.as_array_mut().unwrap()) {
                if let Some(port) = number.as_u64() {
                    *number = numbers.port(u16::try_from(port).unwrap()).into();
                }
            }
            Recording::Decisions(serde_json::from_value(one).unwrap())
        })
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// How numbers change.
struct Numbers {
    /// Clients' ports gain this, others lose it.
    port: u16,
}

impl Numbers {
    /// Changes every text and frame in a value.
    fn change(&self, value: &mut Value) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(|one| self.change(one)),
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    match field {
                        Value::String(digits) if name == "frame" => *digits = self.frame(digits),
                        Value::String(text) if !["id", "note", "leg"].contains(&name.as_str()) => {
                            *text = self.text(text);
                        }
                        _ => self.change(field),
                    }
                }
            }
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }

    fn port(&self, port: u16) -> u16 {
        match port {
            port if KEPT.contains(&port) => port,
            20_000.. => port + self.port,
            _ => port.checked_sub(self.port).unwrap_or(port),
        }
    }

    /// A text in which every address and port is another, in columns as wide as before.
    fn text(&self, text: &str) -> String {
        let mut changed = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = rest
                .find(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c)))
                .unwrap_or(rest.len());
            if end == 0 {
                changed.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let (word, behind) = rest.split_at(end);
            let other = self.word(word);
            rest = behind;
            changed += &other;
            if rest.starts_with("  ") {
                let lost = word.len().saturating_sub(other.len());
                changed.extend(std::iter::repeat_n(' ', lost));
                rest = &rest[other.len().saturating_sub(word.len())..];
            }
        }
        changed
    }

    /// An address, perhaps with a port.
    fn word(&self, word: &str) -> String {
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) if host.ends_with(']') || host.contains('.') => (host, Some(port)),
            _ => (word, None),
        };
        let host = match host.parse::<Ipv4Addr>() {
            Ok(address) => Ipv4Addr::from(v4(address.octets())).to_string(),
            Err(_) => host.replace("2001:db8:", "2000:db9:"),
        };
        match port.map(str::parse::<u16>) {
            Some(Ok(port)) => format!("{host}:{}", self.port(port)),
            Some(Err(_)) => format!("{host}:{}", port.unwrap_or_default()),
            None => host,
        }
    }

    fn frame(&self, digits: &str) -> String {
        let mut frame: Vec<u8> = digits
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        match frame.get(12..14) {
            Some([0x08, 0x06]) => {
                for at in [28, 38] {
                    let old: [u8; 4] = frame[at..at + 4].try_into().unwrap();
                    frame[at..at + 4].copy_from_slice(&v4(old));
                }
            }
            Some([0x08, 0x00] | [0x86, 0xdd]) => self.packet(&mut frame[14..]),
            _ => {}
        }
        frame.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Changes an IP packet, those in it, and those that it quotes.
    fn packet(&self, packet: &mut [u8]) {
        let (protocol, l4) = match packet.first().map(|byte| byte >> 4) {
            Some(4) if packet.len() >= 20 => {
                for at in [12, 16] {
                    let old: [u8; 4] = packet[at..at + 4].try_into().unwrap();
                    packet[at..at + 4].copy_from_slice(&v4(old));
                }
                if u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff != 0 {
                    // Ports are in the first fragment alone.
                    return;
                }
                (packet[9], usize::from(packet[0] & 15) * 4)
            }
            Some(6) if packet.len() >= 40 => {
                for at in [8, 24] {
                    v6(&mut packet[at..at + 16]);
                }
                behind_extensions(packet)
            }
            _ => return,
        };
        let Some(rest) = packet.get_mut(l4..) else {
            return;
        };
        match (protocol, rest.first()) {
            (4 | 41, _) => self.packet(rest),
            // GRE, with and without a checksum.
            (47, Some(flags)) => {
                let skip = if flags & 0x80 == 0 { 4 } else { 8 };
                self.packet(rest.get_mut(skip..).unwrap_or_default());
            }
            (17, _) if rest.get(2..4) == Some(&6080_u16.to_be_bytes()) => {
                let optional = rest.get(8).map_or(0, |byte| usize::from(byte & 31) * 4);
                self.packet(rest.get_mut(12 + optional..).unwrap_or_default());
            }
            (6 | 17, Some(_)) if rest.len() >= 4 => {
                for at in [0, 2] {
                    let port = self.port(u16::from_be_bytes([rest[at], rest[at + 1]]));
                    rest[at..at + 2].copy_from_slice(&port.to_be_bytes());
                }
            }
            // Errors quote a packet.
            (1, Some(3 | 4 | 5 | 11 | 12)) | (58, Some(1..=4)) => {
                self.packet(rest.get_mut(8..).unwrap_or_default());
            }
            // Solicitations and advertisements name an address.
            (58, Some(135 | 136)) if rest.len() >= 24 => v6(&mut rest[8..24]),
            _ => {}
        }
    }
}

/// The protocol of an IPv6 packet and where it begins.
fn behind_extensions(packet: &[u8]) -> (u8, usize) {
    let (mut protocol, mut at) = (packet[6], 40);
    // Hop-by-hop options, routing, fragment, destination options.
    while [0, 43, 44, 60].contains(&protocol)
        && let Some(&[next, length]) = packet.get(at..at + 2)
    {
        let units = if protocol == 44 { 0 } else { length };
        (protocol, at) = (next, at + 8 + usize::from(units) * 8);
    }
    (protocol, at)
}

/// Another address: what its first byte loses its third gains.
fn v4([a, b, c, d]: [u8; 4]) -> [u8; 4] {
    match a {
        10 | 192 | 198 | 203 => [a - 1, b, c + 1, d],
        _ => [a, b, c, d],
    }
}

/// Makes an address another one, where it is of the prefix for documentation.
fn v6(address: &mut [u8]) {
    if let Some(prefix @ [0x20, 0x01, 0x0d, 0xb8]) = address.get_mut(..4) {
        prefix.copy_from_slice(&[0x20, 0x00, 0x0d, 0xb9]);
    }
}
