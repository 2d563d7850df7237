//! The packet walk: what one request looked like on every wire it crossed, forward and back.
//!
//! The way of a connection's SYN and SYN-ACK is put together from the frames that [`Capture`]s saw
//! on both ends of each wire. A SYN keeps its sequence number through every forwarding method, and
//! the SYN-ACK acknowledges it, so that nothing else is taken for them.
//!
//! [`Capture`]: crate::Capture

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde::{Serialize, Serializer};

use crate::{Frame, Mac, Port, Sighting};

/// The wires between hosts: every end with its MAC address and its far end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    ends: BTreeMap<Port, End>,
}

/// One end of a wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Its MAC address.
    pub mac: Mac,
    /// The other end.
    pub far: Port,
    /// Whether it is the port of a switch, which takes frames to any address.
    pub switched: bool,
}

impl Wiring {
    /// Adds one end of a wire.
    pub fn add(&mut self, port: Port, end: End) {
        self.ends.insert(port, end);
    }

    /// The port that has `mac`, ports of switches apart.
    #[must_use]
    pub fn owner(&self, mac: Mac) -> Option<&Port> {
        self.ends
            .iter()
            .find_map(|(port, end)| (end.mac == mac && !end.switched).then_some(port))
    }

    /// The MAC addresses that a walk may show, by port.
    pub fn macs(&self) -> impl Iterator<Item = (&Port, Mac)> {
        self.ends
            .iter()
            .filter(|(_, end)| !end.switched)
            .map(|(port, end)| (port, end.mac))
    }
}

/// What one request looked like on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Walk {
    /// The SYN, wire by wire.
    pub forward: Vec<Hop>,
    /// The SYN-ACK, wire by wire.
    pub back: Vec<Hop>,
}

/// One frame on one wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Microseconds since the first frame of the walk.
    pub time_us: u64,
    /// The host it left.
    pub from: String,
    /// The host it reached.
    pub to: String,
    /// Its source MAC address, and whose it is.
    pub source_mac: NamedMac,
    /// Its destination MAC address, and whose it is.
    pub destination_mac: NamedMac,
    /// Source address and port of the segment.
    pub source: SocketAddr,
    /// Destination address and port of the segment.
    pub destination: SocketAddr,
    /// Time to live or hop limit of the outermost header.
    pub ttl: u8,
    /// The headers around the packet, and options that name its client; none for a plain packet.
    pub encapsulation: Option<String>,
    /// What differs from the hop before; empty on the first hop and behind a switch.
    pub rewritten: Vec<String>,
}

/// A MAC address with the name of its port, where that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedMac {
    /// The address.
    #[serde(serialize_with = "as_text")]
    pub address: Mac,
    /// `host.link`.
    pub port: Option<String>,
}

impl Walk {
    /// Puts the walk of the connection from `client_port` together; its parts are empty where
    /// nothing was seen.
    #[must_use]
    pub fn assemble(sightings: &[Sighting], wiring: &Wiring, client_port: u16) -> Self {
        let first = sightings.iter().find(|sighting| {
            let tcp = &sighting.frame.tcp;
            tcp.syn && !tcp.ack && tcp.source_port == client_port
        });
        let Some(first) = first else {
            return Self {
                forward: Vec::new(),
                back: Vec::new(),
            };
        };
        let sequence = first.frame.tcp.sequence;
        let way = |wanted: &dyn Fn(&Frame) -> bool| {
            let crossings = crossings(sightings, wiring, wanted);
            hops(&crossings, wiring, first.time)
        };
        Self {
            forward: way(&|frame| {
                frame.tcp.syn && !frame.tcp.ack && frame.tcp.sequence == sequence
            }),
            back: way(&|frame| {
                frame.tcp.syn
                    && frame.tcp.ack
                    && frame.tcp.acknowledgement == sequence.wrapping_add(1)
            }),
        }
    }

    /// The first place where a hop is missing, in words; none when both ways are whole: from
    /// `client` to some host, and from that host to `client`.
    #[must_use]
    pub fn gap(&self, client: &str) -> Option<String> {
        let last = self.forward.last().map_or(client, |hop| &hop.to);
        gap_between(&self.forward, client, last, "the SYN")
            .or_else(|| gap_between(&self.back, last, client, "the SYN-ACK"))
    }

    /// Whether the way back passes `host`.
    #[must_use]
    pub fn returns_through(&self, host: &str) -> bool {
        self.back.iter().any(|hop| hop.to == host)
    }
}

fn gap_between(hops: &[Hop], from: &str, to: &str, what: &str) -> Option<String> {
    let mut at = from;
    for hop in hops {
        if hop.from != at {
            return Some(format!("{what} was not seen between {at} and {}", hop.from));
        }
        at = &hop.to;
    }
    if hops.is_empty() {
        return Some(format!("{what} was not seen on any wire"));
    }
    (at != to).then(|| format!("{what} was not seen between {at} and {to}"))
}

/// A frame on a wire: where it went and how it looked there.
struct Crossing<'s> {
    from: Port,
    to: Port,
    sighting: &'s Sighting,
}

/// The wires that wanted frames crossed, in the order of time; of a repeated frame the first.
fn crossings<'s>(
    sightings: &'s [Sighting],
    wiring: &Wiring,
    wanted: &dyn Fn(&Frame) -> bool,
) -> Vec<Crossing<'s>> {
    let mut crossings: Vec<Crossing<'s>> = Vec::new();
    for sighting in sightings.iter().filter(|sighting| wanted(&sighting.frame)) {
        let Some(near) = wiring.ends.get(&sighting.port) else {
            continue;
        };
        let (from, to) = if sighting.leaving {
            (sighting.port.clone(), near.far.clone())
        } else {
            (near.far.clone(), sighting.port.clone())
        };
        // A switch floods what it has not learned yet; a copy that its receiver does not take is no
        // hop.
        let taken = wiring
            .ends
            .get(&to)
            .is_some_and(|end| end.switched || end.mac == sighting.frame.destination_mac);
        let known = crossings
            .iter()
            .any(|crossing| (&crossing.from, &crossing.to) == (&from, &to));
        if taken && !known {
            crossings.push(Crossing { from, to, sighting });
        }
    }
    crossings
}

fn hops(crossings: &[Crossing<'_>], wiring: &Wiring, start: Duration) -> Vec<Hop> {
    let named = |address| NamedMac {
        address,
        port: wiring
            .owner(address)
            .map(|port| format!("{}.{}", port.host, port.link)),
    };
    let mut before: Option<&Frame> = None;
    let mut hops = Vec::with_capacity(crossings.len());
    for crossing in crossings {
        let frame = &crossing.sighting.frame;
        let since = crossing.sighting.time.saturating_sub(start).as_micros();
        hops.push(Hop {
            time_us: u64::try_from(since).unwrap_or(u64::MAX),
            from: crossing.from.host.clone(),
            to: crossing.to.host.clone(),
            source_mac: named(frame.source_mac),
            destination_mac: named(frame.destination_mac),
            source: frame.source(),
            destination: frame.destination(),
            ttl: ttl(frame),
            encapsulation: encapsulation(frame),
            rewritten: before.map_or_else(Vec::new, |before| rewritten(before, frame)),
        });
        before = Some(frame);
    }
    hops
}

fn encapsulation(frame: &Frame) -> Option<String> {
    let outer = frame
        .outer
        .map(|outer| format!("IPIP {} > {}", outer.source, outer.destination));
    let toa = frame.tcp.toa.map(|client| format!("TOA {client}"));
    outer.or(toa)
}

fn rewritten(before: &Frame, after: &Frame) -> Vec<String> {
    let mut changes = Vec::new();
    match (before.outer, after.outer) {
        (None, Some(_)) => changes.push("outer header added".to_owned()),
        (Some(_), None) => changes.push("outer header removed".to_owned()),
        _ => {}
    }
    if before.source() != after.source() {
        changes.push("source".to_owned());
    }
    if before.destination() != after.destination() {
        changes.push("destination".to_owned());
    }
    if let (Some(old), Some(new)) = (before.tcp.mss, after.tcp.mss)
        && old != new
    {
        changes.push(format!("MSS {old} > {new}"));
    }
    if ttl(before) != ttl(after) && before.outer.is_some() == after.outer.is_some() {
        changes.push(format!("TTL {} > {}", ttl(before), ttl(after)));
    }
    if (before.source_mac, before.destination_mac) != (after.source_mac, after.destination_mac) {
        changes.push("MACs".to_owned());
    }
    changes
}

fn ttl(frame: &Frame) -> u8 {
    frame.outer.map_or(frame.ip.ttl, |outer| outer.ttl)
}

fn as_text<S: Serializer>(mac: &Mac, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(mac)
}

#[cfg(test)]
mod tests;
