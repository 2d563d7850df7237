//! Diagnostics: what is wrong where, collected and never stopping at the first.
//!
//! A [`Diagnostic`] has a stable code, a severity, a span, one message and one hint. What keepalived
//! would make of the same place (go on, refuse, exit) is its [`Consequence`]; from all consequences
//! come the statuses of `keepalived -t` and of a start.

mod consequence;
mod render;
mod sink;

pub use consequence::Consequence;
pub use render::{JsonDiagnostic, render_json, render_text};
pub(crate) use sink::Sink;

use serde::Serialize;

use crate::span::Span;

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The daemon starts; what it understood is said.
    Warning,
    /// The daemon does not start.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// A stable name such as `conf::unknown-keyword`; see [`codes`](crate::codes).
    pub code: &'static str,
    /// How much it weighs in the stance that was asked for.
    pub severity: Severity,
    /// What keepalived 2.2.7 makes of it.
    pub consequence: Consequence,
    /// Where.
    pub span: Span,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What is understood instead, or what to write; empty when the message says it all.
    pub hint: String,
}
