//! Values of the ABI as aya wants them.

use xvs_datapath::abi::{
    CallId, Early, Fragment, FragmentKey, HopKey, LinkMac, Locality, LocalityKey, OverflowKey,
    Rate, ServiceKey,
};

/// A value of the ABI as a key or value of a hash map.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Plain<T>(pub(super) T);

macro_rules! plain {
    ($($type:ty)+) => { $(
        // SAFETY: the ABI's types are `repr(C)`, have no padding, and any bytes are a value.
        unsafe impl aya::Pod for Plain<$type> {}
    )+ };
}

plain!(CallId Early Fragment FragmentKey HopKey LinkMac Locality LocalityKey OverflowKey Rate ServiceKey u32 xvs_datapath::abi::Entry4 xvs_datapath::abi::Entry6);
