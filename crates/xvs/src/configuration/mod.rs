//! What is done with a keepalived.conf on the command line: check it, plan it.
//!
//! What a file means is `xvs-conf`'s, and what this host is to it `xvs-director`'s; here its findings
//! get a stream and an exit status.

pub(crate) mod check;
pub(crate) mod plan;

use anyhow::Context;
use xvs_conf::{Outcome, Stance};
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
    };
    source.read().context("list the network interfaces")
}
