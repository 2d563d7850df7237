//! xvs and Debian's keepalived side by side, with the same checks of the same real servers at the same time.
//!
//! ```text
//!   place of keepalived  10.8.1.1 ----+
//!                                     +---- place of the real servers, 10.9.0.0/16 on its loopback
//!   place of xvs         10.8.2.1 ----+
//! ```
//!
//! There need be no IPVS in the kernel: `ipvs.c` answers keepalived in its stead. A sample runs every day;
//! `XVS_BESIDE=all` (`make beside-keepalived`, a release build) takes all rounds and all checks. What
//! comes out is printed; what is asserted leaves room for a busy machine.

mod cost;
mod removal;
mod rig;
mod servers;

use std::{env, fs};

use crate::support;

/// Whether all is wanted, and not a sample.
fn all() -> bool {
    env::var("XVS_BESIDE").is_ok_and(|what| what == "all")
}

/// How busy the machine is: the load averages.
fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Whether both programs and a compiler for what stands between are there.
fn can_run() -> bool {
    support::can_run() && support::has("keepalived") && support::has("cc")
}
