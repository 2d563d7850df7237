//! What lblc and lblcr remember of a destination.

use super::{Address, NONE};

/// Servers that a destination can have with lblcr.
pub const PLACES: u32 = 12;

/// Key of a [`Locality`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LocalityKey {
    /// The destination.
    pub address: Address,
    /// Index of the virtual server.
    pub virtual_server: u32,
}

const _: () = assert!(size_of::<LocalityKey>() == 20);

/// The servers of a destination.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Locality {
    /// Jiffies when it was last used.
    pub stamp: u32,
    /// Jiffies when the set last changed.
    pub changed: u32,
    /// Not 0 while a CPU changes the set.
    pub lock: u32,
    /// Zero.
    pub spare: u32,
    /// Indexes of its real servers, the one that came last first, then [`NONE`]; lblc uses the first.
    pub servers: [u32; 12],
}

impl Locality {
    /// An empty set.
    pub const NOBODY: [u32; 12] = [NONE; 12];
}

const _: () = assert!(size_of::<Locality>() == 64);
