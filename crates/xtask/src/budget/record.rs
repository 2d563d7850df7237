//! The figures on record, and what counts as a jump.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::measure::Measured;

/// A program below this many verified instructions may grow by them: of a small one, a handful is
/// already more than a tenth.
const INSTRUCTIONS_SLACK: u64 = 50;

/// The same for the bytes of an object.
const BYTES_SLACK: u64 = 4_096;

/// `ebpf/budget.json`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Bytes of each object without its debug information.
    objects: BTreeMap<String, u64>,
    /// Figures of each program, by kernel series.
    kernels: BTreeMap<String, BTreeMap<String, Figures>>,
}

/// What a kernel says about one loaded program.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Figures {
    /// Instructions that the verifier walked, over all paths.
    pub(super) verified_instructions: u32,
    /// Bytes of the program after the verifier rewrote it.
    pub(super) translated_bytes: u32,
}

/// Why the measured figures are not acceptable.
#[derive(Debug, PartialEq)]
pub(super) enum Complaint {
    /// It is on record, but not in the build.
    Gone(String),
    /// It grew by more than a tenth.
    Jump {
        what: String,
        recorded: u64,
        measured: u64,
    },
    /// It is in the build, but not on record.
    New(String),
    /// This kernel is not on record.
    NoFigures { kernel: String },
    /// The kernel does not load it.
    Rejected { name: String, words: String },
}

impl Record {
    /// Replaces the figures of one kernel and those of the objects.
    pub(super) fn update(&mut self, measured: Measured) {
        self.objects = measured.objects;
        self.kernels.insert(measured.kernel, measured.programs);
    }

    /// What is wrong with the measured figures; nothing, if they are within the budget.
    pub(super) fn complaints(&self, measured: &Measured) -> Vec<Complaint> {
        let mut found = rejections(measured);
        let Some(recorded) = self.kernels.get(&measured.kernel) else {
            let kernel = measured.kernel.clone();
            found.push(Complaint::NoFigures { kernel });
            return found;
        };
        let mut recorded = instructions(recorded);
        recorded.retain(|name, _instructions| !measured.rejected.contains_key(name));
        let measured_instructions = instructions(&measured.programs);
        found.extend(compare(
            &recorded,
            &measured_instructions,
            INSTRUCTIONS_SLACK,
        ));
        found.extend(compare(&self.objects, &measured.objects, BYTES_SLACK));
        found
    }
}

/// A complaint for each program that the kernel does not load.
pub(super) fn rejections(measured: &Measured) -> Vec<Complaint> {
    let complaint = |(name, words): (&String, &String)| Complaint::Rejected {
        name: name.clone(),
        words: words.clone(),
    };
    measured.rejected.iter().map(complaint).collect()
}

fn instructions(figures: &BTreeMap<String, Figures>) -> BTreeMap<String, u64> {
    let count = |figures: &Figures| u64::from(figures.verified_instructions);
    figures
        .iter()
        .map(|(name, each)| (name.clone(), count(each)))
        .collect()
}

fn compare(
    recorded: &BTreeMap<String, u64>,
    measured: &BTreeMap<String, u64>,
    slack: u64,
) -> Vec<Complaint> {
    let names: BTreeSet<&String> = recorded.keys().chain(measured.keys()).collect();
    let judge = |name: &String| match (recorded.get(name), measured.get(name)) {
        (Some(&recorded), Some(&measured)) => (measured > recorded + (recorded / 10).max(slack))
            .then(|| Complaint::Jump {
                what: name.clone(),
                recorded,
                measured,
            }),
        (Some(_), None) => Some(Complaint::Gone(name.clone())),
        (None, _) => Some(Complaint::New(name.clone())),
    };
    names.into_iter().filter_map(judge).collect()
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(name) => write!(out, "`{name}` is on record and gone")?,
            Self::Jump {
                what,
                recorded,
                measured,
            } => {
                write!(out, "`{what}` jumped from {recorded} to {measured}")?;
            }
            Self::New(name) => write!(out, "`{name}` is not on record")?,
            Self::NoFigures { kernel } => write!(out, "nothing is on record for Linux {kernel}")?,
            Self::Rejected { name, words } => {
                return write!(
                    out,
                    "this kernel rejects `{name}`; the end of its words:\n{words}"
                );
            }
        }
        write!(
            out,
            "; if that is meant, run `cargo xtask budget --write` and commit the file"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Complaint, Figures, Measured, Record};

    fn measured(programs: &[(&str, u32)], bytes: u64) -> Measured {
        let figures = |count| Figures {
            verified_instructions: count,
            translated_bytes: 8,
        };
        let programs = programs
            .iter()
            .map(|&(name, count)| (name.to_owned(), figures(count)));
        Measured {
            kernel: "6.18".to_owned(),
            objects: BTreeMap::from([("director".to_owned(), bytes)]),
            programs: programs.collect(),
            rejected: BTreeMap::new(),
        }
    }

    fn recorded(programs: &[(&str, u32)], bytes: u64) -> Record {
        let mut record = Record::default();
        record.update(measured(programs, bytes));
        record
    }

    #[test]
    fn growth_of_a_tenth_is_accepted_and_more_is_a_jump() {
        let record = recorded(&[("a", 20_000)], 100_000);
        assert_eq!(record.complaints(&measured(&[("a", 22_000)], 110_000)), []);
        assert_eq!(
            record.complaints(&measured(&[("a", 22_001)], 110_001)),
            [
                Complaint::Jump {
                    what: "a".to_owned(),
                    recorded: 20_000,
                    measured: 22_001
                },
                Complaint::Jump {
                    what: "director".to_owned(),
                    recorded: 100_000,
                    measured: 110_001
                },
            ]
        );
    }

    #[test]
    fn small_programs_may_grow_by_a_few_instructions() {
        let record = recorded(&[("a", 2)], 8);
        assert_eq!(record.complaints(&measured(&[("a", 52)], 8)), []);
        assert_eq!(record.complaints(&measured(&[("a", 53)], 8)).len(), 1);
    }

    #[test]
    fn shrinking_is_fine() {
        assert_eq!(
            recorded(&[("a", 20_000)], 8).complaints(&measured(&[("a", 2)], 8)),
            []
        );
    }

    #[test]
    fn a_program_that_comes_or_goes_wants_the_record_written() {
        let record = recorded(&[("a", 2)], 8);
        assert_eq!(
            record.complaints(&measured(&[("b", 2)], 8)),
            [
                Complaint::Gone("a".to_owned()),
                Complaint::New("b".to_owned())
            ]
        );
    }

    #[test]
    fn a_rejected_program_is_named_once_and_the_others_are_still_compared() {
        let record = recorded(&[("a", 2), ("b", 20_000)], 8);
        let mut now = measured(&[("b", 40_000)], 8);
        let words = "invalid access to packet".to_owned();
        now.rejected.insert("a".to_owned(), words.clone());
        let jump = Complaint::Jump {
            what: "b".to_owned(),
            recorded: 20_000,
            measured: 40_000,
        };
        let rejected = Complaint::Rejected {
            name: "a".to_owned(),
            words,
        };
        assert_eq!(record.complaints(&now), [rejected, jump]);
    }

    #[test]
    fn another_kernel_is_not_judged_by_this_ones_figures() {
        let mut other = measured(&[("a", 2)], 8);
        other.kernel = "6.1".to_owned();
        assert_eq!(
            recorded(&[("a", 2)], 8).complaints(&other),
            [Complaint::NoFigures {
                kernel: "6.1".to_owned()
            }]
        );
    }

    #[test]
    fn the_record_survives_being_written_and_read() {
        let json = serde_json::to_string(&recorded(&[("a", 20_000)], 100_000)).unwrap();
        let record: Record = serde_json::from_str(&json).unwrap();
        assert_eq!(record.complaints(&measured(&[("a", 20_000)], 100_000)), []);
    }
}
