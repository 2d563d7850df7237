//! Packet tables: worlds, packets, and what must become of them.
//!
//! Each case runs natively at both hooks and through the loaded programs. Frames are built from
//! scratch by [`Datagram`], never by the code under test.

mod answers;
mod broken;
mod direct;
mod foreign;
mod ftp;
mod full_nat;
mod local;
mod nat;
mod persistence;
mod quoted;
mod related;
mod relay;
mod tunnel;
mod unusual;

pub(crate) use unusual::cut;
use xvs_wire::{checksum, icmp};

use crate::{
    abi::{Counter, RealServer},
    native::{Datagram, World, icmp_error},
};

/// A world and what happens in it.
#[derive(Debug)]
pub struct Case {
    /// What must be so.
    pub description: &'static str,
    /// What is in the maps at the begin.
    pub world: World,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// The daemon edits the real server with this index.
    Edit(u32, fn(&mut RealServer)),
    /// This host's own stack sends a frame out by [`World::CLIENTS`].
    Leaves(Vec<u8>, Outcome),
    /// A frame comes in by [`World::CLIENTS`].
    Packet(Vec<u8>, Outcome),
}

/// What must become of a frame. Unless a reason is named no drop may be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sent back as this frame, an ICMP error, with this drop counted.
    Answer(Counter, Vec<u8>),
    /// Dropped, with just this drop counted.
    Drop(Counter),
    /// Sent out by this link as this frame.
    Forward(u32, Vec<u8>),
    /// At tcx held until the first fragment of its packet comes. At XDP left as it was to the other hook.
    Held,
    /// At tcx left to the kernel, as this frame, to be received by this host. At XDP left as it was to
    /// the other hook.
    Host(Vec<u8>),
    /// At tcx handed as this frame to this host by its loopback link. At XDP left as it was to the other
    /// hook.
    Inward(Vec<u8>),
    /// At tcx rewritten to this frame and given to the kernel to resolve the neighbour. At XDP left
    /// as it was to the other hook.
    Neighbour(Vec<u8>),
    /// Left to the kernel as it was.
    Pass,
    /// Left to the kernel as it was, with this event counted.
    PassCounting(Counter),
}

/// All cases.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        nat::cases(),
        direct::cases(),
        tunnel::cases(),
        full_nat::cases(),
        persistence::cases(),
        answers::cases(),
        related::cases(),
        relay::cases(),
        unusual::cases(),
        local::cases(),
        broken::cases(),
        quoted::cases(),
        foreign::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Those that tcx alone can do, beside [`all`].
#[must_use]
pub fn of_tcx() -> Vec<Case> {
    ftp::cases()
}

/// The client of most cases, and another.
const CLIENT: &str = "198.51.100.7:40000";
const OTHER_CLIENT: &str = "198.51.100.8:40000";
const CLIENT6: &str = "[2001:db8:c::7]:40000";
const OTHER_CLIENT6: &str = "[2001:db8:c::8]:40000";
/// The virtual servers of most cases.
const VIP: &str = "192.0.2.1:80";
const VIP6: &str = "[2001:db8::1]:80";
/// The real servers of most cases.
const REAL: &str = "10.0.0.1:8080";
const REAL2: &str = "10.0.0.2:8080";
const REAL6: &str = "[2001:db8:5::1]:8080";
const REAL6_2: &str = "[2001:db8:5::2]:8080";
/// The director's addresses towards real servers.
const NEAR: &str = "10.0.0.254";
const NEAR6: &str = "2001:db8:5::fe";

/// A director that reaches the clients of most cases by their router.
fn world() -> World {
    [
        "198.51.100.7",
        "198.51.100.8",
        "2001:db8:c::7",
        "2001:db8:c::8",
    ]
    .into_iter()
    .fold(World::new(), |world, client| {
        world.reaching(client, World::ROUTER_MAC)
    })
}

/// The frame with the right checksum in its IPv4 header, if it has one of 20 bytes.
fn mended(mut frame: Vec<u8>) -> Vec<u8> {
    if frame.get(12..15) == Some(&[8, 0, 0x45]) {
        frame[24..26].fill(0);
        let sum = checksum::finish(&frame[14..34], 0);
        frame[24..26].copy_from_slice(&sum.to_ne_bytes());
    }
    frame
}

/// A frame that is forwarded to a real server.
fn to_server(frame: Vec<u8>, forwarded: Vec<u8>) -> Step {
    Step::Packet(frame, Outcome::Forward(World::SERVERS, forwarded))
}

/// A frame that is forwarded to a client.
fn to_client(frame: Vec<u8>, forwarded: Vec<u8>) -> Step {
    Step::Packet(frame, Outcome::Forward(World::CLIENTS, forwarded))
}

/// A datagram of which the sender is told that it exceeds `mtu`: the quoted packet is one hop older.
fn too_big(datagram: &Datagram, mtu: u32) -> Step {
    let (kind, code) = if datagram.source.is_ipv6() {
        (icmp::V6_PACKET_TOO_BIG, 0)
    } else {
        (icmp::V4_UNREACHABLE, icmp::V4_FRAGMENTATION_NEEDED)
    };
    let quoted = datagram.clone().ttl(datagram.ttl - 1).bytes();
    let answer = icmp_error(&quoted, kind, code, mtu);
    Step::Packet(
        datagram.bytes(),
        Outcome::Answer(Counter::DropTooBig, answer),
    )
}

/// Makes the identification of an outer IPv4 header 0 as in expected frames: without "don't
/// fragment" it is a random one. The header's checksum is adjusted as it must be.
pub fn forget_outer_identification(frame: &mut [u8]) {
    let tunnelled =
        frame.len() > 34 && frame[12..15] == [8, 0, 0x45] && matches!(frame[23], 4 | 41);
    if tunnelled && frame[20] & 0x40 == 0 {
        let old = u16::from_ne_bytes([frame[18], frame[19]]);
        let sum = u16::from_ne_bytes([frame[24], frame[25]]);
        let new = checksum::update(sum, checksum::delta32(u32::from(old), 0));
        frame[18..20].copy_from_slice(&[0, 0]);
        frame[24..26].copy_from_slice(&new.to_ne_bytes());
    }
}
