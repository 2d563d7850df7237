//! Work inside a network namespace, on a thread of its own.

use std::{io, os::fd::AsRawFd, thread};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use xvs_net::enter_netns;

use crate::SetupError;

/// Runs `work` in the network namespace `name`, or in the caller's.
///
/// The work has a thread of its own, which alone moves, so the caller stays where it is.
pub(crate) fn within<T: Send>(
    name: Option<&str>,
    work: impl FnOnce() -> Result<T, SetupError> + Send,
) -> Result<T, SetupError> {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            if let Some(name) = name {
                enter_netns(name)?;
            }
            work()
        });
        match worker.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The kernel's identity of the calling thread's network namespace, unique for this boot.
///
/// # Minimum kernel version
///
/// Linux 5.14.
pub(crate) fn cookie() -> Result<u64, SetupError> {
    let failed = |source| SetupError::system("read the network namespace's cookie", source);
    let socket = socket(
        AddressFamily::Unix,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(|errno| failed(errno.into()))?;
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>())
        .map_err(|_too_long| failed(io::ErrorKind::InvalidInput.into()))?;
    // SAFETY: the socket is open, and the kernel writes at most `length` bytes into `cookie`.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if answer == 0 {
        Ok(cookie)
    } else {
        Err(failed(io::Error::last_os_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_one_cookie() {
        let here = cookie().unwrap();
        assert_ne!(here, 0);
        assert_eq!(within(None, cookie).unwrap(), here);
    }

    #[test]
    fn an_unknown_namespace_is_named() {
        let error = within(Some("xvs-no-such-namespace"), cookie).unwrap_err();
        assert!(error.to_string().contains("xvs-no-such-namespace"));
    }
}
