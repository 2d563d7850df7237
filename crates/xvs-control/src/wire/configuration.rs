//! The configuration file behind the daemon.

use serde::{Deserialize, Serialize};
use xvs_types::Op;

/// A file that is to be planned or put into force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationRequest {
    /// The absolute path of the file; the daemon reads it.
    pub file: String,
    /// Every doubt is an error.
    #[serde(default)]
    pub strict: bool,
    /// What `@ID` lines are compared with; none for the short host name.
    #[serde(default)]
    pub config_id: Option<String>,
    /// Take it back by itself after so many seconds without a confirmation; none to keep it.
    #[serde(default)]
    pub confirm_seconds: Option<u32>,
}

/// The answer of `GET /v1/configuration`, and of what changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigurationStatus {
    /// The file in force; none when the daemon has none.
    pub file: Option<String>,
    /// It was read with every doubt an error.
    pub strict: bool,
    /// How many findings there were: `2 warnings`.
    pub counted: String,
    /// The findings, as a compiler writes them.
    pub findings: String,
    /// Seconds until it is taken back unless it is confirmed; none when nothing waits for that.
    pub confirm_within_seconds: Option<u64>,
    /// What is not in force as the file says: a line each.
    pub warnings: Vec<String>,
}

/// What a file would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigurationPlan {
    /// The changes of the rules, in their order; real servers that fail their checks now stay out.
    pub ops: Vec<Op>,
    /// Checkers that would start.
    pub new_checkers: u64,
    /// Checkers that would end.
    pub gone_checkers: u64,
    /// The findings in the file, as a compiler writes them.
    pub findings: String,
}
