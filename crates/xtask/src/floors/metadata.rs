//! What `cargo metadata` says about the crates of a workspace.

use std::{path::Path, process::Command};

use anyhow::{Context, bail};
use serde::Deserialize;

/// A crate of the project and what it names outside its tests, ours or not.
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) dependencies: Vec<String>,
}

/// Asks cargo about the workspace of a manifest.
pub(super) fn read(manifest: &Path) -> anyhow::Result<Vec<Crate>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--manifest-path",
        ])
        .arg(manifest)
        .output()
        .context("start `cargo metadata`")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`cargo metadata` of {} failed: {reason}",
            manifest.display()
        );
    }
    parse(&output.stdout)
}

/// Reads the JSON of `cargo metadata --no-deps`.
pub(super) fn parse(json: &[u8]) -> anyhow::Result<Vec<Crate>> {
    let metadata: Metadata =
        serde_json::from_slice(json).context("parse the answer of `cargo metadata`")?;
    Ok(metadata.packages.into_iter().map(Crate::from).collect())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// Null for an ordinary dependency, else `build` or `dev`.
    kind: Option<String>,
}

impl From<Package> for Crate {
    fn from(package: Package) -> Self {
        let dependencies = package
            .dependencies
            .into_iter()
            .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
            .map(|dependency| dependency.name)
            .collect();
        Self {
            name: package.name,
            dependencies,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dependencies_of_tests_are_left_out_and_those_of_build_scripts_kept() {
        let json = br#"{"packages": [{"name": "a", "version": "0.1.0", "dependencies": [
            {"name": "ordinary", "kind": null},
            {"name": "for-build", "kind": "build"},
            {"name": "for-tests", "kind": "dev"}
        ]}]}"#;
        let crates = parse(json).unwrap();
        assert_eq!(crates.len(), 1);
        assert_eq!(crates[0].name, "a");
        assert_eq!(crates[0].dependencies, ["ordinary", "for-build"]);
    }

    #[test]
    fn an_answer_that_is_not_metadata_is_an_error() {
        assert!(parse(b"{}").is_err());
    }
}
