//! The project's own verbs, for what is longer than a line of the Makefile.
//!
//! `cargo xtask floors` checks which crate imports which, and how long files are; `cargo xtask
//! budget` shows what the verifier makes of the programs and compares with what is on record. Each
//! verb returns its report as text; only this file writes.

mod budget;
mod floors;
mod lengths;
mod project;

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Context;

const USAGE: &str = "\
usage: cargo xtask <verb>

  floors            check that every crate imports only from lower floors, and file lengths
  budget            print verified instructions and sizes; fail on a jump of more than 10 %
  budget --print    only print
  budget --write    the same, and put the figures of this kernel on record
  budget ... FILE   with another record than ebpf/budget.json";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = match arguments.as_slice() {
        ["budget", "--print"] => budget::print()?,
        ["budget", "--write"] => budget::write(&budget::record_of_project())?,
        ["budget", "--write", file] => budget::write(Path::new(file))?,
        ["budget"] => budget::compare(&budget::record_of_project())?,
        ["budget", file] => budget::compare(Path::new(file))?,
        ["floors"] => floors_and_lengths()?,
        ["--help" | "-h" | "help"] => Report::fine(USAGE),
        _ => {
            writeln!(std::io::stderr(), "{USAGE}").context("write the usage")?;
            return Ok(ExitCode::from(2));
        }
    };
    writeln!(std::io::stdout(), "{}", report.text.trim_end()).context("write the report")?;
    Ok(if report.failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What a verb has to say, and whether it found something wrong.
struct Report {
    text: String,
    failed: bool,
}

impl Report {
    fn fine(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            failed: false,
        }
    }
}

fn floors_and_lengths() -> anyhow::Result<Report> {
    let floors = floors::check_project()?;
    let lengths = lengths::check_project()?;
    Ok(Report {
        failed: floors.failed || lengths.failed,
        text: format!("{}{}", floors.text, lengths.text),
    })
}
