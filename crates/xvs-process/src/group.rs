//! A process group that does not outlive its owner's interest in it.

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// A program and all that it started; killed when it is dropped before [`done`](Self::done).
#[derive(Debug)]
pub(crate) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    pub(crate) fn of(leader: Option<u32>) -> Self {
        Self(
            leader
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        )
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // The last of them may have ended meanwhile.
            let _gone = killpg(group, signal);
        }
    }

    /// The leader was waited for: its number may belong to others soon.
    pub(crate) fn done(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
