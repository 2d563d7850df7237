//! What is done with a keepalived.conf without a daemon of its own: check it, plan it.
//!
//! What a file means is `xvs-conf`'s; here it gets this host's files and facts, and its findings get
//! a stream and an exit status.

pub(crate) mod check;
pub(crate) mod host;
pub(crate) mod plan;

use anyhow::Context;
use xvs_conf::{Outcome, Severity, Stance};

/// Reads `file` on this host.
///
/// # Errors
/// The host's interfaces cannot be listed; what is wrong with the file is in the [`Outcome`].
pub(crate) fn read(
    file: &str,
    config_id: Option<String>,
    stance: Stance,
) -> anyhow::Result<Outcome> {
    let host = host::ThisHost::new(config_id).context("list the network interfaces")?;
    Ok(xvs_conf::parse(file, &host::Disk, &host, stance))
}

/// How many findings there are: `2 errors and 1 warning`.
pub(crate) fn counted(outcome: &Outcome) -> String {
    let errors = outcome
        .diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .count();
    let warnings = outcome.diagnostics.len() - errors;
    let named = |count: usize, name: &str| match count {
        1 => format!("1 {name}"),
        _ => format!("{count} {name}s"),
    };
    match (errors, warnings) {
        (0, 0) => "nothing to report".to_owned(),
        (0, _) => named(warnings, "warning"),
        (_, 0) => named(errors, "error"),
        _ => format!(
            "{} and {}",
            named(errors, "error"),
            named(warnings, "warning")
        ),
    }
}
