//! The measurement over links once more, in a virtual machine whose clock counts instructions and whose
//! kernel has IPVS: `oracle/packets` boots it.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::{Scale, row::Part};

/// What is read of the guest's report.
#[derive(Deserialize)]
struct Report {
    parts: Vec<Part>,
}

/// Boots the guest and takes over what it measured; without its disk the part says how to get one.
pub(crate) fn measure(scale: &Scale) -> anyhow::Result<Part> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let part = |about: &str| Part {
        name: "oracle".into(),
        about: about.to_owned(),
        rows: Vec::new(),
        plots: Vec::new(),
        notes: Vec::new(),
    };
    if !scale.boots() {
        return Ok(part(
            "Not in the short form: it takes some minutes. `make bench` has it.",
        ));
    }
    if !disk().is_file() {
        return Ok(part(
            "Not measured: `scripts/setup vm && oracle/build` makes the guest.",
        ));
    }
    let folder = env::temp_dir().join(format!("xvs-bench-oracle-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    // The table that the guest prints is that of this part.
    let ended = Command::new(root.join("oracle/packets"))
        .arg(env::current_exe()?)
        .arg(&folder)
        .stderr(Stdio::inherit())
        .output()
        .context("run oracle/packets")?;
    ensure!(
        ended.status.success(),
        "oracle/packets ended with {}: {}",
        ended.status,
        String::from_utf8_lossy(&ended.stdout)
    );
    let path = folder.join("report.json");
    let json = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let report: Report = serde_json::from_slice(&json).context("parse the guest's report")?;
    fs::remove_dir_all(&folder)?;
    let measured = report
        .parts
        .into_iter()
        .next()
        .context("the guest measured nothing")?;
    Ok(Part {
        name: "oracle".into(),
        ..measured
    })
}

/// The guest's disk, as `oracle/common` says.
fn disk() -> PathBuf {
    let folder = env::var_os("XVS_ORACLE").map_or_else(
        || {
            let cache = env::var_os("XDG_CACHE_HOME").map_or_else(
                || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache"),
                PathBuf::from,
            );
            cache.join("xvs/oracle")
        },
        PathBuf::from,
    );
    folder.join("root.ext4")
}
