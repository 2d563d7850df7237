//! Checksums of a frame, computed from scratch.

use xvs_wire::{checksum, crc32c, ipv4};

use crate::native::datagram::{octets4, octets16, pseudo};

/// Whether every checksum in the frame is right, those of tunnelled packets too. `None` when the
/// frame is not wholly understood: other protocols, options, extensions, fragments, lengths that do
/// not fit.
#[must_use]
pub fn checksums_are_valid(frame: &[u8]) -> Option<bool> {
    packet(frame.get(14..)?, frame.get(12..14)? == [0x86, 0xdd])
}

fn packet(bytes: &[u8], v6: bool) -> Option<bool> {
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let (from, to, next, l4, header_is_right) = if v6 {
        let end = 40 + usize::from(word(4)?);
        let l4 = bytes.get(40..end)?;
        let from = octets16(bytes.get(8..24)?);
        (from, octets16(bytes.get(24..40)?), bytes[6], l4, true)
    } else {
        if *bytes.first()? != ipv4::VERSION_IHL_PLAIN || word(6)? & ipv4::FRAGMENT_MASK != 0 {
            return None;
        }
        let l4 = bytes.get(20..usize::from(word(2)?))?;
        let right = checksum::fold(checksum::sum(&bytes[..20])) == 0xffff;
        let from = octets4(&bytes[12..16]);
        (from, octets4(&bytes[16..20]), bytes[9], l4, right)
    };
    let l4_is_right = match next {
        ipv4::PROTOCOL_IPIP => packet(l4, false)?,
        ipv4::PROTOCOL_IPV6 => packet(l4, true)?,
        ipv4::PROTOCOL_ICMP => checksum::fold(checksum::sum(l4)) == 0xffff,
        // IPv4: 0 is no checksum. IPv6 has none to leave out, yet tunnels do (RFC 6936).
        ipv4::PROTOCOL_UDP if *l4.get(6..8)? == [0, 0] => true,
        ipv4::PROTOCOL_TCP | ipv4::PROTOCOL_UDP | ipv4::PROTOCOL_ICMPV6 => {
            checksum::fold(checksum::sum(l4) + pseudo(from, to, next, l4)) == 0xffff
        }
        ipv4::PROTOCOL_SCTP => {
            let mut bytes = l4.to_vec();
            let sum = bytes.get_mut(8..12)?;
            let found = sum.to_vec();
            sum.fill(0);
            // Zero is left to the device.
            found == [0; 4] || found == crc32c::of(&bytes).to_le_bytes()
        }
        _ => return None,
    };
    Some(header_is_right && l4_is_right)
}
