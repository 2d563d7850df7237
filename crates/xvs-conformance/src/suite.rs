//! Recordings, and the ways to replay them.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use xvs_dataplane::Hook;

use crate::{
    Balancer, Known, LoadError, Network, Offline, Recording, Tally,
    crew::{self, Bench},
    recording::load,
};

/// Recordings to replay.
#[derive(Clone, Debug, Default)]
pub struct Suite {
    recordings: Vec<Recording>,
    /// For how long recordings are taken up that are replayed live; none for all of them.
    limit: Option<Duration>,
}

impl Suite {
    /// Reads files, and all files of folders, as they are recorded: `.jsonl` of frames with the
    /// `topology.json` beside it, `.json` of schedulers' decisions.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or is not what it should be.
    pub fn load<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, LoadError> {
        let mut suite = Self::default();
        for path in paths {
            suite.recordings.extend(load(path.as_ref())?);
        }
        Ok(suite)
    }

    /// The recordings of the project.
    ///
    /// # Errors
    ///
    /// Where its sources are not where they were when this was built.
    pub fn project() -> Result<Self, LoadError> {
        let crates: PathBuf = [env!("CARGO_MANIFEST_DIR"), ".."].iter().collect();
        Self::load(
            [
                "xvs-conformance/tests/fixtures",
                "xvs-datapath/tests/fixtures/schedulers.json",
            ]
            .map(|path| crates.join(path)),
        )
    }

    /// Only the recordings that `wanted` accepts by their names.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.recordings.retain(|recording| wanted(&recording.id()));
        self
    }

    /// Takes up recordings for so long where they are replayed live, of every kind first, and leaves the
    /// rest.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The recordings.
    pub fn iter(&self) -> impl Iterator<Item = &Recording> {
        self.recordings.iter()
    }

    /// Replays on the dataplane in this process.
    ///
    /// # Errors
    ///
    /// When a network is not one.
    pub fn native(&self, known: &Known, hook: Hook) -> Result<Tally, String> {
        self.replay(known, &format!("native {hook}"), |recording, network| {
            let mut director = Offline::native(network, hook)?;
            Ok(recording.replay(network, &mut director))
        })
    }

    /// Replays through the loaded programs.
    ///
    /// # Errors
    ///
    /// When a network is not one, or its links cannot be made.
    pub fn programs(
        &self,
        known: &Known,
        hook: Hook,
        programs: &mut Offline,
    ) -> Result<Tally, String> {
        self.replay(known, &format!("programs {hook}"), |recording, network| {
            programs.begin(network, hook)?;
            Ok(recording.replay(network, programs))
        })
    }

    /// Replays on real directors, so many at once.
    ///
    /// # Errors
    ///
    /// When a network is not one, or a director cannot be started.
    pub fn live(
        &self,
        known: &Known,
        balancer: Balancer,
        directors: usize,
    ) -> Result<Tally, String> {
        self.at_once(known, &balancer.to_string(), directors, || {
            let mut bench = Bench::new(balancer);
            move |case| {
                let director = bench.director(case)?;
                Ok(case.recording.replay(&case.network, director))
            }
        })
    }

    /// Takes the running kernel's IPVS through the same steps, and then compares real directors with
    /// what it did, so many at once.
    ///
    /// # Errors
    ///
    /// When a network is not one, or a director cannot be started.
    pub fn beside_kernel(
        &self,
        known: &Known,
        hook: Hook,
        directors: usize,
    ) -> Result<Tally, String> {
        self.at_once(known, &format!("kernel live {hook}"), directors, || {
            let mut kernel = Bench::new(Balancer::Kernel);
            let mut ours = Bench::new(Balancer::Xvs(hook));
            move |case| {
                let recorded = case.recording.record(kernel.director(case)?)?;
                Ok(recorded.replay(&case.network, ours.director(case)?))
            }
        })
    }

    /// Replays every recording by one of so many workers; `equip` makes what each of them replays by.
    fn at_once<R>(
        &self,
        known: &Known,
        by: &str,
        workers: usize,
        equip: impl Fn() -> R + Sync,
    ) -> Result<Tally, String>
    where
        R: FnMut(&Case<'_>) -> Result<Vec<String>, String>,
    {
        let tally = Mutex::new(self.tally());
        let mut cases = self.cases()?;
        if self.limit.is_some() {
            cases = spread(cases);
        }
        let end = self.limit.map(|limit| Instant::now() + limit);
        crew::each(&cases, (workers, end), equip, |replay, case| {
            let differences = replay(case)?;
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            let id = case.recording.id();
            let first = differences.first().cloned().unwrap_or_default();
            let before = tally.differing.len();
            tally.note(known, by, &id, differences);
            // It takes minutes: whoever waits sees how it goes on.
            let noted = tally.noted();
            if tally.differing.len() > before {
                let _unheard = writeln!(
                    io::stderr(),
                    "{by}: {noted} replayed, {id} differs: {first}"
                );
            } else if noted.is_multiple_of(10) {
                let _unheard = writeln!(io::stderr(), "{by}: {noted} replayed");
            }
            Ok(())
        })?;
        let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        tally.left = cases.len() - tally.noted();
        Ok(tally)
    }

    /// Replays every recording by `play`, which answers its differences.
    ///
    /// # Errors
    ///
    /// When a network is not one, and what `play` answers.
    pub fn replay(
        &self,
        known: &Known,
        by: &str,
        mut play: impl FnMut(&Recording, &Network) -> Result<Vec<String>, String>,
    ) -> Result<Tally, String> {
        let mut tally = self.tally();
        for case in self.cases()? {
            let differences = play(case.recording, &case.network)?;
            tally.note(known, by, &case.recording.id(), differences);
        }
        Ok(tally)
    }

    /// What decides something.
    pub(crate) fn cases(&self) -> Result<Vec<Case<'_>>, String> {
        let decided = self.iter().filter(|recording| recording.decides());
        decided
            .map(|recording| {
                let network = recording.network();
                let network = network.map_err(|error| format!("{}: {error}", recording.id()))?;
                Ok(Case { recording, network })
            })
            .collect()
    }

    /// A tally of nothing yet.
    fn tally(&self) -> Tally {
        let decided = self.iter().filter(|recording| recording.decides());
        Tally {
            undecided: self.recordings.len() - decided.count(),
            ..Tally::default()
        }
    }
}

impl FromIterator<Recording> for Suite {
    fn from_iter<I: IntoIterator<Item = Recording>>(recordings: I) -> Self {
        Self {
            recordings: recordings.into_iter().collect(),
            limit: None,
        }
    }
}

/// Orders cases so that the first of them are of every kind: neighbours are alike.
fn spread(cases: Vec<Case<'_>>) -> Vec<Case<'_>> {
    const STRIDE: usize = 8;
    let mut numbered: Vec<(usize, Case<'_>)> = cases.into_iter().enumerate().collect();
    numbered.sort_by_key(|(place, _)| place % STRIDE);
    numbered.into_iter().map(|(_, case)| case).collect()
}

/// A recording and the network that it is about.
pub(crate) struct Case<'s> {
    pub(crate) recording: &'s Recording,
    pub(crate) network: Network,
}
