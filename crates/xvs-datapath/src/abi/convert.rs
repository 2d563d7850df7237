//! The casts that the layouts need, each with a name.

/// Bits 0 to 31.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the name says it")]
pub const fn low32(value: u64) -> u32 {
    value as u32
}

/// Bits 32 to 63.
#[inline(always)]
#[must_use]
pub const fn high32(value: u64) -> u32 {
    low32(value >> 32)
}

/// Bits 0 to 15.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the name says it")]
pub const fn low16(value: u32) -> u16 {
    value as u16
}

/// Bits 16 to 31.
#[inline(always)]
#[must_use]
pub const fn upper16(value: u32) -> u16 {
    low16(value >> 16)
}

/// Bits 0 to 7.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the name says it")]
pub const fn low8(value: u64) -> u8 {
    value as u8
}

/// Two words as one: `low` in bits 0 to 31.
#[inline(always)]
#[must_use]
pub const fn join(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// A word widened.
#[inline(always)]
#[must_use]
pub const fn wide(value: u32) -> u64 {
    value as u64
}

/// A number as an index; xvs builds for 64-bit targets only.
#[inline(always)]
#[must_use]
pub const fn index(value: u32) -> usize {
    value as usize
}
