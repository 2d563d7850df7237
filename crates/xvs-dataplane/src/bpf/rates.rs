//! Rates as the kernel's estimator makes them (`net/netfilter/ipvs/ip_vs_est.c`): a sample every two
//! seconds, weight one quarter, fixed point.

use xvs_datapath::abi::index;
use xvs_types::{Counters, Rates};

/// Seconds between samples.
pub(super) const PERIOD: u64 = 2;

/// The estimator of one virtual or real server.
#[derive(Clone, Copy, Debug, Default)]
struct Estimator {
    last: Counters,
    connections: u64,
    packets_in: u64,
    packets_out: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Estimator {
    fn sample(&mut self, now: &Counters) {
        let last = self.last;
        step(&mut self.connections, now.connections, last.connections, 9);
        step(&mut self.packets_in, now.packets_in, last.packets_in, 9);
        step(&mut self.packets_out, now.packets_out, last.packets_out, 9);
        step(&mut self.bytes_in, now.bytes_in, last.bytes_in, 4);
        step(&mut self.bytes_out, now.bytes_out, last.bytes_out, 4);
        self.last = *now;
    }

    fn rates(&self) -> Rates {
        Rates {
            connections: (self.connections + 0x1ff) >> 10,
            packets_in: (self.packets_in + 0x1ff) >> 10,
            packets_out: (self.packets_out + 0x1ff) >> 10,
            bytes_in: (self.bytes_in + 0xf) >> 5,
            bytes_out: (self.bytes_out + 0xf) >> 5,
        }
    }

    /// Whether it has no rate, and a sample of `now` would give it none.
    fn rests_at(&self, now: &Counters) -> bool {
        let rates = [
            self.connections,
            self.packets_in,
            self.packets_out,
            self.bytes_in,
            self.bytes_out,
        ];
        self.last == *now && rates == [0; 5]
    }
}

/// The estimators of servers, by the slots that they have in the maps.
#[derive(Debug, Default)]
pub(super) struct Estimators(Vec<Estimator>);

impl Estimators {
    /// Takes a sample of the server in `slot`; answers whether anything moves there: it counted
    /// something, or still has a rate.
    pub(super) fn sample(&mut self, slot: u32, now: &Counters) -> bool {
        let place = index(slot);
        if place >= self.0.len() {
            self.0.resize_with(place + 1, Estimator::default);
        }
        let Some(estimator) = self.0.get_mut(place) else {
            return false;
        };
        if estimator.rests_at(now) {
            return false;
        }
        estimator.sample(now);
        true
    }

    /// The rates of the server in `slot`, as listed.
    pub(super) fn rates(&self, slot: u32) -> Rates {
        self.0
            .get(index(slot))
            .map(Estimator::rates)
            .unwrap_or_default()
    }

    /// Begins anew, after counters were zeroed or the slot was given back.
    pub(super) fn reset(&mut self, slot: u32) {
        if let Some(estimator) = self.0.get_mut(index(slot)) {
            *estimator = Estimator::default();
        }
    }
}

fn step(rate: &mut u64, now: u64, last: u64, shift: u32) {
    let sample = now.saturating_sub(last) << shift;
    if sample >= *rate {
        *rate += (sample - *rate) >> 2;
    } else {
        // The kernel shifts a negative number, which rounds down.
        *rate -= (*rate - sample).div_ceil(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_reached_and_dies_away() {
        let mut estimator = Estimator::default();
        let mut counters = Counters::default();
        for _ in 0..40 {
            counters.connections += 200;
            counters.bytes_in += 2_000_000;
            estimator.sample(&counters);
        }
        assert_eq!(estimator.rates().connections, 100);
        // Fixed point: the last steps are too small to be taken.
        assert!((999_900..=1_000_000).contains(&estimator.rates().bytes_in));
        for _ in 0..80 {
            estimator.sample(&counters);
        }
        assert_eq!(estimator.rates(), Rates::default());
    }

    #[test]
    fn a_server_that_counts_nothing_moves_until_its_rates_are_gone() {
        let mut estimators = Estimators::default();
        let none = Counters::default();
        assert!(!estimators.sample(3, &none));
        let some = Counters {
            packets_in: 1000,
            ..none
        };
        assert!(estimators.sample(3, &some));
        assert!(estimators.rates(3).packets_in > 0);
        assert_eq!(estimators.rates(2), Rates::default());
        let samples = (0..100).take_while(|_| estimators.sample(3, &some)).count();
        assert!((2..100).contains(&samples), "{samples}");
        assert_eq!(estimators.rates(3), Rates::default());
    }
}
