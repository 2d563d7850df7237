//! What tests need of the dataplane: its maps and programs in this process
//! ([`Bpf::in_process`](crate::Bpf::in_process)), and the programs run on a frame of the test's
//! ([`Bpf::run`](crate::Bpf::run)), here or in the kernel by `BPF_PROG_TEST_RUN`.

use std::sync::{Arc, atomic::AtomicU32};

/// What a hook's programs do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is dropped.
    Drop,
    /// It goes on to the kernel.
    Pass,
    /// It leaves: by which link its source address says. A frame that is still addressed to the
    /// director leaves when the kernel has resolved its neighbour.
    Send,
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What is done with it.
    pub action: Action,
    /// Its bytes after the programs.
    pub frame: Vec<u8>,
    /// Frames that left before it. The kernel's are on their links alone.
    pub copies: Vec<Vec<u8>>,
}

/// A clock that the test sets, in jiffies.
#[derive(Clone, Debug)]
pub struct Clock(pub(crate) Arc<AtomicU32>);
