//! The defence `drop_entry` (kernel `ip_vs_random_dropentry`): a thirty-second part of the table is
//! drawn each second, and of it goes what is only begun, or idle after a few packets.

use std::hash::{BuildHasher, RandomState};

use xvs_datapath::{
    abi::{OverflowKey, RealServer},
    state::{tcp, template},
    table::Family,
};

use super::{
    super::{memory::Mapped, plain::Plain},
    Record, Table,
};

/// One of so many sets is drawn.
const SHARE: u32 = 32;
/// Seconds that a connection must have been idle.
const IDLE: u32 = 60;
/// Packets above which a connection is spared.
const FEW: u64 = 8;

/// What remembers how many of each kind were spared, and where the dice are.
#[derive(Debug)]
pub(in crate::bpf) struct Thinning {
    /// By packets from the client: connections to spare until the next one goes.
    spared: [u64; 9],
    dice: u64,
}

impl Default for Thinning {
    fn default() -> Self {
        Self {
            spared: [0; 9],
            dice: RandomState::new().hash_one(SHARE),
        }
    }
}

impl Thinning {
    /// A number below `limit`, which is not 0 (splitmix64).
    fn draw(&mut self, limit: u32) -> u32 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.dice ^ self.dice >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ mixed >> 31) % u64::from(limit)).unwrap_or(0)
    }

    /// Whether a connection goes.
    fn takes(&mut self, record: &Record, hz: u32) -> bool {
        if record.tag.template() {
            return record.tag.state() != template::ASSURED;
        }
        match (record.tag.protocol(), record.tag.state()) {
            (6, tcp::SYN_RECV | tcp::SYNACK) => true,
            (6, tcp::ESTABLISHED) => self.takes_idle(record, hz),
            (6, _) => false,
            _ => self.takes_idle(record, hz),
        }
    }

    /// Of idle connections with n packets from the client, up to 8, one in n goes.
    fn takes_idle(&mut self, record: &Record, hz: u32) -> bool {
        if record.age < hz.saturating_mul(IDLE) || !(1..=FEW).contains(&record.packets_in) {
            return false;
        }
        let kind = usize::try_from(record.packets_in).unwrap_or(0);
        let Some(spared) = self.spared.get_mut(kind) else {
            return false;
        };
        if *spared > 1 {
            *spared -= 1;
            return false;
        }
        *spared = record.packets_in;
        true
    }
}

impl<F: Family> Table<F>
where
    Plain<F::Entry>: aya::Pod,
{
    /// Ends what `thinning` takes of the share that it draws. Answers how many connections.
    pub(in crate::bpf) fn thin_out(
        &mut self,
        now: u32,
        hz: u32,
        thinning: &mut Thinning,
        real_servers: &Mapped<RealServer>,
    ) -> u64 {
        let sets = self.capacity() / 4;
        let mut marked = Vec::new();
        for _draw in 0..sets.div_ceil(SHARE) {
            let first = thinning.draw(sets) * 4;
            for index in first..first + 4 {
                // SAFETY: the entry is mapped.
                let record = unsafe { self.record(self.entry(index), now) };
                // A template goes after its connections.
                if !self.parents.contains(&index)
                    && record.is_some_and(|record| thinning.takes(&record, hz))
                {
                    self.mark(index, &mut marked);
                }
            }
        }
        let mut ended = self.free_anyway(marked, real_servers);
        let keys: Vec<OverflowKey> = self
            .overflow
            .entries()
            .into_iter()
            .filter_map(|(key, mut entry)| {
                // SAFETY: the entry is a copy.
                let record = unsafe { self.record(&raw mut entry, now) }?;
                (thinning.draw(SHARE) == 0 && thinning.takes(&record, hz)).then_some(key)
            })
            .collect();
        for key in keys {
            self.end_overflow(&key, real_servers);
            ended += 1;
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use xvs_datapath::abi::{Slot, Tag, Tuple};

    use super::*;

    fn record(protocol: u8, state: u8, age: u32, packets_in: u64) -> Record {
        Record {
            tag: Tag(Tag::identity(0, protocol, 0) | Tag::of(0, state) | Slot::LIVE),
            tuple: Tuple::default(),
            recipe: Tuple::default(),
            real_server: 0,
            virtual_server: 0,
            age,
            packets_in,
            packets_out: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    #[test]
    fn what_is_begun_goes_and_what_carries_data_stays() {
        let mut thinning = Thinning::default();
        assert!(thinning.takes(&record(6, tcp::SYN_RECV, 0, 1), 100));
        assert!(!thinning.takes(&record(6, tcp::FIN_WAIT, 90_000, 1), 100));
        assert!(!thinning.takes(&record(6, tcp::ESTABLISHED, 5_999, 1), 100));
        assert!(!thinning.takes(&record(6, tcp::ESTABLISHED, 6_000, 9), 100));
        assert!(!thinning.takes(&record(17, 0, 6_000, 0), 100));
    }

    #[test]
    fn of_idle_connections_with_n_packets_one_in_n_goes() {
        let mut thinning = Thinning::default();
        for packets in 1..=8 {
            let idle = record(6, tcp::ESTABLISHED, 6_000, packets);
            let taken: Vec<bool> = (0..packets * 3)
                .map(|_| thinning.takes(&idle, 100))
                .collect();
            assert_eq!(taken.iter().filter(|taken| **taken).count(), 3, "{packets}");
            assert!(taken[0], "the first goes, as in the kernel");
        }
    }

    #[test]
    fn templates_that_were_never_used_go() {
        let mut thinning = Thinning::default();
        let mut one = record(6, template::NONE, 0, 0);
        one.tag.0 |= Tag::TEMPLATE;
        assert!(thinning.takes(&one, 100));
        one.tag = one.tag.with_state(template::ASSURED);
        assert!(!thinning.takes(&one, 100));
    }

    #[test]
    fn the_dice_reach_every_set_and_none_beyond() {
        let mut thinning = Thinning::default();
        let drawn: std::collections::BTreeSet<u32> =
            (0..4_000).map(|_| thinning.draw(64)).collect();
        assert_eq!(drawn.len(), 64);
        assert!(drawn.iter().all(|set| *set < 64));
    }
}
