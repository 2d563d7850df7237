//! The texts of `-h` and `-v`, as ipvsadm 1.31 prints them.

/// The one line of `-v`.
pub(crate) const VERSION: &str = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n";

const USAGE: &str = include_str!("help.txt");

/// What `-h` prints after the version, for a program of this name.
pub(crate) fn usage(program: &str) -> String {
    USAGE.replace("{program}", program)
}
