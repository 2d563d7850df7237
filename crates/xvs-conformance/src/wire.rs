//! The far ends of a director's wires: raw sockets with no stack behind them.

use std::{
    ffi::CString,
    io, mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

/// The most bytes of a frame, tags included.
const LARGEST: usize = 70_000;

/// One far end.
#[derive(Debug)]
pub(crate) struct Wire(OwnedFd);

impl Wire {
    /// The far end by this link of the thread's namespace. It sees what comes in, not what it sends.
    pub(crate) fn open(link: &str) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the call takes numbers alone.
        let socket = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        check(socket)?;
        // SAFETY: the descriptor is new and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        for option in [libc::PACKET_AUXDATA, libc::PACKET_IGNORE_OUTGOING] {
            let on: libc::c_int = 1;
            // SAFETY: the option is an integer of this size.
            check(unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_PACKET,
                    option,
                    (&raw const on).cast(),
                    length_of::<libc::c_int>(),
                )
            })?;
        }
        // SAFETY: zeros are a value of the structure.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(0);
        address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or(0).to_be();
        address.sll_ifindex = index_of(link)?;
        // SAFETY: the address is one of packet sockets, of this length.
        check(unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                length_of::<libc::sockaddr_ll>(),
            )
        })?;
        Ok(Self(socket))
    }

    /// Sends a frame to the director.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        let length = frame.len();
        // SAFETY: the bytes are readable.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), length, 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// The next frame that the director sent; none where there is none yet.
    pub(crate) fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0_u8; LARGEST];
        let mut control = [0_u64; 16];
        let mut part = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        // SAFETY: zeros are a value of the structure.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: the message names memory that lives until the end of this function.
        let got = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, 0) };
        let Ok(got) = usize::try_from(got) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock => Ok(None),
                _ => Err(error),
            };
        };
        bytes.truncate(got);
        // SAFETY: the message was filled by the kernel just now.
        if let Some(tag) = unsafe { tag_of(&message) }
            && bytes.len() > 12
        {
            bytes.splice(12..12, tag);
        }
        Ok(Some(bytes))
    }
}

/// Turns a feature of a link of the thread's namespace on or off (`ETHTOOL_S*`).
pub(crate) fn set_feature(link: &str, command: u32, on: bool) -> io::Result<()> {
    /// `struct ifreq` with a pointer.
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        data: *mut [u32; 2],
        rest: [u64; 2],
    }
    let mut value = [command, u32::from(on)];
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        data: &raw mut value,
        rest: [0; 2],
    };
    for (place, byte) in request.name.iter_mut().zip(link.bytes()) {
        *place = byte;
    }
    // SAFETY: the call takes numbers alone.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    check(socket)?;
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let ethtool = libc::Ioctl::from(libc::SIOCETHTOOL);
    // SAFETY: the request has the layout of `struct ifreq` and names a value that lives.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), ethtool, &raw mut request) })
}

/// The tag that the kernel took out of a frame, as it stood there.
///
/// # Safety
/// `message` must have been filled by the kernel, and its memory be alive.
unsafe fn tag_of(message: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: the caller vouches for the message.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: the header is one of the message's.
        unsafe {
            if (*header).cmsg_level == libc::SOL_PACKET
                && (*header).cmsg_type == libc::PACKET_AUXDATA
            {
                let data: *const libc::tpacket_auxdata = libc::CMSG_DATA(header).cast();
                return tag_in(&data.read_unaligned());
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    None
}

fn tag_in(data: &libc::tpacket_auxdata) -> Option<[u8; 4]> {
    if data.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let kind = if data.tp_status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
        0x8100
    } else {
        data.tp_vlan_tpid
    };
    let ([a, b], [c, d]) = (kind.to_be_bytes(), data.tp_vlan_tci.to_be_bytes());
    Some([a, b, c, d])
}

fn index_of(link: &str) -> io::Result<i32> {
    let name = CString::new(link)?;
    // SAFETY: the name is a C string.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => i32::try_from(index).map_err(io::Error::other),
    }
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}
