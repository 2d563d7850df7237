//! Switching a link on or off.

use std::{io, os::fd::AsRawFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::SetupError;

/// Switches the link named `link` of the calling thread's network namespace on or off.
pub(crate) fn set_up(link: &str, up: bool) -> Result<(), SetupError> {
    let failed = |source: io::Error| {
        let verb = if up { "on" } else { "off" };
        SetupError::system(format!("switch {link} {verb}"), source)
    };
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(|errno| failed(errno.into()))?;
    // SAFETY: plain numbers, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // the last byte stays zero: the kernel wants the name ended
    let (_end, room) = request
        .ifr_name
        .split_last_mut()
        .ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    if link.len() > room.len() {
        return Err(SetupError::UnknownLink {
            link: link.to_owned(),
        });
    }
    for (slot, byte) in room.iter_mut().zip(link.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    // SAFETY: the socket is open and the request is complete; the kernel fills in the flags.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) } < 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    // SAFETY: the kernel has just written this member of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    let on = libc::c_short::try_from(libc::IFF_UP)
        .map_err(|_too_large| failed(io::ErrorKind::InvalidInput.into()))?;
    request.ifr_ifru.ifru_flags = if up { flags | on } else { flags & !on };
    // SAFETY: as above; the kernel reads the flags.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } < 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    Ok(())
}
