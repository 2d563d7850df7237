//! What the tests that need root share.

use std::{env, fs};

/// Whether a test that needs root and `tools` can run. Where it cannot, the reason is printed; with
/// `CI=true` it is a failure.
#[expect(
    clippy::print_stdout,
    reason = "a skipped test says so in the runner's output"
)]
pub(crate) fn ready(tools: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let missing = tools
        .iter()
        .find(|tool| !env::split_paths(&path).any(|folder| folder.join(tool).exists()));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = status.contains("\nUid:\t0\t0\t");
    let reason = match (root, missing) {
        (false, _) => "not root".to_owned(),
        (true, Some(tool)) => format!("`{tool}` is not installed"),
        (true, None) => return true,
    };
    assert!(
        env::var("CI").as_deref() != Ok("true"),
        "this test must not be skipped in CI: {reason}"
    );
    println!("skipped: {reason}");
    false
}
