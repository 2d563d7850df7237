//! Diagnostics for people (the line, a caret, a hint) and for programs (JSON).

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::{Diagnostic, Severity};
use crate::span::{Position, SourceMap};

/// A diagnostic as JSON shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JsonDiagnostic {
    /// The stable code.
    pub code: &'static str,
    /// `warning` or `error`.
    pub severity: Severity,
    /// Where it begins.
    #[serde(flatten)]
    pub position: Position,
    /// One past the last column, in characters from 1.
    pub end_column: u32,
    /// What is wrong.
    pub message: String,
    /// What is understood instead, or what to write.
    pub hint: String,
}

impl JsonDiagnostic {
    /// `diagnostic` with its position looked up in `sources`.
    #[must_use]
    pub fn new(diagnostic: &Diagnostic, sources: &SourceMap) -> Self {
        let mut end = diagnostic.span;
        end.start = end.end;
        Self {
            code: diagnostic.code,
            severity: diagnostic.severity,
            position: sources.position(diagnostic.span),
            end_column: sources.position(end).column,
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
        }
    }
}

/// All of `diagnostics` as one JSON array.
#[must_use]
pub fn render_json(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    let all: Vec<JsonDiagnostic> = diagnostics
        .iter()
        .map(|diagnostic| JsonDiagnostic::new(diagnostic, sources))
        .collect();
    // Plain strings and numbers cannot fail to serialise; an empty array would only hide them.
    serde_json::to_string_pretty(&all).unwrap_or_else(|error| format!("[\"{error}\"]"))
}

/// All of `diagnostics` as a compiler prints them, each followed by an empty line.
///
/// `colour` adds ANSI colours; the words say the same without.
#[must_use]
pub fn render_text(diagnostics: &[Diagnostic], sources: &SourceMap, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostic, sources, &renderer));
        out.push_str("\n\n");
    }
    out
}

fn one(diagnostic: &Diagnostic, sources: &SourceMap, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code);
    let span = diagnostic.span;
    let name = sources.name(span.file);
    if span.line == 0 {
        let origin = annotate_snippets::Origin::path(name);
        return renderer.render(&[with_hint(
            Group::with_title(title).element(origin),
            diagnostic,
        )]);
    }
    let line = sources.line(span.file, span.line);
    let start = floor_boundary(line, span.start);
    let end = floor_boundary(line, span.end).max(start);
    let snippet = Snippet::source(line)
        .path(name)
        .line_start(usize::try_from(span.line).unwrap_or(1))
        .annotation(AnnotationKind::Primary.span(start..end));
    renderer.render(&[with_hint(
        Group::with_title(title).element(snippet),
        diagnostic,
    )])
}

fn with_hint<'a>(group: Group<'a>, diagnostic: &'a Diagnostic) -> Group<'a> {
    if diagnostic.hint.is_empty() {
        group
    } else {
        group.element(Level::HELP.message(&diagnostic.hint))
    }
}

fn floor_boundary(line: &str, at: u32) -> usize {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    line.floor_char_boundary(at.min(line.len()))
}
