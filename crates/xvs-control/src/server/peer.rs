//! Who is at the other end of the socket, and whether they may write.

use std::{io, os::fd::AsRawFd};

use tokio::net::UnixStream;

use super::tcp::Remote;

/// Who may write: root, and this group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The group id whose members may write; none when only root may.
    pub writers: Option<u32>,
}

/// Whose connection it is.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// A process of this host.
    Local(Peer),
    /// Somebody on TCP, judged request by request.
    Remote(Remote),
}

/// The process that opened a connection, as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user id.
    pub uid: u32,
    /// Whether it may change anything.
    pub may_write: bool,
}

impl Peer {
    /// Reads the credentials of the peer of `stream` and judges them by `access`.
    ///
    /// # Errors
    ///
    /// When the kernel does not say who the peer is.
    pub(super) fn of(stream: &UnixStream, access: &Access) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let groups = match access.writers {
            Some(_) => supplementary_groups(stream)?,
            None => Vec::new(),
        };
        Ok(Self {
            uid: credentials.uid(),
            may_write: access.allows(credentials.uid(), credentials.gid(), &groups),
        })
    }
}

impl Access {
    fn allows(&self, uid: u32, gid: u32, groups: &[u32]) -> bool {
        uid == 0
            || self
                .writers
                .is_some_and(|writers| gid == writers || groups.contains(&writers))
    }
}

/// The supplementary groups of the peer, by `SO_PEERGROUPS`.
///
/// # Minimum kernel version
///
/// Linux 4.13.
fn supplementary_groups(stream: &UnixStream) -> io::Result<Vec<u32>> {
    // NGROUPS_MAX of Linux is 65536, but the usual process has a handful: grow on ERANGE.
    let mut groups = vec![0_u32; 32];
    loop {
        let room = groups.len().saturating_mul(size_of::<libc::gid_t>());
        let mut length =
            libc::socklen_t::try_from(room).map_err(|_huge| io::ErrorKind::InvalidData)?;
        // SAFETY: the descriptor is open as long as `stream` is borrowed; the buffer has `length`
        // bytes, and the kernel writes at most that many and the length.
        let answer = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let bytes = usize::try_from(length).map_err(|_huge| io::ErrorKind::InvalidData)?;
        let count = bytes / size_of::<libc::gid_t>();
        if answer == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::ERANGE) && count > groups.len() {
            groups.resize(count, 0);
            continue;
        }
        return Err(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_group_may_write_and_nobody_else() {
        let access = Access { writers: Some(990) };
        assert!(access.allows(0, 0, &[]));
        assert!(access.allows(1000, 990, &[]));
        assert!(access.allows(1000, 1000, &[4, 990]));
        assert!(!access.allows(1000, 1000, &[4, 24]));
        let root_only = Access { writers: None };
        assert!(root_only.allows(0, 0, &[]));
        assert!(!root_only.allows(1000, 0, &[0]));
    }

    #[tokio::test]
    async fn the_groups_of_a_peer_are_those_of_this_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let mut found = supplementary_groups(&one).unwrap();
        let mut own: Vec<u32> = nix::unistd::getgroups()
            .unwrap()
            .into_iter()
            .map(nix::unistd::Gid::as_raw)
            .collect();
        found.sort_unstable();
        own.sort_unstable();
        assert_eq!(found, own);
    }
}
