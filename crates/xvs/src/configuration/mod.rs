//! What is done with a keepalived.conf on the command line: check it, plan it, put it into force.
//!
//! What a file means is `xvs-conf`'s, and what this host is to it `xvs-director`'s; here its findings
//! get a stream and an exit status.

pub(crate) mod change;
pub(crate) mod check;
pub(crate) mod plan;

use anyhow::Context;
use xvs_conf::{Outcome, Stance};
use xvs_director::Parts;
pub(crate) use xvs_director::{Source, counted};

/// Reads `file` on this host.
///
/// # Errors
/// The host's interfaces cannot be listed; what is wrong with the file is in the [`Outcome`].
pub(crate) fn read(
    file: &str,
    config_id: Option<String>,
    stance: Stance,
) -> anyhow::Result<Outcome> {
    let source = Source {
        file: file.to_owned(),
        config_id,
        stance,
        parts: Parts::default(),
    };
    source.read().context("list the network interfaces")
}

/// The absolute path of `file`, without following links.
pub(crate) fn absolute(file: &str) -> anyhow::Result<String> {
    let path = std::path::absolute(file).with_context(|| format!("find `{file}`"))?;
    match path.into_os_string().into_string() {
        Ok(path) => Ok(path),
        Err(path) => anyhow::bail!("the path {path:?} is no UTF-8, which a daemon cannot read"),
    }
}
