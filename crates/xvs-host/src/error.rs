//! Why a host could not be set up, shown or restored.

use std::{io, path::PathBuf};

use aya::{
    EbpfError,
    maps::MapError,
    pin::PinError,
    programs::{ProgramError, links::LinkError, tc::TcError},
};
use xvs_net::{HostError, NetnsError, SysctlError};

/// A host could not be set up, shown or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The BPF subsystem refused.
    #[error("cannot {action}: {source}")]
    Bpf {
        /// What was attempted.
        action: String,
        /// The refusal.
        source: Box<BpfError>,
    },
    /// Servers are told their clients by hooks of a cgroup, and there is none.
    #[error(
        "no cgroup2 file system is mounted; FULLNAT servers learn their clients through it: \
         `mount -t cgroup2 none /sys/fs/cgroup/unified`"
    )]
    Cgroup2Missing,
    /// A file or folder could not be used.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Pinned programs would die with the mount namespace of the caller.
    #[error(
        "this process is in a mount namespace of its own, where pinned programs would die with it; \
         run outside `ip netns exec`, `unshare` and PrivateTmp, and name a network namespace by \
         `--netns NAME`"
    )]
    ForeignMountNamespace,
    /// The host's network could not be read or changed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No link can take a program.
    #[error("no link of this host carries Ethernet frames; name one by `--interface IF`")]
    NoLink,
    /// The link's frames have no Ethernet header.
    #[error("`{link}` carries no Ethernet frames; name the link that packets come in by")]
    NotEthernet {
        /// The link's name.
        link: String,
    },
    /// A network namespace could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The record of what was changed cannot be understood.
    #[error("{path} is no record of changes ({source}); restore by hand, then remove it")]
    Record {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// The record was written by another version of xvs.
    #[error(
        "{path} is a record of version {found} and this xvs knows {known}; run `down` with the xvs \
         that wrote it"
    )]
    RecordVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version this program writes.
        known: u32,
    },
    /// A setting could not be read or written.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The operating system refused.
    #[error("cannot {action}: {source}")]
    System {
        /// What was attempted.
        action: String,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no such link.
    #[error("there is no link `{link}`; `ip link` shows those there are")]
    UnknownLink {
        /// What was given.
        link: String,
    },
    /// The work needs to know what shall be there, and nothing is recorded.
    #[error("nothing is set up here; say what to look for by `--vip` and `--method`")]
    NothingRecorded,
}

/// What the BPF subsystem refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BpfError {
    /// An attachment.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The object as a whole.
    #[error("{0}")]
    Load(#[source] Box<EbpfError>),
    /// A map.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The object lacks something that this program expects in it.
    #[error("the object has no `{name}`")]
    Missing {
        /// The program or map.
        name: &'static str,
    },
    /// A pin.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A program.
    #[error("{0}")]
    Program(#[source] Box<ProgramError>),
    /// A clsact qdisc or filter.
    #[error(transparent)]
    Filter(#[from] TcError),
}

impl From<EbpfError> for BpfError {
    fn from(error: EbpfError) -> Self {
        Self::Load(Box::new(error))
    }
}

impl From<ProgramError> for BpfError {
    fn from(error: ProgramError) -> Self {
        Self::Program(Box::new(error))
    }
}

impl SetupError {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File {
            action,
            path: path.into(),
            source,
        }
    }

    pub(crate) fn system(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System {
            action: action.into(),
            source: source.into(),
        }
    }

    pub(crate) fn bpf(action: impl Into<String>, source: impl Into<BpfError>) -> Self {
        Self::Bpf {
            action: action.into(),
            source: Box::new(source.into()),
        }
    }
}
