//! Chance for intervals and numbers: not secret, and the same again for the same seed.

use std::time::Duration;

/// A splitmix64 sequence.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number that may name a session: not 0.
    pub(crate) fn discriminator(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.next().to_be_bytes();
        u32::from_be_bytes([a, b, c, d]).max(1)
    }

    /// The interval less 0 to 25 %, and at least 10 % when a single packet missed is one too many
    /// (RFC 5880 6.8.7).
    pub(crate) fn shorten(&mut self, interval: Duration, multiplier: u8) -> Duration {
        let (least, range) = if multiplier == 1 {
            (100, 151)
        } else {
            (0, 251)
        };
        let less = least + u32::try_from(self.next() % range).unwrap_or(0);
        interval.saturating_sub(interval * less / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_lose_up_to_a_quarter_and_a_tenth_at_least_with_multiplier_1() {
        let mut jitter = Jitter::new(1);
        let second = Duration::from_secs(1);
        for _ in 0..10_000 {
            let usual = jitter.shorten(second, 3);
            assert!(usual >= second * 3 / 4 && usual <= second);
            let tight = jitter.shorten(second, 1);
            assert!(tight >= second * 3 / 4 && tight <= second * 9 / 10);
        }
    }
}
