//! A recording of any kind: of frames, or of a scheduler's decisions.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{
    Decisions, Director, LocalSocket, Network, Scenario, Topology, record::record, replay,
};

/// One recorded scenario.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Recording {
    /// Who got each connection.
    Decisions(Decisions),
    /// Frames in and out, with what was around the director.
    Frames(Scenario, Arc<Topology>),
}

impl Recording {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Decisions(decisions) => decisions.id(),
            Self::Frames(scenario, _) => scenario.id.clone(),
        }
    }

    /// Whether every boot of the recorded kernel behaved the same.
    #[must_use]
    pub fn decides(&self) -> bool {
        match self {
            Self::Decisions(_) => true,
            Self::Frames(scenario, _) => scenario.decides(),
        }
    }

    /// The network that it is about.
    ///
    /// # Errors
    ///
    /// When an address in it is none.
    pub fn network(&self) -> Result<Network, String> {
        match self {
            Self::Decisions(decisions) => decisions.network(),
            Self::Frames(_, topology) => Network::new(topology),
        }
    }

    /// The sockets that it wants on the director.
    #[must_use]
    pub fn local_sockets(&self) -> &[LocalSocket] {
        match self {
            Self::Decisions(_) => &[],
            Self::Frames(scenario, _) => &scenario.local_sockets,
        }
    }

    /// The same steps with what comes of them on `director` now.
    ///
    /// # Errors
    ///
    /// When it cannot be taken through them.
    pub fn record(&self, director: &mut dyn Director) -> Result<Self, String> {
        match self {
            Self::Decisions(decisions) => decisions.record(director).map(Self::Decisions),
            Self::Frames(scenario, topology) => {
                let recorded = record(scenario, director)?;
                Ok(Self::Frames(recorded, Arc::clone(topology)))
            }
        }
    }

    /// Takes `director` through it and answers every difference, a line each.
    pub fn replay(&self, network: &Network, director: &mut dyn Director) -> Vec<String> {
        match self {
            Self::Decisions(decisions) => decisions.replay(director),
            Self::Frames(scenario, _) => replay(scenario, network, director),
        }
    }
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not what it should be.
    #[error("cannot understand `{}`: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its topology is not in the `topology.json` beside it.
    #[error("`{}`: `{scenario}` is about a topology `{topology}` that `topology.json` beside it has not", path.display())]
    Topology {
        /// The file.
        path: PathBuf,
        /// The scenario.
        scenario: String,
        /// The topology's name.
        topology: String,
    },
}

/// The recordings of a file, or of all files in a folder and its folders: scenarios of frames from
/// `.jsonl`, a line each, with the `topology.json` beside it; decisions of schedulers from a `.json` that
/// is a list. Other files are left alone.
///
/// # Errors
///
/// When a file cannot be read or is not what it should be.
pub(crate) fn load(path: &Path) -> Result<Vec<Recording>, LoadError> {
    if path.is_dir() {
        let mut recordings = Vec::new();
        for file in files(path)? {
            recordings.extend(load(&file)?);
        }
        return Ok(recordings);
    }
    match path.extension().and_then(|end| end.to_str()) {
        Some("json") => {
            let text = read(path)?;
            // Counts and topologies are other things.
            if serde_json::from_str::<Vec<IgnoredAny>>(&text).is_err() {
                return Ok(Vec::new());
            }
            let all: Vec<Decisions> = parse(path, &text)?;
            Ok(all.into_iter().map(Recording::Decisions).collect())
        }
        Some("jsonl") => scenarios(path),
        _ => Ok(Vec::new()),
    }
}

fn scenarios(path: &Path) -> Result<Vec<Recording>, LoadError> {
    let beside = path.with_file_name("topology.json");
    let topologies: BTreeMap<String, Topology> = parse(&beside, &read(&beside)?)?;
    let topologies: BTreeMap<_, _> = topologies
        .into_iter()
        .map(|(name, topology)| (name, Arc::new(topology)))
        .collect();
    let text = read(path)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let scenario: Scenario = parse(path, line)?;
            let Some(topology) = topologies.get(&scenario.topology) else {
                return Err(LoadError::Topology {
                    path: path.to_owned(),
                    scenario: scenario.id,
                    topology: scenario.topology,
                });
            };
            let topology = Arc::clone(topology);
            Ok(Recording::Frames(scenario, topology))
        })
        .collect()
}

/// What is in a folder, in the order of names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let entries: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut files = entries.map_err(failed)?;
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, LoadError> {
    fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, LoadError> {
    serde_json::from_str(text).map_err(|source| LoadError::Parse {
        path: path.to_owned(),
        source,
    })
}
