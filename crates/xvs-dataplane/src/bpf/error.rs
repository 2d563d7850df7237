//! Why a datapath could not be opened.

use std::{io, path::PathBuf};

/// Why [`Bpf::open`](super::Bpf::open) failed; nothing is attached then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder of the pins cannot be made or mounted.
    #[error("cannot mount a BPF file system on `{}`: {reason}", path.display())]
    Mount {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// This process has a mount namespace of its own, and pins in it would end with it.
    #[error(
        "this process has a mount namespace of its own (as `ip netns exec` or systemd's PrivateTmp and Protect settings make one), so the datapath would end with it: start the daemon in the host's mount namespace, with `--netns NAME` for a network namespace"
    )]
    MountNamespace,
    /// What is pinned was made by another version of xvs.
    #[error(
        "`{}` holds a datapath of layout `{found}`, this xvs has layout `{wanted}`: stop it with the xvs that made it, or give up its connections by `umount {}`",
        path.display(),
        path.display()
    )]
    Version {
        /// The folder.
        path: PathBuf,
        /// The layout that is there.
        found: String,
        /// The layout of this program.
        wanted: String,
    },
    /// A pinned map is not what its name promises.
    #[error(
        "the pinned map `{map}` under `{}` has {what} {found}, not {wanted}: give up its connections by `umount {}`",
        path.display(),
        path.display()
    )]
    Shape {
        /// The map.
        map: &'static str,
        /// The folder.
        path: PathBuf,
        /// Which property differs.
        what: &'static str,
        /// What it is.
        found: u32,
        /// What it should be.
        wanted: u32,
    },
    /// A pinned map is gone, though its datapath was whole.
    #[error(
        "the map `{map}` is missing among the pins under `{}`: give up its connections by `umount {}`",
        path.display(),
        path.display()
    )]
    Missing {
        /// The map.
        map: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// The programs could not be loaded.
    #[error("cannot load the datapath ({what}): {reason}")]
    Load {
        /// What was attempted.
        what: String,
        /// What aya or the verifier said, in one line.
        reason: String,
    },
    /// A map could not be mapped into memory.
    #[error("cannot map `{map}` into memory: {reason}")]
    Map {
        /// The map.
        map: &'static str,
        /// What the system said.
        reason: io::Error,
    },
    /// The programs do not run, or the clock does not.
    #[error("the clock program does not run: {reason}")]
    Clock {
        /// What happened.
        reason: String,
    },
}

impl OpenError {
    /// A failed load, with the error's whole chain in one line and without the verifier's log, which
    /// goes to the debug log.
    pub(super) fn load(what: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut reason = String::new();
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            tracing::debug!(%text, "load");
            let mut lines = text.lines().filter(|line| !line.trim().is_empty());
            let first = lines.next().unwrap_or_default();
            let last = lines.next_back();
            if !reason.is_empty() {
                reason.push_str(": ");
            }
            reason.push_str(first);
            if let Some(last) = last {
                reason.push_str(" ... ");
                reason.push_str(last);
            }
            next = error.source();
        }
        Self::Load {
            what: what.into(),
            reason,
        }
    }
}
