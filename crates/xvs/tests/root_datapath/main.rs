//! The daemon with the kernel's datapath, between a client and real servers in network namespaces.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

mod admission;
mod attach;
mod bad_input;
mod clients;
mod drops;
mod firewall;
mod ftp;
mod full_nat;
mod local;
mod marks;
mod methods;
mod mtu;
mod net;
mod published;
mod servers;
mod untouched;
