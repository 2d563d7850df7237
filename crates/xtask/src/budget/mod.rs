//! What the verifier makes of each program, against what is on record in `ebpf/budget.json`.
//!
//! The verifier walks every path of a program, and what it walks is the program's size to the
//! kernel: a harmless change of source or compiler can multiply it. The figures depend on the
//! kernel's verifier too, so each kernel series has its own.

mod measure;
mod record;

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::{Report, project};
use measure::Measured;
use record::{Complaint, Record};

/// Prints the figures of this kernel; only a program that it does not load is a failure.
pub(crate) fn print() -> anyhow::Result<Report> {
    let measured = measure::all()?;
    report(&measured, &record::rejections(&measured))
}

/// Prints the figures of this kernel and fails on a jump.
pub(crate) fn compare(record: &Path) -> anyhow::Result<Report> {
    let measured = measure::all()?;
    let complaints = read(record)?.complaints(&measured);
    report(&measured, &complaints)
}

/// Prints the figures of this kernel and puts them on record, if it loads every program.
pub(crate) fn write(file: &Path) -> anyhow::Result<Report> {
    let measured = measure::all()?;
    let rejections = record::rejections(&measured);
    if !rejections.is_empty() {
        return report(&measured, &rejections);
    }
    let mut record = read(file)?;
    let mut text = table(&measured)?;
    record.update(measured);
    let json = serde_json::to_string_pretty(&record).context("write the record as JSON")?;
    fs::write(file, json + "\n").with_context(|| format!("write {}", file.display()))?;
    writeln!(text, "budget: written to {}", file.display()).context("write the report")?;
    Ok(Report {
        text,
        failed: false,
    })
}

/// The record that is committed beside the programs.
pub(crate) fn record_of_project() -> PathBuf {
    project::root().join("ebpf/budget.json")
}

/// A record, which is empty before the first `--write`.
fn read(file: &Path) -> anyhow::Result<Record> {
    let json = match fs::read(file) {
        Ok(json) => json,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Record::default()),
        Err(error) => return Err(error).context(format!("read {}", file.display())),
    };
    serde_json::from_slice(&json).with_context(|| format!("parse {}", file.display()))
}

fn report(measured: &Measured, complaints: &[Complaint]) -> anyhow::Result<Report> {
    let mut text = table(measured)?;
    for complaint in complaints {
        writeln!(text, "budget: {complaint}").context("write the report")?;
    }
    Ok(Report {
        text,
        failed: !complaints.is_empty(),
    })
}

fn table(measured: &Measured) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "Linux {}", measured.kernel)?;
    writeln!(
        text,
        "{:<48} {:>10} {:>12}",
        "program", "verified", "bytes loaded"
    )?;
    for (name, program) in &measured.programs {
        let (verified, bytes) = (program.verified_instructions, program.translated_bytes);
        writeln!(text, "{name:<48} {verified:>10} {bytes:>12}")?;
    }
    for (name, bytes) in &measured.objects {
        writeln!(text, "object {name:<41} {:>10} {bytes:>12}", "")?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::{Complaint, measure, read, record_of_project, report};

    #[test]
    fn root_verified_instruction_counts_stay_within_budget() {
        let required = std::env::var_os("CI").is_some_and(|value| value == "true");
        // the owner of this folder is the effective user of this process
        if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
            assert!(!required, "not root, so no program can be loaded");
            eprintln!("skipped: not root, so no program can be loaded");
            return;
        }
        let measured = measure::all().unwrap();
        let complaints = read(&record_of_project()).unwrap().complaints(&measured);
        if let ([Complaint::NoFigures { kernel }], false) = (complaints.as_slice(), required) {
            eprintln!("skipped: no figures of Linux {kernel} on record");
            return;
        }
        let report = report(&measured, &complaints).unwrap();
        assert!(!report.failed, "{}", report.text);
    }
}
