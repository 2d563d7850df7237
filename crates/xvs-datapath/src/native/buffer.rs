//! A packet at tcx ingress.

use std::sync::Arc;

use xvs_wire::checksum;

use crate::{
    Fib, FibAnswer, Packet, Verdict,
    abi::{ANSWER, Address, Held, Text, index},
    native::{
        Routes,
        bytes::Bytes,
        frame::{read, sum},
    },
};

const HEADROOM: usize = 128;
const TAILROOM: usize = 320;
/// Bytes that can be saved of a packet.
const SAVED: u32 = 8_192;

/// A packet that stands for several: what `gso_size` and `gso_segs` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Bytes of L4 payload each, not 0.
    pub payload: u32,
    /// How many there are.
    pub count: u32,
}

/// Where an L4 checksum is that the device completes (`CHECKSUM_PARTIAL`), from the begin of the room.
#[derive(Clone, Copy, Debug)]
struct Partial {
    start: usize,
    field: usize,
}

/// A packet as a classifier sees it: it may stand for several, and its L4 checksum may be left to
/// the device, both as in `struct sk_buff`.
#[derive(Debug)]
pub struct Buffer {
    bytes: Bytes,
    ingress: u32,
    mark: u32,
    returning: Vec<Vec<u8>>,
    linear: usize,
    partial: Option<Partial>,
    segments: Option<Segments>,
    udp: bool,
    refuses: bool,
    neighbour: Option<(u32, bool, Address)>,
    saved: Vec<u8>,
    copies: Vec<(u32, Vec<u8>)>,
    routes: Arc<Routes>,
}

impl Buffer {
    /// A packet that came in by link `ingress`.
    #[must_use]
    pub fn new(bytes: &[u8], ingress: u32, routes: &Arc<Routes>) -> Self {
        Self {
            bytes: Bytes::new(bytes, HEADROOM, TAILROOM),
            ingress,
            mark: 0,
            returning: Vec::new(),
            linear: usize::MAX,
            partial: None,
            segments: None,
            udp: l4_of(bytes).is_some_and(|(_, udp)| udp),
            refuses: false,
            neighbour: None,
            saved: Vec::new(),
            copies: Vec::new(),
            routes: Arc::clone(routes),
        }
    }

    /// Frames that come in once more, in order.
    #[must_use]
    pub fn returning(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.returning)
    }

    /// The packet with this firewall mark.
    #[must_use]
    pub const fn marked(mut self, mark: u32) -> Self {
        self.mark = mark;
        self
    }

    /// The same with its TCP or UDP checksum left to the device: the field then holds the sum of the
    /// pseudo-header. `None` where there is no such checksum.
    #[must_use]
    pub fn with_partial_checksum(mut self) -> Option<Self> {
        let bytes = self.bytes.to_vec();
        let (l4, udp) = l4_of(&bytes)?;
        let offset = if udp { 6 } else { 16 };
        let field = bytes.get(l4 + offset..l4 + offset + 2)?;
        if udp && field == [0, 0] {
            return None;
        }
        let pseudo = checksum::fold(pseudo_header(&bytes, l4, udp)?);
        self.bytes.write(l4 + offset, &pseudo.to_ne_bytes());
        let start = self.bytes.start() + l4;
        self.partial = Some(Partial {
            start,
            field: start + offset,
        });
        Some(self)
    }

    /// The same as a packet that stands for several.
    #[must_use]
    pub fn with_segments(self, segments: Segments) -> Self {
        Self {
            segments: Some(segments),
            ..self
        }
    }

    /// The same with all but the first `length` bytes where they cannot be read directly until they
    /// are pulled.
    #[must_use]
    pub fn with_linear(self, length: usize) -> Self {
        Self {
            linear: length,
            ..self
        }
    }

    /// The same under a kernel that refuses to send to neighbours.
    #[must_use]
    pub fn refusing(self) -> Self {
        Self {
            refuses: true,
            ..self
        }
    }

    /// The bytes as the device would send them now: with the checksum that was left to it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        if let Some(partial) = self.partial {
            let start = partial.start - self.bytes.start();
            let field = partial.field - self.bytes.start();
            let value = !checksum::fold(checksum::sum(&bytes[start..]));
            // Kernel `skb_checksum_help`: never 0, which means no checksum.
            let value = if value == 0 { 0xffff } else { value };
            bytes[field..field + 2].copy_from_slice(&value.to_ne_bytes());
        }
        bytes
    }

    /// What [`Packet::send_to_neighbour`] was told: link, whether IPv6, neighbour.
    #[must_use]
    pub fn neighbour(&self) -> Option<(u32, bool, Address)> {
        self.neighbour
    }

    /// The copies that were sent, each with its link.
    #[must_use]
    pub fn copies(&self) -> &[(u32, Vec<u8>)] {
        &self.copies
    }

    /// What is left of `gso_size`.
    #[must_use]
    pub fn segments(&self) -> Option<Segments> {
        self.segments
    }

    /// `bpf_l4_csum_replace` with a `from` of 0: kernel `inet_proto_csum_replace_by_diff`.
    fn replace_checksum(&mut self, offset: usize, delta: u16, pseudo: bool, keep_zero: bool) {
        let bytes = self.bytes.to_vec();
        let Some(&[a, b]) = bytes.get(offset..offset + 2) else {
            return;
        };
        let old = u16::from_ne_bytes([a, b]);
        if keep_zero && old == 0 {
            return;
        }
        let mut new = match (self.partial, pseudo) {
            (None, _) => checksum::update(old, u32::from(delta)),
            (Some(_), true) => checksum::fold(u32::from(delta) + u32::from(old)),
            (Some(_), false) => old,
        };
        if keep_zero && new == 0 {
            new = 0xffff;
        }
        self.bytes.write(offset, &new.to_ne_bytes());
    }

    fn push(&mut self, length: u32) -> bool {
        let head = self.bytes.to_vec();
        let Some(ethernet) = head.get(..14) else {
            return false;
        };
        if !self.bytes.push(index(length)) {
            return false;
        }
        self.bytes.write(0, ethernet);
        self.linear = self.linear.saturating_add(index(length));
        true
    }
}

impl Packet for Buffer {
    const DIRECT: bool = false;
    const RESOLVES: bool = true;

    fn bounds(&self) -> (usize, usize) {
        let start = self.bytes.address();
        (start, start + self.bytes.len().min(self.linear))
    }

    fn ingress(&self) -> u32 {
        self.ingress
    }

    fn mark(&self) -> u32 {
        self.mark
    }

    fn segment_payload(&self) -> u32 {
        self.segments.map_or(0, |segments| segments.payload)
    }

    fn segments(&self) -> u32 {
        self.segments.map_or(1, |segments| segments.count)
    }

    fn adjust_l4(&mut self, offset: u32, delta: u16, pseudo_header: bool, udp: bool) {
        self.replace_checksum(index(offset), delta, pseudo_header, udp);
    }

    fn push_outer(&mut self, length: u32, _ipv6: bool, _protocol: u8) -> bool {
        if let Some(segments) = &mut self.segments {
            // Kernel `bpf_skb_net_grow` without `BPF_F_ADJ_ROOM_FIXED_GSO`: TCP is cut anew, the
            // datagrams of UDP cannot be.
            if self.udp || segments.payload <= length {
                return false;
            }
            segments.payload -= length;
        }
        self.push(length)
    }

    fn resize(&mut self, length: u32) -> bool {
        let length = index(length);
        if length == self.bytes.len() {
            return true;
        }
        let least = self
            .partial
            .map_or(14, |partial| partial.field + 2 - self.bytes.start());
        if length < least || !self.bytes.resize(length) {
            return false;
        }
        // `bpf_skb_change_tail` makes all of it writable, and one packet of it.
        self.linear = usize::MAX;
        self.segments = None;
        true
    }

    fn push_front(&mut self, length: u32, _ipv6: bool) -> bool {
        self.push(length)
    }

    fn pop_front(&mut self, length: u32) -> bool {
        self.linear = self.linear.saturating_sub(index(length));
        self.bytes.pop(index(length))
    }

    fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    fn pull(&mut self, length: u32) {
        self.linear = self.linear.max(index(length));
    }

    unsafe fn read(&mut self, offset: u32, room: *mut Text, length: u32) -> bool {
        // SAFETY: the caller vouches for the room.
        read(&self.bytes.to_vec(), offset, unsafe { &mut *room }, length)
    }

    unsafe fn copy_to(&mut self, room: *mut Held, length: u32) -> bool {
        let bytes = self.bytes.to_vec();
        let Some(bytes) = bytes.get(..index(length)) else {
            return false;
        };
        // SAFETY: the caller vouches for the room.
        let room = unsafe { &mut *room };
        room.length = length;
        room.bytes[..bytes.len()].copy_from_slice(bytes);
        true
    }

    unsafe fn become_held(&mut self, held: *const Held) -> bool {
        // SAFETY: the caller vouches for the frame.
        let held = unsafe { &*held };
        let bytes = &held.bytes[..index(held.length)];
        self.bytes = Bytes::new(bytes, HEADROOM, TAILROOM);
        true
    }

    fn again(&mut self) -> bool {
        self.returning.push(self.bytes.to_vec());
        true
    }

    fn sum(&mut self, offset: u32, length: u32) -> u32 {
        sum(&self.bytes.to_vec(), offset, length)
    }

    fn save(&mut self, offset: u32, length: u32) -> bool {
        let bytes = self.bytes.to_vec();
        let wanted = bytes.get(index(offset)..index(offset + length));
        let fits = (1..=SAVED).contains(&length);
        self.saved = wanted
            .filter(|_| fits)
            .map(<[u8]>::to_vec)
            .unwrap_or_default();
        !self.saved.is_empty()
    }

    fn restore(&mut self, offset: u32, from: u32, length: u32) -> bool {
        let wanted = self.saved.get(index(from)..index(from + length));
        let Some(bytes) = wanted.map(<[u8]>::to_vec) else {
            return false;
        };
        if index(offset + length) > self.bytes.len() {
            return false;
        }
        self.bytes.write(index(offset), &bytes);
        self.linear = usize::MAX;
        true
    }

    unsafe fn write(
        &mut self,
        offset: u32,
        bytes: *const [u8; index(ANSWER)],
        length: u32,
    ) -> bool {
        // SAFETY: the caller vouches for the bytes.
        let bytes = unsafe { *bytes };
        let Some(bytes) = bytes.get(..index(length)) else {
            return false;
        };
        if bytes.is_empty() || index(offset) + bytes.len() > self.bytes.len() {
            return false;
        }
        self.bytes.write(index(offset), bytes);
        true
    }

    fn send_copy(&mut self, ifindex: u32) -> bool {
        let copy = self.bytes();
        self.copies.push((ifindex, copy));
        true
    }

    fn fib(&mut self, query: &mut Fib) -> FibAnswer {
        self.routes.look_up(query)
    }

    fn send_to_neighbour(&mut self, ifindex: u32, ipv6: bool, neighbour: &Address) -> Verdict {
        if self.refuses {
            return Verdict::DROP;
        }
        self.neighbour = Some((ifindex, ipv6, *neighbour));
        Verdict::NEIGHBOUR
    }
}

/// Offset of a TCP or UDP header behind an IP header without options, and whether it is UDP.
fn l4_of(bytes: &[u8]) -> Option<(usize, bool)> {
    let (l4, protocol) = match bytes.get(12..14)? {
        [0x08, 0x00] if *bytes.get(14)? == 0x45 => (34, *bytes.get(23)?),
        [0x86, 0xdd] => (54, *bytes.get(20)?),
        _ => return None,
    };
    match protocol {
        6 => Some((l4, false)),
        17 => Some((l4, true)),
        _ => None,
    }
}

/// The sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
fn pseudo_header(bytes: &[u8], l4: usize, udp: bool) -> Option<u32> {
    let addresses = if l4 == 34 { 26..34 } else { 22..54 };
    let length = u16::try_from(bytes.len() - l4).ok()?;
    let protocol: u16 = if udp { 17 } else { 6 };
    Some(
        checksum::sum(bytes.get(addresses)?)
            + u32::from(length.to_be())
            + u32::from(protocol.to_be()),
    )
}
