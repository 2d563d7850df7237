//! Maglev hashing (kernel `ip_vs_mh.c`; Eisenbud et al., "Maglev", NSDI 2016, section 3.4): by the
//! client's address, with its flag for the port by its port too, in a table that changes little when servers
//! come and go.

use crate::{
    Env,
    abi::{NONE, low32},
    scheduler::{
        Service,
        client::{self, Buckets},
        folded,
        table::Member,
    },
};

/// Buckets of the table, a prime (kernel `CONFIG_IP_VS_MH_TAB_INDEX`, default 12).
pub const SIZE: usize = 4093;
const SIZE32: u32 = 4093;
/// Bits of the quotient of a weight that count (kernel `IP_VS_MH_TAB_BITS`).
const TURN_BITS: u32 = 6;

/// Both words of the key of the hash for places.
const PLACE: u64 = 2_654_435_761;
/// Both words of the key of the hash for steps.
const STEP: u64 = 2_654_446_892;

/// The kernel's `hsiphash_1u32` on 64 bits: SipHash-1-3 of four bytes, cut to 32 bits.
#[inline(always)]
fn hash(word: u32, key: u64) -> u32 {
    let mut v = [
        0x736f_6d65_7073_6575 ^ key,
        0x646f_7261_6e64_6f6d ^ key,
        0x6c79_6765_6e65_7261 ^ key,
        0x7465_6462_7974_6573 ^ key,
    ];
    let message = 4 << 56 | u64::from(word);
    v[3] ^= message;
    sip(&mut v);
    v[0] ^= message;
    v[2] ^= 0xff;
    sip(&mut v);
    sip(&mut v);
    sip(&mut v);
    low32(v[0] ^ v[1] ^ v[2] ^ v[3])
}

#[inline(always)]
fn sip(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

struct Maglev;

impl Buckets for Maglev {
    const SIZE: u32 = SIZE32;

    #[inline(always)]
    fn first(client: u32) -> u32 {
        hash(client, PLACE) % SIZE32
    }

    #[inline(always)]
    fn again(client: u32, first: u32, round: u32) -> u32 {
        // The client is hashed anew, moved by an offset that begins at its bucket.
        let offset = (first + round) % SIZE32;
        hash(client.wrapping_add(offset), PLACE) % SIZE32
    }
}

#[inline(always)]
pub(super) fn pick<E: Env>(env: &E, service: Service) -> u32 {
    client::pick::<Maglev, E>(env, service)
}

/// Fills the table from the servers in the kernel's order. Each has a permutation of the buckets of
/// its own, from its address and port, and takes the next free bucket of it, as many times in a row
/// as its latest weight that was not 0 says: so a quiesced server keeps its buckets.
pub fn fill(members: &mut [Member], buckets: &mut [u32]) {
    buckets.fill(NONE);
    let divisor = members
        .iter()
        .map(|member| member.last_weight)
        .fold(0, common_divisor);
    if divisor == 0 {
        return;
    }
    let greatest = members.iter().map(|member| member.last_weight).max();
    let bits = u32::BITS - (greatest.unwrap_or(0) / divisor).leading_zeros();
    let shift = bits.saturating_sub(TURN_BITS);
    for member in members.iter_mut() {
        let name = folded(&member.address).wrapping_add(u32::from(u16::from_be(member.port)));
        member.place = hash(name, PLACE) % SIZE32;
        member.step = hash(name, STEP) % (SIZE32 - 1) + 1;
    }
    let mut left = buckets.len();
    loop {
        for member in members.iter_mut().filter(|member| member.last_weight != 0) {
            let turns = ((member.last_weight / divisor) >> shift).max(1);
            for _ in 0..turns {
                if left == 0 {
                    return;
                }
                take(member, buckets);
                left -= 1;
            }
        }
    }
}

/// Gives a server the next free bucket of its permutation; there must be one.
fn take(member: &mut Member, buckets: &mut [u32]) {
    // A step that is no multiple of the prime meets every bucket.
    for _ in 0..SIZE32 {
        let bucket = usize::try_from(member.place)
            .ok()
            .and_then(|place| buckets.get_mut(place));
        if let Some(free) = bucket.filter(|bucket| **bucket == NONE) {
            *free = member.index;
            return;
        }
        member.place = (member.place + member.step) % SIZE32;
    }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
