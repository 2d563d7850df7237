//! What a command line means, once it was found to be right.

use std::time::Duration;

use xvs_types::{Op, VirtualServerId};

/// A command, ready to be executed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Changes rules.
    Apply(Op),
    Help,
    List(List),
    /// An add or edit that names a scheduler or persistence engine that does not exist. The kernel
    /// notices this only after it looked for the virtual server.
    NameUnknown {
        id: VirtualServerId,
        edit: bool,
    },
    Restore {
        /// All or nothing.
        atomic: bool,
    },
    Save {
        numeric: bool,
        /// With thresholds and unsigned marks.
        full: bool,
    },
    /// New timeouts; none keeps the one in force.
    SetTimeouts {
        tcp: Option<Duration>,
        tcp_fin: Option<Duration>,
        udp: Option<Duration>,
    },
    Version,
}

/// What is listed, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct List {
    pub(crate) what: Listed,
    pub(crate) style: Style,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Listed {
    All,
    Connections,
    Daemons,
    One(VirtualServerId),
    Timeouts,
}

/// How it is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Style {
    pub(crate) columns: Columns,
    /// No K, M, G.
    pub(crate) exact: bool,
    pub(crate) json: bool,
    /// In the order of the dataplane.
    pub(crate) nosort: bool,
    pub(crate) numeric: bool,
    /// Connections: with the persistence engine's data.
    pub(crate) persistent_connections: bool,
}

impl Style {
    /// Whether it shows totals or rates.
    pub(crate) fn needs_counters(self) -> bool {
        self.json || matches!(self.columns, Columns::Rate | Columns::Stats)
    }
}

/// The columns of the table of virtual servers. Of several that are asked for, the first of
/// ipvsadm's order counts: stats, rate, thresholds, persistent connections, tunnels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Columns {
    PersistentConnections,
    #[default]
    Plain,
    Rate,
    Stats,
    Thresholds,
    TunnelInfo,
}
