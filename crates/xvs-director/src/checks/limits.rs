//! How many checks may run at once.
//!
//! A check holds a socket or a process. Too many at once would take the file descriptors that the rest
//! of the daemon needs, or fork the host to death; who is over the limit waits its turn, in order.

use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;
use xvs_conf::config::CheckKind;

/// Programs at once. A hanging one holds its place until its timeout.
const PROGRAMS: usize = 1024;
/// Descriptors that are left to the rest of the daemon.
const OTHERS: u64 = 512;
/// Sockets at once: more than 40,000 servers that all hang need.
const SOCKETS: u64 = 65_536;
/// With fewer descriptors than `OTHERS` some checks run all the same.
const LEAST: u64 = 64;

/// The turns of checks.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    programs: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
}

impl Limits {
    /// Raises the limit of open files as far as this process may, and shares it out.
    pub(crate) fn of_this_process() -> Self {
        let files = open_files();
        let sockets = files.saturating_sub(OTHERS).clamp(LEAST, SOCKETS);
        Self {
            programs: Arc::new(Semaphore::new(PROGRAMS)),
            sockets: Arc::new(Semaphore::new(
                usize::try_from(sockets).unwrap_or(Semaphore::MAX_PERMITS),
            )),
        }
    }

    /// A turn for a check of this kind; none while all are taken.
    pub(crate) fn now(&self, kind: &CheckKind) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.of(kind)).try_acquire_owned().ok()
    }

    /// Waits for a turn. None only after the semaphore was closed, which nobody does.
    pub(crate) async fn turn(&self, kind: &CheckKind) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.of(kind)).acquire_owned().await.ok()
    }

    fn of(&self, kind: &CheckKind) -> &Arc<Semaphore> {
        match kind {
            CheckKind::Misc(_) => &self.programs,
            _ => &self.sockets,
        }
    }
}

fn open_files() -> u64 {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => {
            warn!(%error, "the limit of open files is not known");
            return 0;
        }
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            warn!(%error, soft, "the limit of open files stays low, and few checks run at once");
            soft
        }
    }
}
