//! CRC32c, the checksum of SCTP (RFC 9260 appendix A), as far as it changes with a packet.
//!
//! The checksum of two messages of one length that are added bit by bit is the sum of both, but for what
//! every message begins and ends with. So what a change of four bytes does to it depends on these bytes and
//! on how many follow them, and not on what those are: it is the product of the change and a power of x,
//! modulo the polynomial. Numbers have the coefficient of x^31 in their lowest bit.

/// The polynomial without x^32 (Castagnoli 1993).
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The number one.
const ONE: u32 = 1 << 31;
/// Lengths in bits: no IP packet has more bytes.
const BITS: usize = 16;
/// x^8 to the power of 2^k: what 2^k bytes multiply by.
const POWERS: [u32; BITS] = {
    let mut powers = [ONE >> 8; BITS];
    let mut bit = 1;
    while bit < BITS {
        powers[bit] = times(powers[bit - 1], powers[bit - 1]);
        bit += 1;
    }
    powers
};

/// The checksum of a whole message as it is stored after it, lowest byte first; bit by bit, for hosts that
/// check what others computed.
#[must_use]
pub fn of(message: &[u8]) -> u32 {
    let crc = message.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 0 { 0 } else { POLYNOMIAL }
        })
    });
    !crc
}

/// How the checksum of a message changes, both as loaded from memory on a host of either byte order, when
/// the four bytes that stand `length` bytes before the message's end change by `change` (old and new added
/// bit by bit). Of `length` the lower 16 bits count.
#[inline(always)]
#[must_use]
pub const fn change(change: u32, length: u32) -> u32 {
    let mut product = u32::from_le(change);
    let mut bit = 0;
    while bit < BITS {
        // Without a branch: the verifier would walk both ways each time.
        let there = 0_u32.wrapping_sub(length >> bit & 1);
        product = times(product, POWERS[bit] & there | ONE & !there);
        bit += 1;
    }
    product.to_le()
}

/// The product of two polynomials.
#[inline(always)]
const fn times(one: u32, other: u32) -> u32 {
    let (mut one, mut other, mut product) = (one, other, 0);
    let mut step = 0;
    while step < 32 {
        product ^= other & 0_u32.wrapping_sub(one >> 31);
        one <<= 1;
        other = other >> 1 ^ POLYNOMIAL & 0_u32.wrapping_sub(other & 1);
        step += 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_message_is_crc32c() {
        // RFC 3720 appendix B.4: 32 bytes of zeros.
        assert_eq!(of(&[0; 32]), 0x8a91_36aa);
        assert_eq!(of(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_change_is_that_of_the_whole_message_at_any_length() {
        for length in [4, 5, 12, 52, 255, 256, 1460, 65_515] {
            let mut message: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
            let before = of(&message);
            let old = [message[0], message[1], message[2], message[3]];
            let new = [0x9c, 0x40, 0x26, 0xab];
            message[..4].copy_from_slice(&new);
            let changed = u32::from_ne_bytes(old) ^ u32::from_ne_bytes(new);
            let expected = of(&message).to_le() ^ before.to_le();
            assert_eq!(change(changed, length), expected, "{length} bytes");
        }
    }

    #[test]
    fn no_change_changes_nothing() {
        assert_eq!(change(0, 1460), 0);
    }
}
