//! Where the project is.

use std::path::{Path, PathBuf};

/// The root of the workspace, known at build time: xtask is only ever run from its own checkout.
pub(crate) fn root() -> PathBuf {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir.ancestors().skip(2).take(1).collect()
}
