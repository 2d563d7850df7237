//! Why things happen, and what is worth a line in the log.

use std::{fmt, net::IpAddr, time::Duration};

use crate::{Name, Priority, Reject, State, TransmitError};

/// Why a virtual router is in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Another router was master too, and lost. No state changes for it.
    Conflict {
        /// Its address.
        address: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// It left the configuration.
    Deleted,
    /// Somebody asked it to hand over.
    Failover,
    /// Another member of its sync group moved it.
    Group {
        /// Which member.
        member: Name,
    },
    /// Another master has a higher priority, or the same and a higher address.
    HigherPriority {
        /// Its address.
        address: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Its interface went down.
    InterfaceDown {
        /// Which interface.
        interface: Name,
    },
    /// The master gave up its addresses.
    MasterReleased {
        /// Its address.
        address: IpAddr,
    },
    /// The master has not been heard for a master down interval.
    MasterSilent {
        /// Its address.
        address: IpAddr,
    },
    /// The interface has no address of the family to send from.
    NoSourceAddress {
        /// Which interface.
        interface: Name,
    },
    /// Nobody was heard since it began to listen.
    Nobody,
    /// It owns the addresses.
    Owner,
    /// It replaces a live master of lower priority.
    Preempts {
        /// The master's address.
        address: IpAddr,
        /// The master's priority.
        priority: u8,
    },
    /// What put it into fault is over.
    Recovered,
    /// The configuration changed its place on the link.
    Reload,
    /// Its predecessor was master until a moment ago.
    Resumed,
    /// It begins.
    Startup,
    /// It was stopped.
    Stop,
    /// A tracker failed.
    TrackerDown {
        /// Which tracker.
        tracker: Name,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { address, priority } => {
                write!(f, "{address} was master too, with priority {priority}")
            }
            Self::Deleted => f.write_str("removed from the configuration"),
            Self::Failover => f.write_str("failover on request"),
            Self::Group { member } => write!(f, "together with {member} of its sync group"),
            Self::HigherPriority { address, priority } => {
                write!(f, "{address} is master with priority {priority}")
            }
            Self::InterfaceDown { interface } => write!(f, "interface {interface} is down"),
            Self::MasterReleased { address } => {
                write!(f, "master {address} released the addresses")
            }
            Self::MasterSilent { address } => write!(f, "master {address} is silent"),
            Self::NoSourceAddress { interface } => {
                write!(f, "interface {interface} has no address to send from")
            }
            Self::Nobody => f.write_str("no master was heard"),
            Self::Owner => f.write_str("owner of the addresses"),
            Self::Preempts { address, priority } => {
                write!(f, "preempts {address} of priority {priority}")
            }
            Self::Recovered => f.write_str("all that is tracked is up again"),
            Self::Reload => f.write_str("the configuration moved it"),
            Self::Resumed => f.write_str("resumed after a restart"),
            Self::Startup => f.write_str("start"),
            Self::Stop => f.write_str("stop"),
            Self::TrackerDown { tracker } => write!(f, "tracker {tracker} is down"),
        }
    }
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The normal course of things.
    Info,
    /// Somebody should look at it.
    Warning,
}

/// Something worth a line in the log. Each kind of trouble is told once for each master and state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An advertisement lists other addresses; it was accepted.
    AddressesDiffer {
        /// The sender.
        source: IpAddr,
        /// How many addresses the configuration has.
        expected: usize,
        /// How many were received.
        received: usize,
    },
    /// Its addresses were removed by somebody else and are put back.
    AddressesLost,
    /// A version 3 master advertises with another interval; it was accepted.
    IntervalDiffers {
        /// The sender.
        source: IpAddr,
        /// Its interval.
        received: Duration,
    },
    /// A backup ignores a master of lower priority, which it will preempt.
    LowerPriorityIgnored {
        /// The sender.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// A master hears another one of lower priority and stays.
    LowerPriorityMaster {
        /// The sender.
        source: IpAddr,
        /// Its priority.
        priority: u8,
        /// The own priority.
        ours: Priority,
    },
    /// An advertisement could not be built.
    NotSent {
        /// Why.
        error: TransmitError,
    },
    /// A peer uses the old unicast checksum; it is used for sending from now on.
    OldUnicastChecksum {
        /// The sender.
        source: IpAddr,
    },
    /// A lower priority master is given more time.
    PreemptDelayStarted {
        /// How long.
        delay: Duration,
    },
    /// The master is no longer of lower priority.
    PreemptDelayStopped,
    /// The effective priority changed.
    PriorityChanged {
        /// Before.
        from: Priority,
        /// Now.
        to: Priority,
    },
    /// An advertisement was rejected.
    Rejected {
        /// The sender, if the packet says so.
        source: Option<IpAddr>,
        /// Why.
        reject: Reject,
    },
    /// The addresses were released by an advertisement of priority 0.
    SentRelease,
    /// The process was not run for so long that advertisements may wait unread; it listens once more.
    Stalled {
        /// How late it came.
        late: Duration,
    },
    /// A state was entered.
    StateEntered {
        /// Which one.
        state: State,
        /// Why.
        reason: Reason,
    },
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::AddressesDiffer { .. }
            | Self::AddressesLost
            | Self::LowerPriorityMaster { .. }
            | Self::NotSent { .. }
            | Self::Rejected { .. }
            | Self::Stalled { .. } => Severity::Warning,
            _ => Severity::Info,
        }
    }
}

impl fmt::Display for Event {
    /// The line without the name of the virtual router; where keepalived has one, in its words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressesDiffer {
                source,
                expected,
                received,
            } if expected == received => write!(f, "{source} advertises other VIPs than ours"),
            Self::AddressesDiffer {
                source,
                expected,
                received,
            } => write!(
                f,
                "expected {expected} VIPs but received {received} from {source}"
            ),
            Self::AddressesLost => {
                f.write_str("VIPs were removed by somebody else, restoring them")
            }
            Self::IntervalDiffers { source, received } => {
                write!(f, "{source} advertises every {received:?}, unlike ours")
            }
            Self::LowerPriorityIgnored { source, priority } => write!(
                f,
                "received lower priority ({priority}) advert from {source} - discarding"
            ),
            Self::LowerPriorityMaster {
                source,
                priority,
                ours,
            } => write!(
                f,
                "Received advert from {source} with lower priority {priority}, ours {}, forcing \
                 new election",
                ours.get()
            ),
            Self::NotSent { error } => error.fmt(f),
            Self::OldUnicastChecksum { source } => write!(
                f,
                "Setting unicast VRRPv3 checksum to old version, as {source} does"
            ),
            Self::PreemptDelayStarted { delay } => {
                write!(
                    f,
                    "start preempt delay ({}.{:06})",
                    delay.as_secs(),
                    delay.subsec_micros()
                )
            }
            Self::PreemptDelayStopped => f.write_str("stop preempt delay"),
            Self::PriorityChanged { from, to } => write!(
                f,
                "Changing effective priority from {} to {}",
                from.get(),
                to.get()
            ),
            Self::Rejected {
                source: Some(source),
                reject,
            } => write!(f, "rejected advert from {source}: {reject}"),
            Self::Rejected {
                source: None,
                reject,
            } => write!(f, "rejected advert: {reject}"),
            Self::SentRelease => f.write_str("sent 0 priority"),
            Self::Stalled { late } => write!(
                f,
                "woke up {late:?} too late, listening once more before an election"
            ),
            Self::StateEntered { state, reason } => {
                write!(f, "Entering {state} STATE ({reason})")
            }
        }
    }
}
