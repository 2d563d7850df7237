//! keepalived.conf: from text to meaning.
//!
//! [`parse`] reads a configuration through the traits [`Files`] and [`HostFacts`] and gives an
//! [`Outcome`]: the typed [`Config`] if a daemon can start with it, all [`Diagnostic`]s, and the
//! statuses that keepalived 2.2.7 would exit with. Nothing here opens a file, reads a clock or the
//! environment, or panics on any input.
//!
//! ```
//! use xvs_conf::{MemoryFiles, Stance, StaticHost, parse};
//!
//! let files = MemoryFiles::new().with(
//!     "keepalived.conf",
//!     "virtual_server 192.0.2.1 80 {\n lb_algo rr\n lb_kind dr\n protocol TCP\n real_server 10.0.0.1 80 { }\n}\n",
//! );
//! let outcome = parse("keepalived.conf", &files, &StaticHost::default(), Stance::Compatible);
//! // keepalived does not know `dr` in lower case, says so, and goes on with NAT.
//! assert_eq!(outcome.keepalived_status, 5);
//! assert_eq!(outcome.config.unwrap().virtual_server_rules().len(), 1);
//! ```
//!
//! The way goes `preprocess` (lines and braces) -> `ast` (statements, by the table in `keywords`) ->
//! `keywords` (drafts) -> `validate` -> [`config`].
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod codes;
pub mod config;

mod ast;
mod diagnostic;
mod host;
mod keywords;
mod lexer;
mod preprocess;
mod span;
mod validate;

pub use ast::{Document, Statement};
pub use config::Config;
pub use diagnostic::{Consequence, Diagnostic, JsonDiagnostic, Severity, render_json, render_text};
pub use host::{FileError, Files, HostFacts, Interface, MemoryFiles, ScriptFact, StaticHost};
pub use keywords::{Arity, Block, Body, Spec, Tier, all_keywords};
pub use span::{FileId, Position, SourceMap, Span};

use diagnostic::Sink;
use keywords::Scope;
use preprocess::Preprocessor;

/// How doubt is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stance {
    /// Starts where keepalived 2.2.7 starts and means what it means; says what it understood.
    #[default]
    Compatible,
    /// Every doubt is an error.
    Strict,
}

/// What became of a configuration.
#[derive(Debug)]
pub struct Outcome {
    /// What it means; none when a daemon does not start with it in this stance.
    pub config: Option<Config>,
    /// The statements behind the preprocessor.
    pub document: Document,
    /// All findings, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The names and texts of the files, for rendering.
    pub sources: SourceMap,
    /// What `keepalived -t` of 2.2.7 exits with: 0, 2, 4, 5 or 6.
    pub keepalived_status: u8,
    /// What a keepalived of 2.2.7 that does not start exits with, 2 or 6; 0 when it starts.
    pub start_status: u8,
}

impl Outcome {
    /// The diagnostics with lines, carets and hints; see [`render_text`].
    #[must_use]
    pub fn render_text(&self, colour: bool) -> String {
        render_text(&self.diagnostics, &self.sources, colour)
    }

    /// The diagnostics as a JSON array; see [`render_json`].
    #[must_use]
    pub fn render_json(&self) -> String {
        render_json(&self.diagnostics, &self.sources)
    }
}

/// Reads the configuration whose root file is `root_path`.
///
/// Relative includes are seen from the directory of the file that has them.
#[must_use]
pub fn parse(root_path: &str, files: &dyn Files, host: &dyn HostFacts, stance: Stance) -> Outcome {
    let mut sink = Sink::new(stance);
    let mut reader = Preprocessor::open(root_path, files, host, &mut sink);
    let document = ast::build(&mut reader, &mut sink);
    let sources = reader.into_sources();
    let mut scope = Scope::new(&mut sink, host);
    let draft = keywords::read_document(&document, &mut scope);
    let config = validate::complete(draft, &mut scope);
    let statuses = sink.statuses();
    Outcome {
        config: sink.starts().then_some(config),
        document,
        keepalived_status: statuses.config_test(),
        start_status: statuses.start(),
        diagnostics: sink.finish(),
        sources,
    }
}
