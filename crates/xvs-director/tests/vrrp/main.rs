//! Virtual routers on a wire, beside Debian's keepalived and beside what it was recorded to send.
//!
//! Everything runs in network namespaces of its own: two hosts `a` (10.99.0.1) and `b` (10.99.0.2) on a
//! bridge. They need root, and keepalived where it is the peer.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

mod hostile;
mod interop;
mod load;
mod options;
mod restart;
mod rig;
mod wire;
