//! What the daemon's estimators remember from one sample to the next. It stands in a map, so that the
//! next daemon goes on where the last one was; the programs do not look at it.

/// Added to the slot of a virtual server: its key among those of real servers.
pub const RATE_OF_VIRTUAL: u32 = 1 << 31;

/// An estimator: connections, packets from and to clients, bytes from and to clients.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Counters at the last sample.
    pub last: [u64; 5],
    /// Rates in the kernel's fixed point.
    pub rates: [u64; 5],
    /// Jiffies of the last sample.
    pub stamp: u64,
}

const _: () = assert!(size_of::<Rate>() == 88);
