//! The same in a virtual machine whose clock counts instructions (`oracle/packets`), beside the kernel's
//! IPVS, which few hosts have as a module.

use std::{path::Path, process::Command};

use xvs_dataplane::Hook;

use super::{Contender, Kind, Spread, Taken};
use crate::{
    director::Method,
    row::{Gate, Row},
};

/// Set by `oracle/packets`.
const VARIABLE: &str = "XVS_BENCH_INSTRUCTIONS";

/// Whether a nanosecond is an instruction here.
pub(super) fn counts_instructions() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Whether this kernel has IPVS and there is a command for it.
pub(super) fn has_ipvs() -> bool {
    let listed = Command::new("ipvsadm").arg("-Ln").output();
    listed.is_ok_and(|output| output.status.success()) && Path::new("/proc/net/ip_vs").exists()
}

/// The gates on a row beside the kernel's IPVS of the same method.
pub(super) fn judge(row: Row, contender: Contender, all: &[Taken]) -> Row {
    let Kind::Xvs(hook, method) = contender.kind else {
        return row;
    };
    let median = |kind: Kind| {
        let taken = all.iter().find(|taken| taken.contender.kind == kind);
        taken.map(|taken| Spread::of(&taken.established).median)
    };
    let (Some(ipvs), Some(floor)) = (median(Kind::Ipvs(method)), median(Kind::Drop(Hook::Tcx)))
    else {
        return row;
    };
    let net = row.net.map_or(row.value.median, |net| net.median);
    let limit = match (hook, method) {
        (Hook::Tcx, Method::Nat) => 0.35,
        (_, Method::Nat) => 0.3,
        _ => 0.4,
    };
    row.beside("kernel IPVS, net", ipvs - floor)
        .gated(Gate::at_most(
            "net, of IPVS's,",
            net / (ipvs - floor),
            limit,
        ))
}
