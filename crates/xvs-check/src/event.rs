//! What is worth a line in the log; the text is keepalived's, since people grep for it.

use std::{fmt, sync::Arc};

use crate::{Kind, Quorum};

/// Something that happened to a real server or to a virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The name of the virtual server.
    pub virtual_server: Arc<str>,
    /// The name of the real server, where there is one.
    pub real_server: Option<Arc<str>>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A checker starts or goes on.
    Activated,
    /// A real server comes into the pool.
    Added,
    /// A real server failed a check for good.
    CheckFailed {
        /// By which kind of check.
        kind: Kind,
        /// How often it was tried again; none for a first check, which is final.
        retries: Option<u32>,
        /// Why, in a few words.
        reason: String,
    },
    /// A check failed and is tried again (`log_all_failures`).
    CheckFailedOnce {
        /// The kind of check.
        kind: Kind,
        /// Why, in a few words.
        reason: String,
    },
    /// A check succeeded for the first time, or again.
    CheckSucceeded {
        /// The kind of check.
        kind: Kind,
    },
    /// A failed real server stays with weight 0.
    Disabled,
    /// A real server that stayed with weight 0 has its weight again.
    Enabled,
    /// The quorum was gained with this sum of weights.
    QuorumGained(Quorum, u64),
    /// The quorum was lost with this sum of weights.
    QuorumLost(Quorum, u64),
    /// A real server leaves the pool.
    Removed,
    /// At the end, a real server leaves.
    ShutDown {
        /// It stayed with weight 0.
        inhibited: bool,
    },
    /// The sorry server comes in.
    SorryAdded,
    /// The sorry server leaves.
    SorryRemoved,
    /// The quorum is not there at the start.
    StartedWithoutQuorum(Quorum, u64),
    /// A checker rests.
    Suspended,
    /// A reload has no place for the virtual server.
    VirtualServerRemoved,
    /// The weight of a real server changes.
    Weight {
        /// The old one.
        from: u32,
        /// The new one.
        to: u32,
        /// It is in use.
        alive: bool,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vs = &self.virtual_server;
        let rs = self.real_server.as_deref().unwrap_or_default();
        match &self.what {
            What::Activated => write!(f, "Activating healthchecker for service {rs} for VS {vs}"),
            What::Suspended => write!(f, "Suspending healthchecker for service {rs} for VS {vs}"),
            What::Added => write!(f, "Adding service {rs} to VS {vs}"),
            What::Removed => write!(f, "Removing service {rs} from VS {vs}"),
            What::Disabled => write!(f, "Disabling service {rs} of VS {vs}"),
            What::Enabled => write!(f, "Enabling service {rs} of VS {vs}"),
            What::CheckFailed {
                kind,
                retries,
                reason,
            } => failed(f, kind, rs, vs, *retries, reason),
            What::CheckFailedOnce { kind, reason } => {
                let check = match kind {
                    Kind::Ping => "ICMP connection to",
                    Kind::Tcp => "TCP connection to",
                    Kind::Udp => "UDP connection to",
                    _ => "Check on service",
                };
                write!(f, "{check} {rs} failed. ({reason})")
            }
            What::CheckSucceeded { kind } => succeeded(f, kind, rs, vs),
            What::QuorumGained(quorum, sum) => {
                let (weight, hysteresis) = (quorum.weight, quorum.hysteresis);
                let total = quorum.gained_at();
                write!(
                    f,
                    "Gained quorum {weight}+{hysteresis}={total} <= {sum} for VS {vs}"
                )
            }
            What::QuorumLost(quorum, sum) => {
                write!(f, "Lost quorum {} for VS {vs}", Below(*quorum, *sum))
            }
            What::StartedWithoutQuorum(quorum, sum) => {
                let below = Below(*quorum, *sum);
                write!(f, "Starting with quorum down {below} for VS {vs}")
            }
            What::ShutDown { inhibited } => {
                let how = if *inhibited { " (inhibited)" } else { "" };
                write!(f, "Shutting down{how} service {rs} from VS {vs}")
            }
            What::SorryAdded => write!(f, "Adding sorry server {rs} to VS {vs}"),
            What::SorryRemoved => write!(f, "Removing sorry server {rs} from VS {vs}"),
            What::VirtualServerRemoved => write!(f, "Removing Virtual Server {vs}"),
            What::Weight { from, to, alive } => {
                let state = if *alive { "active" } else { "inactive" };
                write!(
                    f,
                    "Changing weight from {from} to {to} for {state} service {rs} of VS {vs}"
                )
            }
        }
    }
}

/// `20-5=15 > 10`.
struct Below(Quorum, u64);

impl fmt::Display for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(quorum, sum) = self;
        let (weight, hysteresis, total) = (quorum.weight, quorum.hysteresis, quorum.lost_below());
        write!(f, "{weight}-{hysteresis}={total} > {sum}")
    }
}

fn failed(
    f: &mut fmt::Formatter<'_>,
    kind: &Kind,
    rs: &str,
    vs: &str,
    retries: Option<u32>,
    reason: &str,
) -> fmt::Result {
    match kind {
        Kind::Bfd(instance) => return write!(f, "BFD check of [{instance}] RS({rs}) is DOWN"),
        Kind::Misc(program) => {
            write!(f, "Misc check for [{rs} VS {vs}] by [{program}] failed")?;
            match retries {
                Some(0) | None => f.write_str(" with retry disabled")?,
                Some(retries) => write!(f, " after {retries} retries")?,
            }
            return write!(f, " ({reason}).");
        }
        Kind::Dns => write!(f, "DNS_CHECK ({rs}) failed")?,
        Kind::File(file) => write!(f, "FILE_CHECK of {file} on service {rs} failed")?,
        Kind::Http => write!(f, "HTTP_CHECK on service {rs} failed")?,
        Kind::Ping => write!(f, "ICMP CHECK on service {rs} failed")?,
        Kind::Smtp => write!(f, "SMTP_CHECK on service {rs} failed")?,
        Kind::Ssl => write!(f, "SSL_CHECK on service {rs} failed")?,
        Kind::Tcp => write!(f, "TCP_CHECK on service {rs} failed")?,
        Kind::Udp => write!(f, "UDP_CHECK on service {rs} failed")?,
    }
    match retries {
        Some(retries) if retries > 0 => write!(f, " after {retries} retries."),
        _ => f.write_str("."),
    }
}

fn succeeded(f: &mut fmt::Formatter<'_>, kind: &Kind, rs: &str, vs: &str) -> fmt::Result {
    match kind {
        Kind::Bfd(instance) => write!(f, "BFD check of [{instance}] RS({rs}) is UP"),
        Kind::Dns => write!(f, "DNS_CHECK ({rs}) success."),
        Kind::File(file) => write!(f, "FILE_CHECK of {file} on service {rs} success."),
        Kind::Http | Kind::Ssl => write!(f, "Remote Web server {rs} succeed on service."),
        Kind::Misc(program) => write!(f, "Misc check for [{rs} VS {vs}] by [{program}] succeeded."),
        Kind::Ping => write!(f, "ICMP connection to {rs} success."),
        Kind::Smtp => write!(f, "Remote SMTP server {rs} succeed on service."),
        Kind::Tcp => write!(f, "TCP connection to {rs} success."),
        Kind::Udp => write!(f, "UDP connection to {rs} success."),
    }
}
