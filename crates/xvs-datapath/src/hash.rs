//! The flow table's hash and the address filter's.

use crate::abi::{Key4, Key6, Seed, high32, index, join, low32, wide};

/// Hash of an IPv4 key: (bits that choose the set from the top, fragment kept in the tag).
///
/// NH over 32-bit words (almost universal), then two finishing rounds: without them NH is linear in
/// each word and sequential addresses cluster for some seeds.
#[inline(always)]
pub(crate) fn hash4(key: &Key4, identity: u32, seed: &Seed) -> (u64, u32) {
    let k = &seed.words;
    finish(
        product(low32(key.addresses), k[0], high32(key.addresses), k[1])
            .wrapping_add(product(key.ports, k[2], identity, k[3])),
        seed,
    )
}

/// Hash of an IPv6 key, likewise.
#[inline(always)]
pub(crate) fn hash6(key: &Key6, identity: u32, seed: &Seed) -> (u64, u32) {
    let k = &seed.words;
    let half = |word: u64, a: u32, b: u32| product(low32(word), a, high32(word), b);
    finish(
        half(key.source[0], k[0], k[1])
            .wrapping_add(half(key.source[1], k[2], k[3]))
            .wrapping_add(half(key.destination[0], k[4], k[5]))
            .wrapping_add(half(key.destination[1], k[6], k[7]))
            .wrapping_add(half(join(key.ports, identity), k[8], k[9])),
        seed,
    )
}

#[inline(always)]
fn product(a: u32, ka: u32, b: u32, kb: u32) -> u64 {
    wide(a.wrapping_add(ka)).wrapping_mul(wide(b.wrapping_add(kb)))
}

#[inline(always)]
fn finish(hash: u64, seed: &Seed) -> (u64, u32) {
    let hash = (hash ^ hash >> 32).wrapping_mul(seed.multiplier1);
    let hash = (hash ^ hash >> 29).wrapping_mul(seed.multiplier2);
    (hash, low32(hash ^ hash >> 32))
}

/// The bucket of `address` among `1 << bits`.
#[inline(always)]
#[must_use]
pub const fn bucket(word: u32, bits: u32) -> u32 {
    word.wrapping_mul(0x61c8_8647) >> (32 - bits)
}

/// Word and mask in the [`AddressFilter`](crate::abi::AddressFilter) of an address folded to 32 bits
/// by exclusive or; a destination and a source have different bits.
#[inline(always)]
#[must_use]
pub const fn address_bit(folded: u32, source: bool) -> (usize, u64) {
    bit(folded ^ if source { 0x5bd1_e995 } else { 0 })
}

/// As [`address_bit`], of an IPv4 address of this host as a source.
#[inline(always)]
#[must_use]
pub const fn own_bit(word: u32) -> (usize, u64) {
    bit(word ^ 0x1b87_3593)
}

#[inline(always)]
const fn bit(word: u32) -> (usize, u64) {
    let bit = bucket(word, 16);
    (index(bit >> 6), 1 << (bit & 63))
}
