//! The datapath: from a packet to a verdict, generic over where it runs.
//!
//! The same source is compiled to eBPF and natively, and both builds give the same bytes. It knows
//! neither `alloc` nor `std`, does not panic and has no unbounded loop.

#![no_std]
