//! How long source files are: 100 to 400 lines is the aim, 600 a reason to look, 1,000 the end.
//!
//! Files of tests (`tests.rs`, and folders named `tests`) do not count.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::{Report, project};

/// Above this many lines a file is named.
const REVIEW: usize = 600;

/// Above this many lines the check fails.
const LIMIT: usize = 1_000;

/// Folders of the project that hold source.
const FOLDERS: [&str; 3] = ["crates", "ebpf/src", "fuzz/fuzz_targets"];

#[derive(Debug, PartialEq)]
enum Verdict {
    Fine,
    Review,
    TooLong,
}

/// Measures every source file of the project.
pub(crate) fn check_project() -> anyhow::Result<Report> {
    let root = project::root();
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut files)
            .with_context(|| format!("list the source files in {folder}"))?;
    }
    files.sort();

    let mut text = String::new();
    let (mut lines, mut failed) = (0, false);
    for file in &files {
        let source =
            fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let length = source.lines().count();
        lines += length;
        let name = file.strip_prefix(&root).unwrap_or(file).display();
        match verdict(length) {
            Verdict::Fine => {}
            Verdict::Review => writeln!(text, "lengths: {name} has {length} lines: review it")?,
            Verdict::TooLong => {
                failed = true;
                writeln!(
                    text,
                    "lengths: {name} has {length} lines: split it (limit {LIMIT})"
                )?;
            }
        }
    }
    writeln!(
        text,
        "lengths: {} files, {lines} lines, tests not counted",
        files.len()
    )?;
    Ok(Report { text, failed })
}

fn verdict(length: usize) -> Verdict {
    if length > LIMIT {
        Verdict::TooLong
    } else if length > REVIEW {
        Verdict::Review
    } else {
        Verdict::Fine
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path
                .file_name()
                .is_some_and(|name| name != "tests" && name != "target")
            {
                collect(&path, files)?;
            }
        } else if is_counted(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_counted(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
        && path.file_name().is_some_and(|name| name != "tests.rs")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Verdict, is_counted, verdict};

    #[test]
    fn files_are_named_above_600_lines_and_refused_above_1000() {
        assert_eq!(verdict(600), Verdict::Fine);
        assert_eq!(verdict(601), Verdict::Review);
        assert_eq!(verdict(1_000), Verdict::Review);
        assert_eq!(verdict(1_001), Verdict::TooLong);
    }

    #[test]
    fn only_rust_sources_outside_tests_count() {
        assert!(is_counted(Path::new("crates/a/src/lib.rs")));
        assert!(!is_counted(Path::new("crates/a/src/lib/tests.rs")));
        assert!(!is_counted(Path::new("crates/a/Cargo.toml")));
    }
}
