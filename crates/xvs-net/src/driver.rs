//! The name of a link's driver, as `ethtool -i` prints it.
//!
//! The old ioctl is asked, since it answers for the calling thread's network namespace; /sys shows
//! the namespace in which it was mounted, and generic netlink has no such request.

use std::{
    ffi::CStr,
    io, mem,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// `ETHTOOL_GDRVINFO` of `linux/ethtool.h`.
const GET_DRIVER_INFO: u32 = 0x3;

/// `struct ethtool_drvinfo` of `linux/ethtool.h`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    /// Version, firmware, bus, option ROM, reserved and five counts: not looked at.
    rest: [u8; 160],
}

const _: () = assert!(size_of::<DriverInfo>() == 196);

/// The driver of a link could not be asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the driver of link `{link}`: {source}")]
pub struct DriverError {
    /// The link's name.
    pub link: String,
    /// The system's reason.
    pub source: io::Error,
}

/// The name of the driver of the link `link` in the calling thread's network namespace; none when
/// the link has none, as `lo`.
///
/// # Errors
///
/// There is no such link.
pub fn driver(link: &str) -> Result<Option<String>, DriverError> {
    match ask(link) {
        Ok(name) => Ok(name),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(None),
        Err(source) => Err(DriverError {
            link: link.to_owned(),
            source,
        }),
    }
}

fn ask(link: &str) -> io::Result<Option<String>> {
    let socket: OwnedFd = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let mut info = DriverInfo {
        command: GET_DRIVER_INFO,
        driver: [0; 32],
        rest: [0; 160],
    };
    // SAFETY: all bytes zero is a valid `ifreq`, a C structure of bytes, integers and a pointer.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if link.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(link.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    // SAFETY: the descriptor is open. The kernel reads `request`, of which the name ends with a zero
    // (it is shorter than its field), and writes at most the 196 bytes of `info`, to which
    // `ifru_data` points; both outlive the call and nothing else refers to them meanwhile.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let name = CStr::from_bytes_until_nul(&info.driver)
        .ok()
        .map(|name| name.to_string_lossy().into_owned());
    Ok(name.filter(|name| !name.is_empty()))
}
