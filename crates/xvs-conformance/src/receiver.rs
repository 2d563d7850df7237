//! What a receiver gets of frames: fragments put together, tunnels opened.
//!
//! The kernel's IPVS puts fragments together, balances the packet, and cuts it again; xvs sends them on
//! one by one. Both are right where the receiver's host hands the same packet up, so that is compared:
//! each whole packet in the order in which its last piece came. Fragments that overlap are discarded with
//! their packet, as Linux does (RFC 5722, and IPv4 since 4.20).

use std::collections::BTreeMap;

use xvs_wire::{checksum, ipv4};

use crate::Output;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Port of GUE in the recordings.
const GUE: [u8; 2] = 6080_u16.to_be_bytes();
/// IPv6's next header of a fragment.
const FRAGMENT: u8 = 44;

/// A receiver behind all legs.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    waiting: BTreeMap<(String, Vec<u8>), Pieces>,
    /// Whole packets, in the order in which they were.
    pub(crate) whole: Vec<Output>,
}

#[derive(Debug, Default)]
struct Pieces {
    /// Headers of the first fragment, with Ethernet's, as of a packet that was never cut.
    headers: Option<Vec<u8>>,
    /// Payloads by their offset.
    payloads: BTreeMap<usize, Vec<u8>>,
    /// Bytes of all, once the last one came.
    end: Option<usize>,
    /// Two overlap: never whole.
    spoilt: bool,
}

/// A fragment, cut up.
struct Piece {
    /// What the fragments of a packet have in common.
    key: Vec<u8>,
    headers: Vec<u8>,
    offset: usize,
    more: bool,
    payload: Vec<u8>,
}

/// Whether a frame's packet is a fragment.
pub(crate) fn is_fragment(frame: &[u8]) -> bool {
    piece(frame).is_some()
}

impl Receiver {
    /// Takes a frame.
    pub(crate) fn take(&mut self, output: Output) {
        let Some(piece) = piece(&output.frame) else {
            self.open(output);
            return;
        };
        let place = (output.leg.clone(), piece.key.clone());
        let pieces = self.waiting.entry(place.clone()).or_default();
        pieces.take(piece);
        if let Some(frame) = pieces.whole() {
            self.waiting.remove(&place);
            self.open(Output {
                leg: output.leg,
                frame,
                varies: Vec::new(),
            });
        }
    }

    /// Takes a whole packet, or what is in a tunnel.
    fn open(&mut self, output: Output) {
        match inner(&output.frame) {
            Some((tunnel, frame)) => self.take(Output {
                leg: format!("{} {tunnel}", output.leg),
                frame,
                varies: Vec::new(),
            }),
            None => self.whole.push(output),
        }
    }
}

impl Pieces {
    fn take(&mut self, piece: Piece) {
        let end = piece.offset + piece.payload.len();
        let same = self.payloads.get(&piece.offset) == Some(&piece.payload);
        let overlaps = self
            .payloads
            .iter()
            .any(|(offset, payload)| *offset < end && piece.offset < offset + payload.len());
        if overlaps && !same {
            self.spoilt = true;
        }
        if piece.offset == 0 {
            self.headers = Some(piece.headers);
        }
        if !piece.more {
            self.end = Some(end);
        }
        self.payloads.insert(piece.offset, piece.payload);
    }

    /// The frame of the packet, when all is there.
    fn whole(&self) -> Option<Vec<u8>> {
        let mut frame = self.headers.clone().filter(|_| !self.spoilt)?;
        let mut reached = 0;
        for (offset, payload) in &self.payloads {
            if *offset != reached {
                return None;
            }
            reached += payload.len();
            frame.extend_from_slice(payload);
        }
        if self.end != Some(reached) {
            return None;
        }
        measure(&mut frame)?;
        Some(frame)
    }
}

/// Writes the length of a frame's packet into it, and the checksum of an IPv4 header.
fn measure(frame: &mut [u8]) -> Option<()> {
    let length = frame.len().checked_sub(ETHERNET)?;
    let ip = frame.get_mut(ETHERNET..)?;
    if ip.first()? >> 4 == 6 {
        let length = u16::try_from(length.checked_sub(40)?).ok()?;
        ip.get_mut(4..6)?.copy_from_slice(&length.to_be_bytes());
        return Some(());
    }
    let length = u16::try_from(length).ok()?;
    ip.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    ip.get_mut(10..12)?.fill(0);
    let header = ip.get_mut(..header_of(ip)?)?;
    let sum = checksum::finish(header, 0);
    header.get_mut(10..12)?.copy_from_slice(&sum.to_ne_bytes());
    Some(())
}

fn header_of(ip: &[u8]) -> Option<usize> {
    Some(usize::from(ip.first()? & 15) * 4)
}

/// A frame's fragment; none where its packet is whole.
fn piece(frame: &[u8]) -> Option<Piece> {
    let ip = frame.get(ETHERNET..)?;
    match frame.get(12..14)? {
        [0x08, 0x00] => piece_v4(frame, ip),
        [0x86, 0xdd] => piece_v6(frame, ip),
        _ => None,
    }
}

fn piece_v4(frame: &[u8], ip: &[u8]) -> Option<Piece> {
    let word = u16::from_be_bytes([*ip.get(6)?, *ip.get(7)?]);
    let (offset, more) = (word & ipv4::OFFSET_MASK, word & ipv4::MORE_FRAGMENTS != 0);
    if offset == 0 && !more {
        return None;
    }
    let header = header_of(ip)?;
    let mut headers = frame.get(..ETHERNET + header)?.to_vec();
    // What is left says whether the packet may be cut.
    let kept = word & !(ipv4::OFFSET_MASK | ipv4::MORE_FRAGMENTS);
    headers
        .get_mut(ETHERNET + 6..ETHERNET + 8)?
        .copy_from_slice(&kept.to_be_bytes());
    let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
    Some(Piece {
        key: [ip.get(4..6)?, ip.get(9..10)?, ip.get(12..20)?].concat(),
        headers,
        offset: usize::from(offset) * 8,
        more,
        payload: ip.get(header..total)?.to_vec(),
    })
}

fn piece_v6(frame: &[u8], ip: &[u8]) -> Option<Piece> {
    let (mut at, mut named) = (40, 6);
    let mut next = *ip.get(6)?;
    // Hop-by-hop, routing and destination options may come before.
    while [0, 43, 60].contains(&next) {
        next = *ip.get(at)?;
        named = at;
        at += (usize::from(*ip.get(at + 1)?) + 1) * 8;
    }
    if next != FRAGMENT {
        return None;
    }
    let word = u16::from_be_bytes([*ip.get(at + 2)?, *ip.get(at + 3)?]);
    let mut headers = frame.get(..ETHERNET + at)?.to_vec();
    *headers.get_mut(ETHERNET + named)? = *ip.get(at)?;
    Some(Piece {
        key: [ip.get(at + 4..at + 8)?, ip.get(8..40)?].concat(),
        headers,
        offset: usize::from(word & 0xfff8),
        more: word & 1 != 0,
        payload: ip.get(at + 8..)?.to_vec(),
    })
}

/// What is in a tunnel's packet, in a frame of its own, and a name for the tunnel.
fn inner(frame: &[u8]) -> Option<(String, Vec<u8>)> {
    let ip = frame.get(ETHERNET..)?;
    let (protocol, at, ends) = match frame.get(12..14)? {
        [0x08, 0x00] => (*ip.get(9)?, header_of(ip)?, ip.get(12..20)?),
        [0x86, 0xdd] => (*ip.get(6)?, 40, ip.get(8..40)?),
        _ => return None,
    };
    let rest = ip.get(at..)?;
    let skipped = match protocol {
        ipv4::PROTOCOL_IPIP | ipv4::PROTOCOL_IPV6 => 0,
        ipv4::PROTOCOL_GRE => 4 + usize::from(rest.first()? >> 7) * 4,
        ipv4::PROTOCOL_UDP if rest.get(2..4)? == GUE => 12 + usize::from(rest.get(8)? & 31) * 4,
        _ => return None,
    };
    let packet = rest.get(skipped..)?;
    let kind: [u8; 2] = match packet.first()? >> 4 {
        4 => [0x08, 0x00],
        6 => [0x86, 0xdd],
        _ => return None,
    };
    let own = [frame.get(..12)?, &kind, packet].concat();
    Some((format!("tunnel {protocol} {ends:?}"), own))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 frame with this flags-and-offset word and payload.
    fn frame(word: u16, payload: &[u8]) -> Output {
        let mut frame = vec![0; ETHERNET + 20];
        frame[12] = 8;
        frame[ETHERNET] = 0x45;
        frame[ETHERNET + 9] = 17;
        frame[ETHERNET + 6..ETHERNET + 8].copy_from_slice(&word.to_be_bytes());
        frame.extend_from_slice(payload);
        measure(&mut frame).unwrap();
        Output {
            leg: "sv".to_owned(),
            frame,
            varies: Vec::new(),
        }
    }

    fn delivered(frames: &[Output]) -> Vec<Vec<u8>> {
        let mut receiver = Receiver::default();
        for frame in frames {
            receiver.take(frame.clone());
        }
        receiver.whole.into_iter().map(|one| one.frame).collect()
    }

    #[test]
    fn pieces_of_any_size_and_order_are_the_same_packet() {
        let bytes: Vec<u8> = (0..40).collect();
        let whole = frame(0, &bytes).frame;
        let (a, b, c) = (
            frame(0x2000, &bytes[..16]),
            frame(0x2002, &bytes[16..32]),
            frame(4, &bytes[32..]),
        );
        for order in [[&a, &b, &c], [&c, &a, &b]] {
            let frames: Vec<Output> = order.into_iter().cloned().collect();
            assert_eq!(delivered(&frames), std::slice::from_ref(&whole));
        }
        assert_eq!(delivered(&[a.clone(), a, b, c]), [whole]);
    }

    #[test]
    fn what_lacks_a_piece_or_overlaps_is_never_delivered() {
        let bytes: Vec<u8> = (0..40).collect();
        assert!(delivered(&[frame(0x2000, &bytes[..16]), frame(4, &bytes[32..])]).is_empty());
        let frames = [
            frame(0x2000, &bytes[..24]),
            frame(0x2002, &bytes[16..32]),
            frame(4, &bytes[32..]),
        ];
        assert!(delivered(&frames).is_empty());
    }

    #[test]
    fn a_tunnel_is_opened_before_and_after_fragments_are_put_together() {
        let inner = frame(0, &[7; 16]);
        let mut outer = frame(0, &inner.frame[ETHERNET..]);
        outer.frame[ETHERNET + 9] = 4;
        measure(&mut outer.frame).unwrap();
        assert_eq!(delivered(&[outer]), [inner.frame]);
    }
}
