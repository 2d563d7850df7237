//! What the daemon may still do once it runs.
//!
//! Opening the dataplane needs much (mounting its bpffs, entering a namespace, making the socket's
//! group); running needs little. What is kept, and why:
//!
//! | Capability | For |
//! | --- | --- |
//! | `CAP_BPF` | creating maps and loading programs anew |
//! | `CAP_IPC_LOCK` | keeping the memory of VRRP from being paged out |
//! | `CAP_NET_ADMIN` | attaching to links; addresses, neighbours and sysctls of the network |
//! | `CAP_NET_RAW` | packet sockets: announcing addresses, probing neighbours |
//! | `CAP_PERFMON` | programs that read kernel memory by pointer, as every verifier-checked walk does |
//! | `CAP_SYS_NICE` | the real-time priority of the thread that advertises |
//!
//! Everything else goes, also from the bounding set, so that no program the daemon starts gets it
//! back; and `PR_SET_NO_NEW_PRIVS` closes set-user-id programs to it. Capabilities belong to
//! threads, so this runs before the daemon makes any.
//!
//! A daemon with a configuration runs the operator's programs, as whom the file says, and checks; it
//! keeps beside these:
//!
//! | Capability | For |
//! | --- | --- |
//! | `CAP_CHOWN` | FIFOs that belong to somebody |
//! | `CAP_DAC_OVERRIDE` | FIFOs, tracked files and included files of other users |
//! | `CAP_KILL` | ending programs of other users that take too long |
//! | `CAP_NET_BIND_SERVICE` | checks from ports below 1024 (`bind_port`) |
//! | `CAP_SETGID`, `CAP_SETUID` | running programs as their user |
//!
//! The bounding set stays then, and set-user-id programs work: a script that runs as root may do what
//! root may, as with keepalived. The daemon itself may not.

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;

/// What a running daemon keeps.
pub const KEPT: [Capability; 6] = [
    Capability::CAP_BPF,
    Capability::CAP_IPC_LOCK,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_NET_RAW,
    Capability::CAP_PERFMON,
    Capability::CAP_SYS_NICE,
];

/// What it keeps beside [`KEPT`] for the programs and checks of a configuration.
pub const KEPT_FOR_PROGRAMS: [Capability; 6] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_KILL,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
];

/// Privileges could not be given up.
#[derive(Debug, thiserror::Error)]
#[error("cannot give up privileges: {doing}: {reason}")]
pub struct PrivilegeError {
    doing: &'static str,
    reason: String,
}

/// Gives up every capability of this thread but [`KEPT`], for good. Threads made later inherit that.
///
/// # Errors
///
/// When the kernel refuses, which it does not do to root.
pub fn drop_privileges() -> Result<(), PrivilegeError> {
    // The bounding set first: changing it needs CAP_SETPCAP, which goes with the rest.
    let bounding = caps::read(None, CapSet::Bounding).map_err(failed("read the bounding set"))?;
    for capability in bounding {
        if !KEPT.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability)
                .map_err(failed("narrow the bounding set"))?;
        }
    }
    keep(KEPT.into_iter())?;
    prctl::set_no_new_privs().map_err(|error| PrivilegeError {
        doing: "set no_new_privs",
        reason: error.to_string(),
    })
}

/// Gives up every capability of this thread but [`KEPT`] and [`KEPT_FOR_PROGRAMS`]. Threads made later
/// inherit that; programs that run as root have all that root has.
///
/// # Errors
///
/// When the kernel refuses, which it does not do to root.
pub fn drop_own_privileges() -> Result<(), PrivilegeError> {
    keep(KEPT.into_iter().chain(KEPT_FOR_PROGRAMS))
}

/// Leaves this thread what of `capabilities` it has.
fn keep(capabilities: impl Iterator<Item = Capability>) -> Result<(), PrivilegeError> {
    let held = caps::read(None, CapSet::Permitted).map_err(failed("read what is permitted"))?;
    let kept: CapsHashSet = capabilities.filter(|one| held.contains(one)).collect();
    caps::clear(None, CapSet::Ambient).map_err(failed("clear the ambient set"))?;
    caps::clear(None, CapSet::Inheritable).map_err(failed("clear the inheritable set"))?;
    caps::set(None, CapSet::Effective, &kept).map_err(failed("narrow the effective set"))?;
    caps::set(None, CapSet::Permitted, &kept).map_err(failed("narrow the permitted set"))
}

fn failed(doing: &'static str) -> impl FnOnce(caps::errors::CapsError) -> PrivilegeError {
    move |error| PrivilegeError {
        doing,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_only_what_is_kept_remains_on_a_thread() {
        if !nix::unistd::Uid::effective().is_root() {
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "CI runs as root"
            );
            eprintln!("skipped: needs root to have capabilities to give up");
            return;
        }
        std::thread::spawn(|| {
            drop_privileges().unwrap();
            let kept: CapsHashSet = KEPT.into_iter().collect();
            for set in [CapSet::Permitted, CapSet::Effective, CapSet::Bounding] {
                assert_eq!(caps::read(None, set).unwrap(), kept, "{set:?}");
            }
            assert!(prctl::get_no_new_privs().unwrap());
            // A thread of this thread has no more.
            let inherited = std::thread::spawn(|| caps::read(None, CapSet::Permitted).unwrap());
            assert_eq!(inherited.join().unwrap(), kept);
        })
        .join()
        .unwrap();
    }
}
