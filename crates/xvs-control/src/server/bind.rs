//! The socket file: who may connect at all.

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use nix::{
    sys::stat::{Mode, fchmod},
    unistd::{Group, chown},
};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::Access;

/// The group whose members may connect and write, beside root.
pub const WRITERS_GROUP: &str = "xvs";

/// Why the control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Something that is no socket lies at the path.
    #[error("`{path}` is in the way of the control socket and is no socket; move it away")]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {doing} the control socket `{path}`: {source}")]
    System {
        /// What was attempted.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Opens the control socket at `path`, in place of one that a dead daemon left, and says who may
/// write on it.
///
/// Its mode is 0660 and its group `group` (usually [`WRITERS_GROUP`]) when that exists, else 0600;
/// it has that mode from its first moment, and is never open to others. Call it only while holding
/// the lock of the instance, from within a tokio runtime.
///
/// # Errors
///
/// When something else lies at the path, or the system refuses (a path over 107 bytes, a folder that
/// does not exist, a file system without sockets).
pub fn bind(path: &Path, group: &str) -> Result<(UnixListener, Access), BindError> {
    let failed = |doing| {
        move |source: io::Error| BindError::System {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            fs::remove_file(path).map_err(failed("remove"))?;
        }
        Ok(_other) => {
            return Err(BindError::InTheWay {
                path: path.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("look for")(error)),
    }
    let group = writers(group, path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed("make"))?;
    // The mode of the socket's inode becomes that of the file, less the umask (unix_bind_bsd in
    // net/unix/af_unix.c, Linux 6.12), so there is no moment in which the file has a wider one.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|error| failed("restrict")(error.into()))?;
    socket
        .bind(&SockAddr::unix(path).map_err(failed("name"))?)
        .map_err(failed("bind"))?;
    if let Some(group) = &group {
        let gid = Some(group.gid);
        chown(path, None, gid).map_err(|error| failed("give the group of")(error.into()))?;
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o660))
            .map_err(failed("set the mode of"))?;
    }
    socket.listen(128).map_err(failed("listen on"))?;
    socket.set_nonblocking(true).map_err(failed("set up"))?;
    let listener = UnixListener::from_std(std::os::fd::OwnedFd::from(socket).into())
        .map_err(failed("register"))?;
    let access = Access {
        writers: group.map(|group| group.gid.as_raw()),
    };
    Ok((listener, access))
}

/// Takes over a control socket that a service manager opened at `path`, and says who may write on it:
/// root, and the members of `group` when that exists. Its mode is the manager's business. Call it
/// from within a tokio runtime.
///
/// # Errors
///
/// When the system refuses.
pub fn adopt(
    listener: std::os::unix::net::UnixListener,
    path: &Path,
    group: &str,
) -> Result<(UnixListener, Access), BindError> {
    let group = writers(group, path)?;
    let listener = UnixListener::from_std(listener).map_err(|source| BindError::System {
        doing: "register",
        path: path.to_owned(),
        source,
    })?;
    let access = Access {
        writers: group.map(|group| group.gid.as_raw()),
    };
    Ok((listener, access))
}

fn writers(group: &str, path: &Path) -> Result<Option<Group>, BindError> {
    Group::from_name(group).map_err(|error| BindError::System {
        doing: "look up the group of",
        path: path.to_owned(),
        source: error.into(),
    })
}
