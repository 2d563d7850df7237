//! The states of a virtual router.

use std::fmt;

/// The state of a virtual router (RFC 5798 6.4), with keepalived's fault and stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Listens to a master, or for one.
    Backup,
    /// Cannot serve: an interface or tracker is down, or there is no address to send from.
    Fault,
    /// Waits for the first report of its interface and trackers.
    Init,
    /// Holds the addresses.
    Master,
    /// Stopped for good.
    Stopped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Init => "INIT",
            Self::Master => "MASTER",
            Self::Stopped => "STOP",
        })
    }
}
