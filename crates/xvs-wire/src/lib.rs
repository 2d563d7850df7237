//! Bytes of the wire: layouts, field constants and checksums.
//!
//! This crate owns what stands at which offset and how Internet checksums are computed and updated.
//! It allocates nothing and decides nothing; it builds for the host and for BPF.
#![cfg_attr(not(test), no_std)]

pub mod arp;
pub mod bfd;
pub mod checksum;
pub mod crc32c;
pub mod ecn;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod ndisc;
pub mod sctp;
pub mod tcp;
pub mod toa;
pub mod udp;
pub mod vrrp;
