//! Which crate may import which: the floors of ARCHITECTURE.md, checked against `cargo metadata`.
//!
//! It owns the table and the rules. Dependencies of tests (`[dev-dependencies]`) are not checked: a
//! test may reach anywhere.

mod metadata;
mod rules;
mod table;

use std::fmt::Write;

use anyhow::Context;

use crate::{Report, project};

/// Checks the root workspace and that of the BPF programs.
pub(crate) fn check_project() -> anyhow::Result<Report> {
    let root = project::root();
    let mut crates = metadata::read(&root.join("Cargo.toml"))?;
    crates.extend(metadata::read(&root.join("ebpf/Cargo.toml"))?);
    let violations = rules::violations(&crates);

    let mut text = String::new();
    for violation in &violations {
        writeln!(text, "floors: {violation}").context("write the report")?;
    }
    let imports: usize = crates.iter().map(|each| each.dependencies.len()).sum();
    writeln!(
        text,
        "floors: {} crates, {imports} dependencies, {} violations",
        crates.len(),
        violations.len()
    )
    .context("write the report")?;
    Ok(Report {
        text,
        failed: !violations.is_empty(),
    })
}
