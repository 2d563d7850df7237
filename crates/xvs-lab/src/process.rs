//! Processes that outlive the call that started them: how they are named so that no other process
//! is ever taken for them, waited for and ended.

use std::{
    fs, io,
    os::fd::{AsFd, FromRawFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
};
use serde::{Deserialize, Serialize};

/// A process by its id and its start, which together are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start: u64,
}

impl ProcessId {
    /// The process that has `pid` now; none if there is none, or only its exit status is left.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, start) = state_and_start(&stat)?;
        (state != 'Z').then_some(Self { pid, start })
    }

    /// This process.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted.
    pub fn own() -> io::Result<Self> {
        i32::try_from(std::process::id())
            .ok()
            .and_then(Self::of)
            .ok_or_else(|| io::Error::other("/proc does not show this process"))
    }

    /// Whether it is still there.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Ends it: `first`, then SIGKILL if it is still there after `patience`. Whoever has its id by
    /// then is left alone.
    ///
    /// # Errors
    ///
    /// The kernel refuses to signal it.
    pub fn end(self, first: Signal, patience: Duration) -> io::Result<()> {
        // The descriptor is taken before the start is compared: from then on it means one process.
        let Some(handle) = open(self.pid)? else {
            return Ok(());
        };
        if !self.is_alive() {
            return Ok(());
        }
        send(&handle, first)?;
        if !wait(&handle, patience)? {
            send(&handle, Signal::SIGKILL)?;
            wait(&handle, Duration::from_secs(5))?;
        }
        Ok(())
    }
}

/// Waits until the process `pid`, a child not yet reaped, ends; false when it did not in time.
pub(crate) fn wait_for_child(pid: u32, patience: Duration) -> io::Result<bool> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    match open(pid)? {
        Some(handle) => wait(&handle, patience),
        None => Ok(true),
    }
}

fn state_and_start(stat: &str) -> Option<(char, u64)> {
    // The name, field 2, may hold spaces and brackets: fields are counted from its last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn open(pid: i32) -> io::Result<Option<OwnedFd>> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match Errno::result(answer) {
        Ok(descriptor) => {
            let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
            // SAFETY: the kernel has just given us this descriptor, and nobody else owns it.
            Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) }))
        }
        Err(Errno::ESRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn send(handle: &OwnedFd, signal: Signal) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open while it is borrowed; no siginfo is given, so nothing is read.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            handle.as_raw_fd(),
            signal as libc::c_int,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    match Errno::result(answer) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn wait(handle: &OwnedFd, patience: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut polled = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_move_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 1234 0 0";
        assert_eq!(state_and_start(stat), Some(('S', 1_234)));
    }

    #[test]
    fn a_process_is_ended_by_its_id_and_start() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(process.is_alive());
        process
            .end(Signal::SIGTERM, Duration::from_secs(5))
            .unwrap();
        assert!(!process.is_alive());
        child.wait().unwrap();
    }

    #[test]
    fn a_process_of_another_start_is_left_alone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap();
        let another = ProcessId {
            start: process.start + 1,
            ..process
        };
        another.end(Signal::SIGKILL, Duration::ZERO).unwrap();
        assert!(process.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_child_that_does_not_end_is_reported_after_the_patience() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!wait_for_child(child.id(), Duration::from_millis(20)).unwrap());
        child.kill().unwrap();
        assert!(wait_for_child(child.id(), Duration::from_secs(5)).unwrap());
        child.wait().unwrap();
    }
}
