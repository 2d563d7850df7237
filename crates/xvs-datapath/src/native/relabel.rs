//! Frames of other protocols than TCP and UDP, made of frames of those.

use xvs_wire::{checksum, crc32c, ipv4};

/// The frame of an IP packet without options and extension headers as one of another protocol.
#[must_use]
pub fn relabelled(mut frame: Vec<u8>, protocol: u8) -> Vec<u8> {
    if frame[12..14] == [0x86, 0xdd] {
        frame[20] = protocol;
        return frame;
    }
    let word = |protocol| u32::from(u16::from_ne_bytes([frame[22], protocol]));
    let change = checksum::delta32(word(frame[23]), word(protocol));
    let sum = u16::from_ne_bytes([frame[24], frame[25]]);
    frame[24..26].copy_from_slice(&checksum::update(sum, change).to_ne_bytes());
    frame[23] = protocol;
    frame
}

/// The frame of a UDP datagram with 24 bytes of payload or more as a packet of SCTP, whose first chunk is
/// of this kind and has 20 bytes, with a right checksum.
#[must_use]
pub fn sctp(frame: Vec<u8>, chunk: u8) -> Vec<u8> {
    let mut frame = relabelled(frame, ipv4::PROTOCOL_SCTP);
    let l4 = if frame[12..14] == [0x86, 0xdd] {
        54
    } else {
        34
    };
    frame[l4 + 4..l4 + 12].fill(0);
    frame[l4 + 12..l4 + 16].copy_from_slice(&[chunk, 0, 0, 20]);
    let sum = crc32c::of(&frame[l4..]);
    frame[l4 + 8..l4 + 12].copy_from_slice(&sum.to_le_bytes());
    frame
}
