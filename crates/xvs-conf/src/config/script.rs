//! Programs that the daemon runs.

use serde::Serialize;

use crate::span::Span;

/// A program with its arguments; no shell is involved.
#[derive(Clone, Debug, Serialize)]
pub struct Script {
    /// The program and its arguments; never empty.
    pub arguments: Vec<String>,
    /// Who runs it.
    pub user: ScriptUser,
    /// Where it is written.
    #[serde(skip)]
    pub span: Span,
}

impl PartialEq for Script {
    /// Two scripts are the same when they do the same, wherever they are written.
    fn eq(&self, other: &Self) -> bool {
        (&self.arguments, &self.user) == (&other.arguments, &other.user)
    }
}

impl Eq for Script {}

/// A user and, unless it is the user's own, a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScriptUser {
    /// User name or number.
    pub user: String,
    /// Group name or number; none for the user's own.
    pub group: Option<String>,
}
