//! Programs at a link's ingress where the kernel has no tcx: filters of a clsact qdisc.
//!
//! A filter lives until it is removed. The qdisc itself stays: others may have hung filters on it
//! since, and without filters it does nothing.

use std::io;

use aya::{
    programs::{
        ProgramError, SchedClassifier, TcAttachType,
        tc::{TcError, qdisc_add_clsact, qdisc_detach_program},
    },
    util::KernelVersion,
};

use crate::SetupError;

/// Whether programs can be attached by tcx, which came with Linux 6.6.
pub(crate) fn kernel_has_tcx() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 6, 0))
}

/// Makes `classifier` a filter named `name` on a link, in place of any of that name.
pub(crate) fn attach(
    classifier: &mut SchedClassifier,
    name: &str,
    link: &str,
) -> Result<(), SetupError> {
    match qdisc_add_clsact(link) {
        Err(error) if errno(&error) != Some(libc::EEXIST) => {
            let action = format!("add a clsact qdisc to {link}");
            return Err(SetupError::bpf(action, error));
        }
        _ => {}
    }
    // what a command left that died half way
    detach(name, link)?;
    let failed = |error: ProgramError| {
        SetupError::bpf(format!("attach the filter `{name}` to {link}"), error)
    };
    let id = classifier
        .attach(link, TcAttachType::Ingress)
        .map_err(failed)?;
    // dropped, it would take the filter with it; it holds nothing else
    std::mem::forget(classifier.take_link(id).map_err(failed)?);
    Ok(())
}

/// Removes the filters named `name` from a link, if there are any.
pub(crate) fn detach(name: &str, link: &str) -> Result<(), SetupError> {
    match qdisc_detach_program(link, TcAttachType::Ingress, name) {
        Err(error) if errno(&error) != Some(libc::ENOENT) => Err(SetupError::bpf(
            format!("remove the filter `{name}` from {link}"),
            error,
        )),
        _ => Ok(()),
    }
}

/// What a refusal means, whichever way the error came.
fn errno(error: &TcError) -> Option<i32> {
    match error {
        TcError::AlreadyAttached => Some(libc::EEXIST),
        TcError::IoError(error) if error.kind() == io::ErrorKind::NotFound => Some(libc::ENOENT),
        TcError::IoError(error) => error.raw_os_error(),
        TcError::NetlinkError(error) => error.raw_os_error(),
        _ => None,
    }
}
