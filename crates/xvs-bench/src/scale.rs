//! How much is measured: all of it, the short form, or just enough to see that it runs.

use xvs_types::Scheduler;

/// Sizes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    kind: Kind,
    /// Rounds whose median counts.
    pub(crate) rounds: u32,
    /// Packets of a subject in a round.
    pub(crate) repeat: u32,
    /// Connections that a round opens.
    pub(crate) connections: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Quick,
    Tiny,
}

impl Scale {
    /// `make bench`.
    pub(crate) const WHOLE: Self = Self {
        kind: Kind::Whole,
        rounds: 11,
        repeat: 200_000,
        connections: 1 << 15,
    };
    /// `make bench-quick`.
    pub(crate) const QUICK: Self = Self {
        kind: Kind::Quick,
        rounds: 5,
        repeat: 100_000,
        connections: 1 << 15,
    };
    /// For tests.
    pub(crate) const TINY: Self = Self {
        kind: Kind::Tiny,
        rounds: 1,
        repeat: 1_000,
        connections: 1 << 8,
    };

    /// Numbers of established flows.
    pub(crate) fn flows(&self, ipv6: bool) -> Vec<u32> {
        match (self.kind, ipv6) {
            (Kind::Whole, false) => vec![1, 1 << 10, 1 << 17, 1 << 20, 1 << 22],
            (Kind::Whole, true) => vec![1, 1 << 10, 1 << 17, 1 << 20],
            (Kind::Quick, false) => vec![1 << 10, 1 << 20],
            (Kind::Quick, true) => vec![1 << 10],
            (Kind::Tiny, _) => vec![1 << 4],
        }
    }

    /// Schedulers of new connections.
    pub(crate) fn schedulers(&self) -> Vec<Scheduler> {
        match self.kind {
            Kind::Whole => Scheduler::ALL.to_vec(),
            Kind::Quick | Kind::Tiny => vec![Scheduler::Rr, Scheduler::Wlc],
        }
    }

    /// Numbers of real servers of new connections.
    pub(crate) fn servers(&self) -> Vec<u32> {
        match self.kind {
            Kind::Whole => vec![2, 64, 1024],
            Kind::Quick => vec![64, 1024],
            Kind::Tiny => vec![2, 64],
        }
    }

    /// Numbers of connections that the table is held, listed and expired at.
    pub(crate) fn held(&self) -> Vec<u32> {
        match self.kind {
            Kind::Whole => vec![1_000_000, 10_000_000],
            Kind::Quick => vec![1_000_000],
            Kind::Tiny => vec![1_000],
        }
    }

    /// Rounds of what sets up and takes down whoever is measured in each.
    pub(crate) fn setups(&self) -> u32 {
        match self.kind {
            Kind::Whole => 5,
            Kind::Quick => 2,
            Kind::Tiny => 1,
        }
    }

    /// Milliseconds of a measurement of TCP.
    pub(crate) fn milliseconds(&self) -> u64 {
        match self.kind {
            Kind::Whole => 2000,
            Kind::Quick => 300,
            Kind::Tiny => 80,
        }
    }

    /// Spoofed SYNs of the flood.
    pub(crate) fn spoofed(&self) -> u32 {
        match self.kind {
            Kind::Whole => 10_000_000,
            Kind::Quick => 1_000_000,
            Kind::Tiny => 20_000,
        }
    }

    /// Packets of each attack on the slow path, but for those that come while others are measured.
    pub(crate) fn attacking(&self) -> u32 {
        match self.kind {
            Kind::Whole => 2_000_000,
            Kind::Quick => 400_000,
            // More than any map of what waits has room for.
            Kind::Tiny => 40_000,
        }
    }

    /// Virtual servers, with ten real servers each, that are restored and listed.
    pub(crate) fn rules(&self) -> u32 {
        match self.kind {
            Kind::Whole => 10_000,
            Kind::Quick => 2_000,
            Kind::Tiny => 20,
        }
    }

    /// Whether a virtual machine is booted.
    pub(crate) fn boots(&self) -> bool {
        self.kind == Kind::Whole
    }

    /// The name on the report.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Whole => "whole",
            Kind::Quick => "quick",
            Kind::Tiny => "tiny",
        }
    }
}
