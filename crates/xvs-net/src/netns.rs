//! Network namespaces by the names that `ip netns` gives them.
//!
//! Entering moves the calling *thread*, and with it what it spawns later, into the namespace and
//! nothing else: no mount namespace is made and /sys is not mounted anew, so bpffs and cgroup2 stay
//! visible (`ip netns exec` hides both). A program therefore enters before it starts a runtime.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use nix::sched::{CloneFlags, setns};

/// Where `ip netns add` puts the names.
const FOLDER: &str = "/run/netns";

/// A network namespace cannot be entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetnsError {
    /// The text cannot be the name of a namespace.
    #[error("`{name}` cannot name a network namespace: a name is one file name under {FOLDER}")]
    Name {
        /// What was given.
        name: String,
    },
    /// There is no namespace of this name.
    #[error("there is no network namespace `{name}`; `ip netns list` shows those there are")]
    NotFound {
        /// What was given.
        name: String,
    },
    /// The file under that name is no network namespace: most often the rest of one that is gone.
    #[error("{FOLDER}/{name} is not a network namespace; remove it with `ip netns delete {name}`")]
    NotNamespace {
        /// What was given.
        name: String,
    },
    /// The system refused.
    #[error("cannot enter the network namespace `{name}`: {source}")]
    Refused {
        /// What was given.
        name: String,
        /// The system's reason; entering takes CAP_SYS_ADMIN.
        source: io::Error,
    },
}

/// Moves the calling thread into the network namespace `name`.
///
/// # Errors
///
/// There is no such namespace, or entering is not permitted; the thread stays where it was.
pub fn enter_netns(name: &str) -> Result<(), NetnsError> {
    let owned = || name.to_owned();
    let path = path(name).ok_or_else(|| NetnsError::Name { name: owned() })?;
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => NetnsError::NotFound { name: owned() },
        _ => NetnsError::Refused {
            name: owned(),
            source,
        },
    })?;
    setns(&file, CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
        nix::Error::EINVAL => NetnsError::NotNamespace { name: owned() },
        errno => NetnsError::Refused {
            name: owned(),
            source: errno.into(),
        },
    })
}

/// Whether there is a network namespace `name`; false for what cannot be a name.
#[must_use]
pub fn netns_exists(name: &str) -> bool {
    path(name).is_some_and(|path| path.exists())
}

/// The file of a namespace; none when the name would lead elsewhere.
fn path(name: &str) -> Option<PathBuf> {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    plain.then(|| Path::new(FOLDER).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        for name in ["", ".", "..", "a/b", "../../proc/1/ns/net", "a\0"] {
            assert!(matches!(enter_netns(name), Err(NetnsError::Name { .. })));
            assert!(!netns_exists(name));
        }
    }

    #[test]
    fn a_missing_namespace_is_named() {
        let name = "xvs-no-such-namespace";
        let error = enter_netns(name).unwrap_err();
        assert!(matches!(error, NetnsError::NotFound { .. }));
        assert!(error.to_string().contains(name));
        assert!(!netns_exists(name));
    }
}
