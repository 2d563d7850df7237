//! Real servers.

use serde::Serialize;
use xvs_types::{Endpoint, ForwardingMethod, Thresholds, Weight};

use super::{Checker, Script};

/// A `real_server`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RealServer {
    /// Its address and port, as the dataplane gets it: DR and TUN have the port of the virtual
    /// server, a firewall mark port 0.
    pub endpoint: Endpoint,
    /// The port as it is written; checks connect to it. 0 when none is written.
    pub written_port: u16,
    /// How packets reach it.
    pub method: ForwardingMethod,
    /// Its share while it is up.
    pub weight: Weight,
    /// How many connections it takes.
    pub thresholds: Thresholds,
    /// A failure sets weight 0 rather than take it out.
    pub inhibit_on_failure: bool,
    /// It starts outside of the pool.
    pub alpha: bool,
    /// Run when it comes up.
    pub notify_up: Option<Script>,
    /// Run when it goes down.
    pub notify_down: Option<Script>,
    /// Mail when it comes or goes; default on.
    pub smtp_alert: bool,
    /// Host of HTTP checks that name none.
    pub virtualhost: Option<String>,
    /// Its checks; all must succeed. Without any it is always up.
    pub checkers: Vec<Checker>,
}
