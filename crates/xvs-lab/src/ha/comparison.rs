//! The figures of takeovers, beside each other.

use std::fmt::{self, Write};

use serde::Serialize;

use super::compare::{Happening, Pair, Takeover};
use crate::HaArgs;

/// What the probe and the machine add to a median: less is no difference.
const NOISE_MS: f64 = 3.0;

/// Takeovers of all pairs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    /// 2 or 3.
    version: u8,
    /// Seconds between two advertisements.
    interval: String,
    takeovers: Vec<Takeover>,
    /// Where xvs was slower.
    pub(crate) problems: Vec<String>,
}

impl Comparison {
    pub(super) fn new(arguments: &HaArgs, takeovers: Vec<Takeover>) -> Self {
        let problems = Happening::ALL
            .into_iter()
            .filter_map(|happening| {
                // What is due is the same for both, but for the phases that a busy machine misses.
                let beyond = |pair| Spread::of(&takeovers, pair, happening, |one| one.beyond_ms);
                let (ours, theirs) = (beyond(Pair::BOTH_XVS)?, beyond(Pair::BOTH_KEEPALIVED)?);
                (ours.median > theirs.median + NOISE_MS).then(|| {
                    format!(
                        "{}: xvs takes {:.1} ms beyond what is due, keepalived {:.1} ms",
                        happening.words(),
                        ours.median,
                        theirs.median
                    )
                })
            })
            .collect();
        Self {
            version: if arguments.v3 { 3 } else { 2 },
            interval: arguments.interval.clone(),
            takeovers,
            problems,
        }
    }

    /// The figures for people.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        writeln!(
            text,
            "takeovers with VRRP version {}, every {} s, in milliseconds: least, median, most\n",
            self.version, self.interval
        )?;
        writeln!(
            text,
            "{:<11} {:<11} {:<11} {:>6} {:>26} {:>23} {:>23}",
            "WHAT", "MASTER", "TAKER", "ROUNDS", "TAKEN OVER", "BEYOND WHAT IS DUE", "OUTAGE"
        )?;
        for happening in Happening::ALL {
            for pair in self.pairs() {
                let spread = |field| Spread::of(&self.takeovers, pair, happening, field);
                let (Some(taken), Some(beyond), Some(outage)) = (
                    spread(|one| one.taken_ms),
                    spread(|one| one.beyond_ms),
                    spread(|one| one.outage_ms),
                ) else {
                    continue;
                };
                writeln!(
                    text,
                    "{:<11} {:<11} {:<11} {:>6} {:>26} {:>23} {:>23}",
                    happening.words(),
                    pair.master,
                    pair.taker,
                    taken.count,
                    taken.text(),
                    beyond.text(),
                    outage.text()
                )?;
            }
        }
        writeln!(
            text,
            "\nEach event comes at every phase between two advertisements, the same for each pair. BEYOND is \
             from when the\ntaker was due, by the last advertisement that the client heard of the master, to \
             its first answer."
        )?;
        Ok(text)
    }

    /// The pairs that were measured, in their order.
    fn pairs(&self) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = self.takeovers.iter().map(|one| one.pair).collect();
        pairs.dedup();
        pairs
    }
}

/// Least, median and most.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    count: usize,
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(
        takeovers: &[Takeover],
        pair: Pair,
        happening: Happening,
        field: fn(&Takeover) -> f64,
    ) -> Option<Self> {
        let of_it = |one: &&Takeover| one.pair == pair && one.happening == happening;
        let mut values: Vec<f64> = takeovers.iter().filter(of_it).map(field).collect();
        values.sort_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        Some(Self {
            count: values.len(),
            least: first,
            median: *values.get(values.len() / 2)?,
            most: last,
        })
    }

    fn text(self) -> String {
        format!("{:.1} {:.1} {:.1}", self.least, self.median, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takeover(pair: Pair, beyond_ms: f64) -> Takeover {
        Takeover {
            pair,
            happening: Happening::Kill,
            taken_ms: 300.0 + beyond_ms,
            beyond_ms,
            outage_ms: 2.0,
        }
    }

    fn comparison(ours: f64, theirs: f64) -> Comparison {
        let takeovers = [-1.0, 0.0, 1.0].into_iter().flat_map(|off| {
            [
                takeover(Pair::BOTH_XVS, ours + off),
                takeover(Pair::BOTH_KEEPALIVED, theirs + off),
            ]
        });
        let arguments = HaArgs {
            peer: None,
            v3: true,
            interval: "0.1".to_owned(),
            hook: crate::LabHook::default(),
            rounds: Some(3),
            json: false,
        };
        Comparison::new(&arguments, takeovers.collect())
    }

    #[test]
    fn xvs_has_a_problem_when_its_median_is_slower() {
        assert!(comparison(3.0, 2.0).problems.is_empty());
        let slower = comparison(9.0, 2.0);
        assert_eq!(
            slower.problems,
            ["kill -9: xvs takes 9.0 ms beyond what is due, keepalived 2.0 ms"]
        );
        let text = slower.text().unwrap();
        assert!(text.contains("308.0 309.0 310.0"), "{text}");
    }
}
