//! Recordings with their topologies, and the ways to replay them.

use std::{collections::BTreeMap, path::Path};

use xvs_dataplane::Hook;

use crate::{Known, LoadError, Network, Offline, Scenario, Tally, Topology, load, replay};

/// Scenarios of some files.
#[derive(Clone, Debug, Default)]
pub struct Suite {
    scenarios: Vec<Scenario>,
    topologies: BTreeMap<String, Topology>,
}

impl Suite {
    /// Reads files of scenarios; beside each is the `topology.json` that it is about.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or is not what it should be.
    pub fn load<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Result<Self, LoadError> {
        let mut suite = Self::default();
        for file in files {
            let (scenarios, topologies) = load(file.as_ref())?;
            suite.scenarios.extend(scenarios);
            suite.topologies.extend(topologies);
        }
        Ok(suite)
    }

    /// Only the scenarios that `wanted` accepts by their names.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.scenarios.retain(|scenario| wanted(&scenario.id));
        self
    }

    /// The names of the scenarios.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.scenarios.iter().map(|scenario| scenario.id.as_str())
    }

    /// Replays on the dataplane in this process.
    ///
    /// # Errors
    ///
    /// When a topology is missing or is not one.
    pub fn native(&self, known: &Known, hook: Hook) -> Result<Tally, String> {
        self.replay(known, &format!("native {hook}"), |scenario, network| {
            let mut director = Offline::native(network, hook)?;
            Ok(replay(scenario, network, &mut director))
        })
    }

    /// Replays through the loaded programs.
    ///
    /// # Errors
    ///
    /// When a topology is missing or is not one, or its links cannot be made.
    pub fn programs(
        &self,
        known: &Known,
        hook: Hook,
        programs: &mut Offline,
    ) -> Result<Tally, String> {
        self.replay(known, &format!("programs {hook}"), |scenario, network| {
            programs.begin(network, hook)?;
            Ok(replay(scenario, network, programs))
        })
    }

    /// Replays every scenario by `play`, which answers its differences.
    ///
    /// # Errors
    ///
    /// When a topology is missing or is not one, and what `play` answers.
    pub fn replay(
        &self,
        known: &Known,
        by: &str,
        mut play: impl FnMut(&Scenario, &Network) -> Result<Vec<String>, String>,
    ) -> Result<Tally, String> {
        let mut tally = Tally::default();
        for scenario in &self.scenarios {
            if scenario.unstable.is_some() {
                tally.undecided += 1;
                continue;
            }
            let topology = self.topologies.get(&scenario.topology);
            let topology =
                topology.ok_or_else(|| format!("no topology `{}`", scenario.topology))?;
            let network = Network::new(topology)?;
            let differences = play(scenario, &network)?;
            tally.note(known, by, &scenario.id, differences);
        }
        Ok(tally)
    }
}
