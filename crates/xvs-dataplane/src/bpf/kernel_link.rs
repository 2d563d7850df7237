//! Links of the kernel, let go of at once.
//!
//! A link whose last pin and descriptor are gone detaches its program by itself, but some time later:
//! until then its place is taken, and programs run on a device that should be free of them.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

/// `BPF_OBJ_GET` of `enum bpf_cmd`.
const OBJ_GET: libc::c_int = 7;
/// `BPF_LINK_DETACH`, from Linux 5.9 on, for tcx links as long as there are any.
const LINK_DETACH: libc::c_int = 34;

/// The part of `union bpf_attr` that `BPF_OBJ_GET` reads.
#[repr(C)]
struct ObjectGet {
    path: u64,
    descriptor: u32,
    flags: u32,
}

/// The part of `union bpf_attr` that `BPF_LINK_DETACH` reads.
#[repr(C)]
struct LinkDetach {
    descriptor: u32,
}

/// Detaches the program of the link that is pinned at `path`. The pin stays. A link whose interface
/// is gone is detached already.
pub(super) fn detach(path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|_nul| io::Error::new(io::ErrorKind::InvalidInput, "a path with a zero byte"))?;
    let mut get = ObjectGet {
        path: u64::try_from(name.as_ptr().addr()).map_err(io::Error::other)?,
        descriptor: 0,
        flags: 0,
    };
    // SAFETY: the attributes are those of the command, and the name lives as long as the call.
    let descriptor = unsafe { call(OBJ_GET, &mut get) }?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else owns it.
    let link = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let mut detach = LinkDetach {
        descriptor: u32::try_from(link.as_raw_fd()).map_err(io::Error::other)?,
    };
    // SAFETY: the attributes are those of the command.
    match unsafe { call(LINK_DETACH, &mut detach) } {
        // The interface went, and the link with it.
        Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => Ok(()),
        result => result.map(|_zero| ()),
    }
}

/// # Safety
/// `attributes` must be those of `command`, and what they point at valid.
unsafe fn call<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_int> {
    // SAFETY: the caller vouches for the attributes; the kernel is told their size.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    libc::c_int::try_from(answer).map_err(io::Error::other)
}
