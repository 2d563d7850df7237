//! What outlives the daemon: rules, connections, forwarding, next hops; and what does not.
//!
//! Real hosts in network namespaces, the real datapath, the real binary. `XVS_SURVIVAL_ROUNDS` and
//! `XVS_SURVIVAL_SECONDS` make the runs longer, as `make soak` does.

#![expect(clippy::unwrap_used, reason = "a test fails where a value is missing")]
#![expect(
    clippy::print_stderr,
    reason = "the figures are for whoever reads the runner's output"
)]

mod adoption;
mod bed;
mod dead;
mod kills;
mod neighbours;
mod traffic;
