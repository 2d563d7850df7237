//! Real-time scheduling and locked memory for the thread that advertises.

use std::io;

use nix::sys::mman::{MlockAllFlags, mlockall};

/// How the threads of VRRP are scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Realtime {
    /// The real-time priority (round robin) of the thread that advertises, 1 to 99; default 50, as
    /// the kernel's interrupt threads. None runs it as every other.
    pub priority: Option<u8>,
    /// Whether memory is kept from being paged out; default true.
    pub lock_memory: bool,
}

impl Default for Realtime {
    fn default() -> Self {
        Self {
            priority: Some(50),
            lock_memory: true,
        }
    }
}

/// A thread could not be made real-time; it runs as every other.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}: {source}; adverts may be late on a busy host")]
pub struct RealtimeError {
    action: &'static str,
    source: io::Error,
}

impl Realtime {
    /// Applies to the calling thread, with a priority lower by `below`; memory is locked for the whole
    /// process, page by page as it is used. Answers what the system refused.
    pub(crate) fn apply(self, below: u8) -> Vec<RealtimeError> {
        let mut refused = Vec::new();
        if let Some(priority) = self.priority
            && let Err(source) = round_robin(priority.saturating_sub(below).max(1))
        {
            refused.push(RealtimeError {
                action: "schedule VRRP in real time (CAP_SYS_NICE)",
                source,
            });
        }
        if self.lock_memory {
            // On fault: a thread's stack of megabytes costs what of it is used.
            let flags = MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE;
            let flags = flags | MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
            if let Err(errno) = mlockall(flags) {
                refused.push(RealtimeError {
                    action: "lock memory (CAP_IPC_LOCK)",
                    source: errno.into(),
                });
            }
        }
        refused
    }
}

fn round_robin(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param {
        sched_priority: i32::from(priority),
    };
    // What this thread starts must not be real-time with it.
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the call reads the parameters, which live until it returns; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
