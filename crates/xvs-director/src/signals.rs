//! The signals that the daemon answers.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::RunError;

/// What is caught from the moment on at which this is made; until then a signal does to the process what
/// it does to any.
pub(crate) struct Signals {
    /// SIGTERM: end in good order.
    pub(crate) terminate: Signal,
    /// SIGINT: the same.
    pub(crate) interrupt: Signal,
    /// SIGHUP: read the configuration again.
    pub(crate) hang_up: Signal,
    /// SIGUSR1: write the state.
    pub(crate) data: Signal,
    /// SIGUSR2: write what was counted.
    pub(crate) statistics: Signal,
    /// SIGRTMIN + 2: write the virtual routers as JSON.
    pub(crate) json: Signal,
}

impl Signals {
    /// Catches them all.
    pub(crate) fn catch() -> Result<Self, RunError> {
        let catch = |kind| {
            signal(kind).map_err(|source| RunError::System {
                doing: "catch signals",
                source,
            })
        };
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hang_up: catch(SignalKind::hangup())?,
            data: catch(SignalKind::user_defined1())?,
            statistics: catch(SignalKind::user_defined2())?,
            json: catch(SignalKind::from_raw(libc::SIGRTMIN() + 2))?,
        })
    }
}
