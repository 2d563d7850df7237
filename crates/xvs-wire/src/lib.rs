//! The bytes of the wire: headers that a director reads or writes, and their checksums.
//!
//! It builds for BPF too, so it knows neither `alloc` nor `std`.

#![no_std]
