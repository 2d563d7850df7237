//! SIGINT and SIGTERM end a lab between two of its steps, so that it can undo what it made.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::LabError;

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on the two signals are remembered instead of ending the process.
pub(crate) fn catch() -> Result<(), LabError> {
    let action = SigAction::new(
        SigHandler::Handler(remember),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler does one atomic store, which a signal may interrupt anything with.
        unsafe { sigaction(signal, &action) }
            .map_err(LabError::system(format!("catch {signal}")))?;
    }
    Ok(())
}

/// Answers an error once one of the signals has come.
pub(crate) fn check() -> Result<(), LabError> {
    if ASKED.load(Ordering::Relaxed) {
        return Err(LabError::Interrupted);
    }
    Ok(())
}

extern "C" fn remember(_signal: libc::c_int) {
    ASKED.store(true, Ordering::Relaxed);
}
