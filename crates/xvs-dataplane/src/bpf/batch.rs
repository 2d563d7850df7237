//! Whole hash maps of the kernel, read some thousand pairs a call: asked for one key after the other, a
//! million pairs take a second.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, OwnedFd},
};

use super::plain::Plain;

/// Kernel `BPF_MAP_LOOKUP_BATCH`.
const LOOKUP_BATCH: libc::c_int = 24;
/// Pairs a call. A bucket with more is asked for again with more room.
const PAIRS: usize = 4096;

/// Attributes of the command (kernel `union bpf_attr`, `batch`).
#[repr(C)]
struct Attributes {
    from: u64,
    to: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// All pairs of the map behind `map`, whose keys and values are of these types. What comes and goes
/// meanwhile may be among them or not.
///
/// # Errors
///
/// What the kernel says; pairs read before are lost.
///
/// # Minimum kernel version
///
/// 5.6.
pub(super) fn pairs<K, V>(map: &OwnedFd) -> io::Result<Vec<(K, V)>>
where
    K: Copy,
    V: Copy,
    Plain<K>: aya::Pod,
    Plain<V>: aya::Pod,
{
    let mut all = Vec::new();
    let mut room = PAIRS;
    // The bucket to go on at; the kernel takes none as the first.
    let mut bucket: Option<u32> = None;
    let mut keys: Vec<MaybeUninit<K>> = Vec::new();
    let mut values: Vec<MaybeUninit<V>> = Vec::new();
    loop {
        keys.resize(room, MaybeUninit::uninit());
        values.resize(room, MaybeUninit::uninit());
        let from = bucket.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let mut next = 0_u32;
        let mut attributes = Attributes {
            from: wide(from.expose_provenance())?,
            to: wide((&raw mut next).expose_provenance())?,
            keys: wide(keys.as_mut_ptr().expose_provenance())?,
            values: wide(values.as_mut_ptr().expose_provenance())?,
            count: u32::try_from(room).map_err(io::Error::other)?,
            map: u32::try_from(map.as_raw_fd()).map_err(io::Error::other)?,
            element_flags: 0,
            flags: 0,
        };
        // SAFETY: the attributes are the command's; what they point at lives as long as the call and has
        // room for as many keys and values as they say.
        let done = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                LOOKUP_BATCH,
                &raw mut attributes,
                size_of::<Attributes>(),
            )
        };
        let error = (done != 0).then(io::Error::last_os_error);
        match error.as_ref().and_then(io::Error::raw_os_error) {
            Some(libc::ENOSPC) => {
                room *= 2;
                continue;
            }
            Some(libc::EINTR) => continue,
            Some(libc::ENOENT) | None => {}
            Some(_) => return error.map_or_else(|| Ok(all), Err),
        }
        let count = usize::try_from(attributes.count).map_err(io::Error::other)?;
        for (key, value) in keys.iter().zip(&values).take(count) {
            // SAFETY: the kernel has written so many, and any bytes are a value of either type.
            all.push(unsafe { (key.assume_init(), value.assume_init()) });
        }
        if error.is_some() {
            return Ok(all);
        }
        bucket = Some(next);
    }
}

fn wide(address: usize) -> io::Result<u64> {
    u64::try_from(address).map_err(io::Error::other)
}
