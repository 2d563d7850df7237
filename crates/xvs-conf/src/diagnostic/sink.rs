//! Where diagnostics are collected.

use std::collections::HashSet;

use super::{Consequence, Diagnostic, Severity, consequence::Statuses};
use crate::{Stance, span::Span};

/// More diagnostics than this are counted, not kept: a broken generator must not fill the memory.
const MAX_KEPT: usize = 1_000;

/// Collects diagnostics and the statuses that follow from them.
#[derive(Debug)]
pub(crate) struct Sink {
    stance: Stance,
    statuses: Statuses,
    kept: Vec<Diagnostic>,
    seen: HashSet<(&'static str, Span, String)>,
    dropped: usize,
}

impl Sink {
    pub(crate) fn new(stance: Stance) -> Self {
        Self {
            stance,
            statuses: Statuses::default(),
            kept: Vec::new(),
            seen: HashSet::new(),
            dropped: 0,
        }
    }

    /// Adds a finding; in the strict stance every finding is an error.
    pub(crate) fn add(
        &mut self,
        code: &'static str,
        consequence: Consequence,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.statuses.note(consequence);
        let message = message.into();
        // What refuses the file is told also when warnings have filled the list.
        let room = if consequence.refuses() { 2 } else { 1 };
        if self.kept.len() >= room * MAX_KEPT {
            self.dropped += 1;
            return;
        }
        // A sequence brings the same line again and again.
        if !self.seen.insert((code, span, message.clone())) {
            return;
        }
        let severity = if consequence.refuses() || self.stance == Stance::Strict {
            Severity::Error
        } else {
            Severity::Warning
        };
        self.kept.push(Diagnostic {
            code,
            severity,
            consequence,
            span,
            message,
            hint: hint.into(),
        });
    }

    /// keepalived reports it and goes on.
    pub(crate) fn reported(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(code, Consequence::Reported, span, message, hint);
    }

    /// keepalived says nothing, but the operator should know.
    pub(crate) fn silent(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(code, Consequence::Silent, span, message, hint);
    }

    /// Whether further findings are only counted, so that hints for them are not worth their work.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= MAX_KEPT
    }

    pub(crate) fn stance(&self) -> Stance {
        self.stance
    }

    pub(crate) fn statuses(&self) -> Statuses {
        self.statuses
    }

    /// Whether a daemon would start in this stance.
    pub(crate) fn starts(&self) -> bool {
        let refused = self.statuses.start() != 0;
        let doubted = self.stance == Stance::Strict && !self.kept.is_empty();
        !refused && !doubted
    }

    /// All findings in the order of the source, and a last one that counts what was not kept.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.kept.sort_by_key(|diagnostic| {
            (
                diagnostic.span.file,
                diagnostic.span.line,
                diagnostic.span.start,
            )
        });
        if self.dropped > 0 {
            let severity = self
                .kept
                .iter()
                .map(|diagnostic| diagnostic.severity)
                .max()
                .unwrap_or(Severity::Warning);
            self.kept.push(Diagnostic {
                code: crate::codes::TOO_MANY,
                severity,
                consequence: Consequence::Silent,
                span: Span::default(),
                message: format!("{} more findings are not shown", self.dropped),
                hint: "repair the first ones and check again".to_owned(),
            });
        }
        self.kept
    }
}
