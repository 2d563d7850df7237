//! A packet at XDP.

use std::sync::Arc;

use xvs_wire::checksum;

use crate::{
    Fib, FibAnswer, Packet, Verdict,
    abi::{ANSWER, Address, Held, TEXT, Text, index},
    native::{Routes, bytes::Bytes},
};

/// `XDP_PACKET_HEADROOM` less what the kernel keeps for its `struct xdp_frame`.
const HEADROOM: usize = 256 - 40;
/// What a page leaves behind a frame of 1,514 bytes.
const TAILROOM: usize = 1_900;

/// A packet as an XDP program sees it: checksums are complete, nothing resolves neighbours.
#[derive(Debug)]
pub struct Frame {
    bytes: Bytes,
    ingress: u32,
    linear: usize,
    routes: Arc<Routes>,
}

impl Frame {
    /// A frame that came in by link `ingress`.
    #[must_use]
    pub fn new(bytes: &[u8], ingress: u32, routes: &Arc<Routes>) -> Self {
        Self {
            bytes: Bytes::new(bytes, HEADROOM, TAILROOM),
            ingress,
            linear: usize::MAX,
            routes: Arc::clone(routes),
        }
    }

    /// The same with as much room before and behind the frame as given.
    #[must_use]
    pub fn with_room(self, headroom: usize, tailroom: usize) -> Self {
        Self {
            bytes: Bytes::new(&self.bytes.to_vec(), headroom, tailroom),
            ..self
        }
    }

    /// The same with all but the first `length` bytes in fragments that cannot be read directly.
    #[must_use]
    pub fn with_linear(self, length: usize) -> Self {
        Self {
            linear: length,
            ..self
        }
    }

    /// The bytes as they are now.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }
}

impl Packet for Frame {
    const DIRECT: bool = true;
    const RESOLVES: bool = false;

    fn bounds(&self) -> (usize, usize) {
        let start = self.bytes.address();
        (start, start + self.bytes.len().min(self.linear))
    }

    fn ingress(&self) -> u32 {
        self.ingress
    }

    fn mark(&self) -> u32 {
        0
    }

    fn segment_payload(&self) -> u32 {
        0
    }

    fn segments(&self) -> u32 {
        1
    }

    fn adjust_l4(&mut self, _offset: u32, _delta: u16, _pseudo_header: bool, _udp: bool) {}

    fn push_outer(&mut self, length: u32, _ipv6: bool, _protocol: u8) -> bool {
        self.linear = self.linear.saturating_add(index(length));
        self.bytes.push(index(length))
    }

    fn resize(&mut self, length: u32) -> bool {
        // `bpf_xdp_adjust_tail` leaves no frame without an Ethernet header.
        length >= 14 && self.bytes.resize(index(length))
    }

    fn push_front(&mut self, length: u32, ipv6: bool) -> bool {
        self.push_outer(length, ipv6, 0)
    }

    fn pop_front(&mut self, length: u32) -> bool {
        self.bytes.pop(index(length))
    }

    fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    fn pull(&mut self, _length: u32) {}

    unsafe fn read(&mut self, offset: u32, room: *mut Text, length: u32) -> bool {
        // SAFETY: the caller vouches for the room.
        read(&self.bytes.to_vec(), offset, unsafe { &mut *room }, length)
    }

    unsafe fn copy_to(&mut self, _room: *mut Held, _length: u32) -> bool {
        false
    }

    unsafe fn become_held(&mut self, _held: *const Held) -> bool {
        false
    }

    fn again(&mut self) -> bool {
        false
    }

    fn sum(&mut self, offset: u32, length: u32) -> u32 {
        sum(&self.bytes.to_vec(), offset, length)
    }

    fn save(&mut self, _: u32, _: u32) -> bool {
        false
    }

    fn restore(&mut self, _: u32, _: u32, _: u32) -> bool {
        false
    }

    unsafe fn write(&mut self, _: u32, _: *const [u8; index(ANSWER)], _: u32) -> bool {
        false
    }

    fn send_copy(&mut self, _: u32) -> bool {
        false
    }

    fn fib(&mut self, query: &mut Fib) -> FibAnswer {
        self.routes.look_up(query)
    }

    fn send_to_neighbour(&mut self, _: u32, _: bool, _: &Address) -> Verdict {
        Verdict::PASS
    }
}

/// The sum of a part as the adapters in `ebpf/` make it: 0 for what they refuse.
pub(super) fn sum(bytes: &[u8], offset: u32, length: u32) -> u32 {
    if !(1..=512).contains(&length) {
        return 0;
    }
    bytes
        .get(index(offset)..index(offset + length))
        .map_or(0, checksum::sum)
}

/// Reads as the adapters in `ebpf/` do.
pub(super) fn read(bytes: &[u8], offset: u32, room: &mut Text, length: u32) -> bool {
    let wanted = bytes.get(index(offset)..index(offset + length));
    let Some(wanted) = wanted.filter(|_| (1..=TEXT).contains(&length)) else {
        return false;
    };
    room.bytes[..wanted.len()].copy_from_slice(wanted);
    true
}
