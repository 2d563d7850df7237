//! What the election asks its caller to do.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{Event, Name, Reason};

/// Something to do, in the order in which it is polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advertisement.
    Advertise {
        /// Whose it is.
        router: Name,
        /// Where it goes out.
        interface: Name,
        /// What to send.
        transmit: Transmit,
    },
    /// Announce every address that the router holds, excluded ones too: gratuitous ARP for IPv4,
    /// unsolicited neighbor advertisements for IPv6.
    Announce {
        /// Whose addresses.
        router: Name,
        /// How often; a round goes over all addresses before the next begins.
        rounds: u8,
    },
    /// Write a line to the log.
    Log {
        /// The virtual router that it is about.
        router: Name,
        /// What happened.
        event: Event,
    },
    /// Run notify scripts, write to FIFOs, send mail.
    Notify(Notification),
    /// Remove addresses, routes and rules. Also asked for at start, since a predecessor may have left
    /// some behind, so what is missing is no error.
    ReleaseAddresses {
        /// Whose.
        router: Name,
    },
    /// Bring addresses, routes and rules to what the configuration says. Asked for again after a
    /// reload and after they were lost, so what is there already is no error.
    TakeAddresses {
        /// Whose.
        router: Name,
        /// Whether the host answers for the addresses (RFC 5798 6.1, Accept_Mode).
        accept: bool,
    },
}

/// An advertisement ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// A whole IPv4 datagram, header included, for a raw socket with `IP_HDRINCL`.
    V4 {
        /// Where it goes.
        destination: Ipv4Addr,
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// A message for a raw IPv6 socket of protocol 112; the traffic class is 0xc0.
    V6 {
        /// The address to send from: the checksum covers it.
        source: Ipv6Addr,
        /// Where it goes.
        destination: Ipv6Addr,
        /// The hop limit to send with.
        hop_limit: u8,
        /// The message.
        message: Vec<u8>,
    },
}

/// Somebody is to be told. There is exactly one for each transition, in the order of transitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Whose state changed.
    pub subject: Subject,
    /// To what.
    pub kind: NotifyKind,
    /// The effective priority of a virtual router; 0 for a group, as keepalived says it.
    pub priority: u8,
    /// Why.
    pub reason: Reason,
}

/// Whose state changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A sync group, after its members.
    Group(Name),
    /// A virtual router.
    Router(Name),
}

/// What happened, in keepalived's words (see [`NotifyKind::as_str`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotifyKind {
    /// It became backup.
    Backup,
    /// The priority of a backup changed; only on request.
    BackupPriority,
    /// It left the configuration.
    Deleted,
    /// It cannot serve.
    Fault,
    /// It became master.
    Master,
    /// The priority of a master changed; only on request.
    MasterPriority,
    /// A master heard another master of lower priority, and won; once for each such conflict.
    MasterRxLowerPriority,
    /// It was stopped.
    Stop,
}

impl NotifyKind {
    /// The word that keepalived gives to scripts and FIFOs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "BACKUP",
            Self::BackupPriority => "BACKUP_PRIORITY",
            Self::Deleted => "DELETED",
            Self::Fault => "FAULT",
            Self::Master => "MASTER",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::MasterRxLowerPriority => "MASTER_RX_LOWER_PRI",
            Self::Stop => "STOP",
        }
    }
}
