//! The three timeouts that `ipvsadm --set` changes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Timeouts of connections, whole seconds (`ipvsadm --set TCP TCPFIN UDP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timeouts {
    /// TCP in ESTABLISHED; kernel default 900 s.
    pub tcp: Duration,
    /// TCP in FIN_WAIT; kernel default 120 s.
    pub tcp_fin: Duration,
    /// UDP; kernel default 300 s.
    pub udp: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp: Duration::from_secs(900),
            tcp_fin: Duration::from_secs(120),
            udp: Duration::from_secs(300),
        }
    }
}
