//! What is known about a virtual router from outside.

use std::{net::IpAddr, time::Duration};

use crate::{AdverInterval, Name, Priority, Reason, RejectCounters, State};

/// A virtual router as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterStatus {
    /// Its name.
    pub name: Name,
    /// Its state.
    pub state: State,
    /// Why it is in it.
    pub reason: Reason,
    /// The effective priority: configured or set, moved by trackers.
    pub priority: Priority,
    /// The address that it sends from, when known.
    pub source: Option<IpAddr>,
    /// The master that it follows, or followed before it became master.
    pub master: Option<IpAddr>,
    /// That master's priority.
    pub master_priority: Option<u8>,
    /// The interval of the master that it follows; its own when master.
    pub master_interval: AdverInterval,
    /// How long it waits for a silent master.
    pub master_down_interval: Duration,
    /// Its sync group keeps it from becoming master.
    pub waits_for_group: bool,
    /// It handed over on request and does not preempt.
    pub yielded: bool,
    /// What it counted.
    pub counters: RouterCounters,
}

/// What a virtual router counts, from the start of the process on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterCounters {
    /// Advertisements sent, one for each destination.
    pub sent: u64,
    /// Advertisements that could not be built or had no address to be sent from.
    pub not_sent: u64,
    /// Advertisements accepted.
    pub received: u64,
    /// Advertisements of priority 0 accepted.
    pub releases_received: u64,
    /// Advertisements accepted though they list other addresses.
    pub addresses_differ: u64,
    /// Advertisements rejected, by reason.
    pub rejected: RejectCounters,
    /// How often it became master.
    pub became_master: u64,
    /// How often it left that state.
    pub released_master: u64,
    /// Advertisements of priority 0 sent, one for each destination.
    pub releases_sent: u64,
    /// How often it met another master and stayed.
    pub conflicts_won: u64,
    /// How often its addresses were removed by somebody else.
    pub addresses_lost: u64,
    /// Advertisements that went out more than half an interval late.
    pub late_adverts: u64,
    /// The latest of all advertisements.
    pub greatest_lateness: Duration,
}

impl RouterCounters {
    /// Notes how late an advertisement was.
    pub(crate) fn note_lateness(&mut self, late: Duration, interval: AdverInterval) {
        if late > interval.duration() / 2 {
            self.late_adverts += 1;
        }
        self.greatest_lateness = self.greatest_lateness.max(late);
    }
}
