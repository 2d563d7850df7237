//! The Internet checksum and its incremental update (RFC 1071, RFC 1624).
//!
//! Words are summed as they lie in memory, whatever the host's byte order: RFC 1071 section 2(B)
//! shows that the sum does not care as long as both sides do the same. A *delta* is a partial sum
//! that turns the checksum over old bytes into the one over new bytes.

/// Folds a 32-bit partial sum to 16 bits.
#[inline(always)]
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "two folds leave at most 16 bits"
)]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The partial sum of one 32-bit word as it lies in memory; at most 17 bits.
#[inline(always)]
#[must_use]
pub const fn sum32(word: u32) -> u32 {
    (word & 0xffff) + (word >> 16)
}

/// The delta of one 32-bit word that becomes another: `~old + new` of RFC 1624, eqn. 3.
///
/// At most 18 bits, so that thousands may be added before folding.
#[inline(always)]
#[must_use]
pub const fn delta32(old: u32, new: u32) -> u32 {
    sum32(!old) + sum32(new)
}

/// A checksum field after its bytes changed by `delta` (RFC 1624, eqn. 3).
#[inline(always)]
#[must_use]
pub const fn update(checksum: u16, delta: u32) -> u16 {
    !fold((!checksum) as u32 + delta)
}

/// The partial sum of `bytes`; an odd last byte is padded with zero.
#[must_use]
pub fn sum(bytes: &[u8]) -> u32 {
    let mut total: u64 = 0;
    let mut pairs = bytes.chunks_exact(2);
    for pair in &mut pairs {
        if let [a, b] = pair {
            total += u64::from(u16::from_ne_bytes([*a, *b]));
        }
    }
    if let [last] = pairs.remainder() {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    #[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits above")]
    {
        total as u32
    }
}

/// The value of a checksum field over `bytes`, whose field is zero, plus a pseudo-header's `partial`.
#[must_use]
pub fn finish(bytes: &[u8], partial: u32) -> u16 {
    !fold(sum(bytes) + partial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071_section_3_sums_to_ddf2() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes)).to_be(), 0xddf2);
    }

    proptest! {
        #[test]
        fn an_updated_checksum_equals_one_from_scratch(
            mut bytes in proptest::collection::vec(any::<u8>(), 40),
            new in any::<u32>(),
        ) {
            bytes[0] = 0x45; // never all zero: 0 and 0xffff are the same sum
            let before = finish(&bytes, 0);
            let old = u32::from_ne_bytes(bytes[12..16].try_into().unwrap());
            bytes[12..16].copy_from_slice(&new.to_ne_bytes());
            prop_assert_eq!(update(before, delta32(old, new)), finish(&bytes, 0));
        }
    }
}
