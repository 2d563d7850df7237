//! What changes priorities: scripts, files, processes, interfaces, BFD sessions.

use std::time::Duration;

use serde::Serialize;

use super::Script;

/// What a tracked thing does to a priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrackWeight {
    /// -253 to 253 (files and processes -254 to 254); 0 means FAULT while it is down.
    pub weight: i16,
    /// Up counts as down and down as up.
    pub reverse: bool,
}

/// One line of a `track_...` block: a name and its weight there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tracked {
    /// The script, file, process, interface or BFD instance.
    pub name: String,
    /// What it does.
    #[serde(flatten)]
    pub weight: TrackWeight,
}

/// A `vrrp_script`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrackScript {
    /// Its name.
    pub name: String,
    /// What is run.
    pub script: Script,
    /// How often; default 1 s.
    pub interval: Duration,
    /// When it is killed; default the interval.
    pub timeout: Duration,
    /// What it does to those that track it without a weight of their own; default 0.
    #[serde(flatten)]
    pub weight: TrackWeight,
    /// Successes in a row until it counts as up; default 1.
    pub rise: u32,
    /// Failures in a row until it counts as down; default 1.
    pub fall: u32,
    /// It counts as down until it has succeeded (`init_fail`).
    pub starts_failed: bool,
}

/// A `track_file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrackFile {
    /// Its name.
    pub name: String,
    /// The file; its content is a whole number.
    pub path: String,
    /// What the number is multiplied by; default 1.
    #[serde(flatten)]
    pub weight: TrackWeight,
    /// What is written into the file at start, if anything.
    pub initial_value: Option<i32>,
    /// The initial value replaces what is there.
    pub overwrite: bool,
}

/// A `vrrp_track_process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrackProcess {
    /// Its name.
    pub name: String,
    /// The process's name or path.
    pub process: String,
    /// Its arguments, when they must match.
    pub parameters: Vec<String>,
    /// How the arguments must match; none when they do not matter.
    pub parameter_match: Option<ParameterMatch>,
    /// What it does; default 0.
    #[serde(flatten)]
    pub weight: TrackWeight,
    /// How many must run, 0 to 65535; default 1.
    pub quorum: u32,
    /// How many may run; none for any number.
    pub quorum_max: Option<u32>,
    /// How long a new process is waited for; default 0.
    pub fork_delay: Duration,
    /// How long a process may be gone; default 0.
    pub terminate_delay: Duration,
    /// The whole command line is compared, not only the name.
    pub full_command: bool,
}

/// How the arguments of a process must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterMatch {
    /// All of them and no others.
    Exact,
    /// They begin with these.
    Initial,
    /// They begin with these, the last one in part.
    Partial,
}
