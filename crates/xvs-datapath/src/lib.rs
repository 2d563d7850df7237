//! The datapath: from a packet to a verdict.
//!
//! This crate owns the map layouts (the ABI), the flow table, the schedulers, the states, the
//! rewriting of packets and the order in which all this happens. It is written once, generic over
//! [`Packet`] and [`Env`], and compiled twice: to eBPF by `ebpf/`, and natively for tests,
//! simulation and fuzzing. It reads no clock and no configuration, never allocates and never panics.
//!
//! Start reading at [`fast`], then [`open`] and [`carry`].
#![cfg_attr(not(any(test, feature = "native")), no_std)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod abi;
mod admission;
pub mod answer;
pub mod brought;
pub mod carry;
pub mod cut;
mod env;
mod extent;
pub mod fast;
mod flow;
pub mod fragments;
pub mod ftp;
mod hash;
pub mod leave;
mod martian;
pub mod memory;
#[cfg(any(test, feature = "native"))]
pub mod native;
mod next_hop;
pub mod open;
mod packet;
mod parse;
mod path_mtu;
mod persistence;
mod port;
pub mod related;
pub mod relay;
mod reuse;
mod rewrite;
pub mod scheduler;
mod service;
pub mod sip;
pub mod state;
mod sum;
pub mod table;
mod text;
mod unusual;
mod verdict;

pub use env::{Env, Rounds, Visitor};
pub use flow::Flow;
pub use hash::{address_bit, bucket, own_bit};
pub use packet::{Fib, FibAnswer, Packet};
pub use verdict::Verdict;
