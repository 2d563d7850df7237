//! Rates as the kernel's estimator makes them (`net/netfilter/ipvs/ip_vs_est.c`): a sample every two
//! seconds, weight one quarter, fixed point.

use xvs_datapath::abi::{Rate, index, low32, wide};
use xvs_types::{Counters, Rates};

/// Seconds between samples.
pub(super) const PERIOD: u64 = 2;

/// Samples that are made up at most for the time without a daemon: after these a rate is what the
/// time without daemon had on average.
const CATCH_UP: u64 = 64;

/// Fixed point: rates of counts and of bytes are samples of two seconds times 2^9 and 2^4.
const SHIFTS: [u32; 5] = [9, 9, 9, 4, 4];

/// The estimators of real or of virtual servers, by the slots that they have in the maps.
#[derive(Debug, Default)]
pub(super) struct Estimators(Vec<Rate>);

impl Estimators {
    /// Takes a sample of the server in `slot`. None where nothing moves there: it counted nothing and
    /// has no rate; else what the next daemon needs to go on.
    pub(super) fn sample(&mut self, slot: u32, counters: &Counters, now: u32) -> Option<Rate> {
        let rate = self.at(slot)?;
        let counters = counts(counters);
        if rate.last == counters && rate.rates == [0; 5] {
            return None;
        }
        step(rate, counters);
        rate.stamp = wide(now);
        Some(*rate)
    }

    /// Takes up the server in `slot`, which counts `counters` now, where the last daemon left it. The
    /// samples that nobody took are made up as if its packets had come evenly.
    pub(super) fn adopt(
        &mut self,
        slot: u32,
        counters: &Counters,
        now: u32,
        hz: u32,
        kept: Option<Rate>,
    ) {
        let Some(kept) = kept else {
            self.rest(slot, counters);
            return;
        };
        let Some(rate) = self.at(slot) else {
            return;
        };
        let counters = counts(counters);
        *rate = kept;
        let silent = now.wrapping_sub(low32(kept.stamp));
        let missed = u64::from(silent) / (u64::from(hz.max(1)) * PERIOD);
        if missed == 0 {
            return;
        }
        let share: [u64; 5] =
            std::array::from_fn(|place| counters[place].saturating_sub(kept.last[place]) / missed);
        for _sample in 0..missed.min(CATCH_UP) {
            let next = std::array::from_fn(|place| rate.last[place] + share[place]);
            step(rate, next);
        }
        rate.last = counters;
    }

    /// Begins anew for the server in `slot`, which has counted so much before: that is no burst.
    pub(super) fn rest(&mut self, slot: u32, counters: &Counters) {
        if let Some(rate) = self.at(slot) {
            *rate = Rate {
                last: counts(counters),
                ..Rate::default()
            };
        }
    }

    /// The rates of the server in `slot`, as listed.
    pub(super) fn rates(&self, slot: u32) -> Rates {
        let Some(rate) = self.0.get(index(slot)) else {
            return Rates::default();
        };
        let [connections, packets_in, packets_out, bytes_in, bytes_out] = rate.rates;
        Rates {
            connections: (connections + 0x1ff) >> 10,
            packets_in: (packets_in + 0x1ff) >> 10,
            packets_out: (packets_out + 0x1ff) >> 10,
            bytes_in: (bytes_in + 0xf) >> 5,
            bytes_out: (bytes_out + 0xf) >> 5,
        }
    }

    /// Begins anew, after counters were zeroed or the slot was given back.
    pub(super) fn reset(&mut self, slot: u32) {
        if let Some(rate) = self.0.get_mut(index(slot)) {
            *rate = Rate::default();
        }
    }

    fn at(&mut self, slot: u32) -> Option<&mut Rate> {
        let place = index(slot);
        if place >= self.0.len() {
            self.0.resize_with(place + 1, Rate::default);
        }
        self.0.get_mut(place)
    }
}

fn counts(counters: &Counters) -> [u64; 5] {
    [
        counters.connections,
        counters.packets_in,
        counters.packets_out,
        counters.bytes_in,
        counters.bytes_out,
    ]
}

fn step(rate: &mut Rate, counters: [u64; 5]) {
    for (place, shift) in SHIFTS.into_iter().enumerate() {
        let sample = counters[place].saturating_sub(rate.last[place]) << shift;
        let rate = &mut rate.rates[place];
        if sample >= *rate {
            *rate += (sample - *rate) >> 2;
        } else {
            // The kernel shifts a negative number, which rounds down.
            *rate -= (*rate - sample).div_ceil(4);
        }
    }
    rate.last = counters;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_reached_and_dies_away() {
        let mut estimators = Estimators::default();
        let mut counters = Counters::default();
        for _ in 0..40 {
            counters.connections += 200;
            counters.bytes_in += 2_000_000;
            estimators.sample(0, &counters, 0);
        }
        let rates = estimators.rates(0);
        assert_eq!(rates.connections, 100);
        // Fixed point: the last steps are too small to be taken.
        assert!((999_900..=1_000_000).contains(&rates.bytes_in));
        for _ in 0..80 {
            estimators.sample(0, &counters, 0);
        }
        assert_eq!(estimators.rates(0), Rates::default());
    }

    #[test]
    fn a_server_that_counts_nothing_moves_until_its_rates_are_gone() {
        let mut estimators = Estimators::default();
        let none = Counters::default();
        assert_eq!(estimators.sample(3, &none, 0), None);
        let some = Counters {
            packets_in: 1000,
            ..none
        };
        assert!(estimators.sample(3, &some, 0).is_some());
        assert!(estimators.rates(3).packets_in > 0);
        assert_eq!(estimators.rates(2), Rates::default());
        let samples = (0..100)
            .map_while(|_| estimators.sample(3, &some, 0))
            .count();
        assert!((2..100).contains(&samples), "{samples}");
        assert_eq!(estimators.rates(3), Rates::default());
    }

    #[test]
    fn the_next_daemon_goes_on_where_the_last_one_was() {
        const HZ: u32 = 100;
        let mut last = Estimators::default();
        let mut counters = Counters::default();
        let mut kept = None;
        for sample in 1..=40 {
            counters.packets_in += 200;
            kept = last.sample(5, &counters, sample * 2 * HZ);
        }
        let now = 80 * HZ;
        assert_eq!(last.rates(5).packets_in, 100);
        // Ten seconds without a daemon, in which nothing came: five samples.
        let mut silent = Estimators::default();
        silent.adopt(5, &counters, now + 10 * HZ, HZ, kept);
        let rate = silent.rates(5).packets_in;
        assert!((20..30).contains(&rate), "{rate}");
        // In which the packets went on.
        counters.packets_in += 1000;
        let mut next = Estimators::default();
        next.adopt(5, &counters, now + 10 * HZ, HZ, kept);
        assert_eq!(next.rates(5), last.rates(5));
        // Totals of a server that rested are no burst.
        let mut rested = Estimators::default();
        rested.adopt(6, &counters, now, HZ, None);
        assert_eq!(rested.sample(6, &counters, now), None);
        assert_eq!(rested.rates(6), Rates::default());
    }
}
