//! What came of replaying: passed, differing, and differences that are known.

use std::{collections::BTreeMap, fmt};

use crate::Known;

/// The results of one way of replaying.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many scenarios passed.
    pub passed: usize,
    /// How many decide nothing: the recorded kernel was not the same at every boot.
    pub undecided: usize,
    /// How many there was no time for.
    pub left: usize,
    /// Scenarios that differ, with their differences.
    pub differing: BTreeMap<String, Vec<String>>,
    /// Scenarios whose differences are known, by the line of `docs/compat.md`.
    pub known: BTreeMap<String, Vec<String>>,
    /// Scenarios that are known to differ and do not.
    pub mended: Vec<String>,
}

impl Tally {
    /// Notes what replaying a scenario `by` some way found.
    pub fn note(&mut self, known: &Known, by: &str, scenario: &str, differences: Vec<String>) {
        let reason = known.reason(scenario, by);
        match (differences.is_empty(), reason) {
            (true, None) => self.passed += 1,
            (true, Some(_)) if known.is_erratic(scenario, by) => self.passed += 1,
            (true, Some(_)) => self.mended.push(scenario.to_owned()),
            (false, None) => {
                self.differing.insert(scenario.to_owned(), differences);
            }
            (false, Some(reason)) => {
                let scenarios = self.known.entry(reason.to_owned()).or_default();
                scenarios.push(scenario.to_owned());
            }
        }
    }

    /// How many scenarios were noted.
    #[must_use]
    pub fn noted(&self) -> usize {
        let known: usize = self.known.values().map(Vec::len).sum();
        self.passed + self.differing.len() + known + self.mended.len()
    }

    /// Whether everything is as it is known to be.
    #[must_use]
    pub fn is_as_known(&self) -> bool {
        self.differing.is_empty() && self.mended.is_empty()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (scenario, differences) in &self.differing {
            writeln!(f, "differs  {scenario}")?;
            for difference in differences {
                writeln!(f, "           {difference}")?;
            }
        }
        for (reason, scenarios) in &self.known {
            let (count, first) = (scenarios.len(), scenarios.first());
            let first = first.map_or("", String::as_str);
            writeln!(f, "known    {count} by `{reason}` ({first} ...)")?;
        }
        for scenario in &self.mended {
            writeln!(f, "mended   {scenario}: known to differ, and passes")?;
        }
        let known: usize = self.known.values().map(Vec::len).sum();
        write!(
            f,
            "{} passed, {} differing, {known} known differences",
            self.passed,
            self.differing.len()
        )?;
        if self.undecided > 0 {
            write!(f, ", {} undecided", self.undecided)?;
        }
        if self.left > 0 {
            write!(f, ", {} left for want of time", self.left)?;
        }
        Ok(())
    }
}
