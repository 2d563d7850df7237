//! The table of floors.
//!
//! A new crate needs a row here and one in ARCHITECTURE.md.

/// One crate of the project and what it may import of the project.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// 0 formats, 1 logic, 2 input and output, 3 programs.
    pub(super) floor: u8,
    /// What it imports on its own floor.
    pub(super) beside: &'static [&'static str],
    /// If set, all that it may import, whatever the floors say.
    pub(super) only: Option<&'static [&'static str]>,
}

/// A crate of others that only some of ours may name.
pub(super) struct Restricted {
    pub(super) name: &'static str,
    pub(super) to: Allowed,
}

/// Who may name a restricted crate.
pub(super) enum Allowed {
    /// Crates on this floor or above.
    FromFloor(u8),
    /// These crates.
    To(&'static [&'static str]),
}

pub(super) const ROWS: &[Row] = &[
    row("xvs-objects", 0),
    row("xvs-types", 0),
    row("xvs-wire", 0),
    row("xvs-bfd", 1),
    row("xvs-check", 1),
    row("xvs-conf", 1),
    limited("xvs-datapath", 1, &["xvs-wire"]),
    row("xvs-ipvsadm", 1),
    row("xvs-vrrp", 1),
    row("xvs-control", 2),
    row("xvs-dataplane", 2),
    row("xvs-net", 2),
    beside("xvs-notify", 2, &["xvs-process"]),
    beside("xvs-probe", 2, &["xvs-process"]),
    row("xvs-process", 2),
    row("xvs-slow", 2),
    limited("xvs-ebpf", 2, &["xvs-datapath", "xvs-wire"]),
    row("xvs-bench", 3),
    row("xvs-conformance", 3),
    row("xvs-director", 3),
    row("xvs-host", 3),
    row("xvs-lab", 3),
    Row {
        name: "xvs",
        floor: 3,
        beside: &["xvs-director", "xvs-host", "xvs-lab"],
        only: None,
    },
    row("xtask", 3),
];

pub(super) const RESTRICTED: &[Restricted] = &[
    Restricted {
        name: "aya",
        to: Allowed::To(&["xtask", "xvs-bench", "xvs-dataplane", "xvs-host"]),
    },
    Restricted {
        name: "aya-ebpf",
        to: Allowed::To(&["xvs-ebpf"]),
    },
    // floors 0 and 1 own no socket, file, clock or runtime
    Restricted {
        name: "axum",
        to: Allowed::FromFloor(2),
    },
    Restricted {
        name: "hyper",
        to: Allowed::FromFloor(2),
    },
    Restricted {
        name: "libc",
        to: Allowed::FromFloor(2),
    },
    Restricted {
        name: "netlink-sys",
        to: Allowed::FromFloor(2),
    },
    Restricted {
        name: "nix",
        to: Allowed::FromFloor(2),
    },
    Restricted {
        name: "rtnetlink",
        to: Allowed::FromFloor(2),
    },
    Restricted {
        name: "socket2",
        to: Allowed::FromFloor(2),
    },
    Restricted {
        name: "tokio",
        to: Allowed::FromFloor(2),
    },
    Restricted {
        name: "tracing",
        to: Allowed::FromFloor(2),
    },
];

const fn row(name: &'static str, floor: u8) -> Row {
    Row {
        name,
        floor,
        beside: &[],
        only: None,
    }
}

const fn beside(name: &'static str, floor: u8, beside: &'static [&'static str]) -> Row {
    Row {
        name,
        floor,
        beside,
        only: None,
    }
}

const fn limited(name: &'static str, floor: u8, only: &'static [&'static str]) -> Row {
    Row {
        name,
        floor,
        beside: &[],
        only: Some(only),
    }
}
