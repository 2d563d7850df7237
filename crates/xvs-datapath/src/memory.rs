//! Loads and stores at addresses, as BPF and the host each need them.
//!
//! Packet data stands at any address. BPF may load any width anywhere; natively unaligned accesses
//! are spelt out. Addresses are `usize`, because the verifier follows arithmetic on the packet
//! pointer best when nothing stands between it and the comparison with the end.

macro_rules! access {
    ($load:ident, $store:ident, $type:ty, $what:literal) => {
        #[doc = concat!("Loads ", $what, " as it lies in memory.")]
        ///
        /// # Safety
        /// The bytes at `address` must be readable.
        #[inline(always)]
        #[must_use]
        pub unsafe fn $load(address: usize) -> $type {
            let pointer = address as *const $type;
            if cfg!(target_arch = "bpf") {
                // SAFETY: the caller vouches for the bytes; BPF has no alignment.
                unsafe { *pointer }
            } else {
                // SAFETY: the caller vouches for the bytes.
                unsafe { pointer.read_unaligned() }
            }
        }

        #[doc = concat!("Stores ", $what, " as it shall lie in memory.")]
        ///
        /// # Safety
        /// The bytes at `address` must be writable.
        #[inline(always)]
        pub unsafe fn $store(address: usize, value: $type) {
            let pointer = address as *mut $type;
            if cfg!(target_arch = "bpf") {
                // SAFETY: the caller vouches for the bytes; BPF has no alignment.
                unsafe { *pointer = value }
            } else {
                // SAFETY: the caller vouches for the bytes.
                unsafe { pointer.write_unaligned(value) }
            }
        }
    };
}

access!(load8, store8, u8, "a byte");
access!(load16, store16, u16, "two bytes");
access!(load32, store32, u32, "four bytes");
access!(load64, store64, u64, "eight bytes");

/// Reads a word that other CPUs write.
///
/// # Safety
/// `pointer` must be readable and aligned.
#[inline(always)]
#[must_use]
pub unsafe fn read_shared(pointer: *const u64) -> u64 {
    if cfg!(target_arch = "bpf") {
        // SAFETY: the caller vouches for the pointer.
        unsafe { pointer.read_volatile() }
    } else {
        // SAFETY: the caller vouches for the pointer; AtomicU64 has the layout of u64.
        unsafe { &*pointer.cast::<core::sync::atomic::AtomicU64>() }
            .load(core::sync::atomic::Ordering::Acquire)
    }
}

/// A pointer that the compiler must not reason about.
///
/// After a null check it keeps LLVM from hoisting arithmetic above the check, which the verifier
/// refuses ("pointer arithmetic on map_value_or_null").
#[inline(always)]
#[must_use]
pub fn opaque<T>(pointer: *mut T) -> *mut T {
    #[cfg(target_arch = "bpf")]
    {
        let mut held = pointer;
        // SAFETY: the assembly moves a register to itself.
        unsafe { core::arch::asm!("{0} = {0}", inout(reg) held, options(nomem, nostack)) };
        held
    }
    #[cfg(not(target_arch = "bpf"))]
    pointer
}

/// A number that the compiler must not reason about: what is compared after it stays compared.
#[inline(always)]
#[must_use]
pub fn opaque_number(number: u32) -> u32 {
    #[cfg(target_arch = "bpf")]
    {
        let mut held = u64::from(number);
        // SAFETY: the assembly moves a register to itself.
        unsafe { core::arch::asm!("{0} = {0}", inout(reg) held, options(nomem, nostack)) };
        crate::abi::low32(held)
    }
    #[cfg(not(target_arch = "bpf"))]
    number
}
