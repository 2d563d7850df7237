//! Maps of the datapath in this process' memory.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

/// An array map, mapped: `len` values of `T` that the programs read and write at the same time.
///
/// Nothing hands out references: values are copied, or reached by pointer.
#[derive(Debug)]
pub(super) struct Mapped<T> {
    start: NonNull<T>,
    len: u32,
    owner: Owner,
}

/// Whose the memory is.
#[derive(Debug)]
enum Owner {
    /// A map of the kernel, mapped by this value.
    Kernel,
    /// Maps of this process, which live as long as this value.
    #[cfg(feature = "testing")]
    Process(
        #[expect(dead_code, reason = "it keeps the maps alive")]
        std::sync::Arc<xvs_datapath::native::Tables>,
    ),
}

// SAFETY: the memory belongs to the kernel's map and may be reached from any thread; all access goes
// through raw pointers and atomics.
unsafe impl<T> Send for Mapped<T> {}

impl<T> Mapped<T> {
    /// Maps `len` values of the map behind `fd`.
    pub(super) fn new(fd: impl AsFd, len: u32) -> io::Result<Self> {
        let bytes = Self::bytes(len)?;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_fd().as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("the kernel mapped at address 0"))?;
        Ok(Self {
            start,
            len,
            owner: Owner::Kernel,
        })
    }

    /// The array at `start`, which is one of `tables`.
    #[cfg(feature = "testing")]
    pub(super) fn of_process(
        tables: &std::sync::Arc<xvs_datapath::native::Tables>,
        array: &xvs_datapath::native::Array<T>,
    ) -> Self {
        Self {
            // An empty array has no first value; nothing is read of it.
            start: NonNull::new(array.pointer(0)).unwrap_or(NonNull::dangling()),
            len: u32::try_from(array.len()).unwrap_or(u32::MAX),
            owner: Owner::Process(std::sync::Arc::clone(tables)),
        }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The value at `index`; null beyond the end.
    pub(super) fn at(&self, index: u32) -> *mut T {
        #[cfg(test)]
        super::effort::note();
        match usize::try_from(index) {
            // SAFETY: the index is below the number of mapped values.
            Ok(offset) if index < self.len => unsafe { self.start.as_ptr().add(offset) },
            _ => std::ptr::null_mut(),
        }
    }

    /// A copy of the value at `index`.
    pub(super) fn read(&self, index: u32) -> Option<T>
    where
        T: Copy,
    {
        let value = self.at(index);
        // SAFETY: the value is mapped; a torn copy of plain data is still plain data.
        (!value.is_null()).then(|| unsafe { value.read_volatile() })
    }

    /// Writes the value at `index`.
    pub(super) fn write(&self, index: u32, new: T) {
        let value = self.at(index);
        if !value.is_null() {
            // SAFETY: the value is mapped and plain data.
            unsafe { value.write_volatile(new) };
        }
    }

    fn bytes(len: u32) -> io::Result<usize> {
        usize::try_from(len)
            .ok()
            .and_then(|len| len.checked_mul(size_of::<T>()))
            .ok_or_else(|| io::Error::other("the map is larger than the address space"))
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        if let (Owner::Kernel, Ok(bytes)) = (&self.owner, Self::bytes(self.len)) {
            // SAFETY: this mapping was made by `new` and nobody else has it.
            unsafe { libc::munmap(self.start.as_ptr().cast(), bytes) };
        }
    }
}

/// A word that the programs change too.
///
/// # Safety
/// `word` must be mapped and aligned for as long as the answer is used.
pub(super) unsafe fn atomic64<'a>(word: *mut u64) -> &'a AtomicU64 {
    // SAFETY: the caller vouches for the word.
    unsafe { AtomicU64::from_ptr(word) }
}

/// Half a word that the programs change too.
///
/// # Safety
/// As for [`atomic64`].
pub(super) unsafe fn atomic32<'a>(word: *mut u32) -> &'a AtomicU32 {
    // SAFETY: the caller vouches for the word.
    unsafe { AtomicU32::from_ptr(word) }
}

/// Reads half a word that the programs change too.
///
/// # Safety
/// As for [`atomic64`].
pub(super) unsafe fn load32(word: *mut u32) -> u32 {
    // SAFETY: the caller vouches for the word.
    unsafe { atomic32(word) }.load(Ordering::Acquire)
}

/// Waits until every CPU has left the programs that it was in.
pub(super) fn wait_for_programs() {
    // MEMBARRIER_CMD_GLOBAL: returns after every CPU has gone through a quiescent state.
    // SAFETY: the call takes numbers alone.
    let done = unsafe { libc::syscall(libc::SYS_membarrier, 1, 0, 0) };
    if done != 0 {
        // Refused, as under nohz_full. A program runs for microseconds with preemption off; it has
        // ended long before this sleep has.
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
