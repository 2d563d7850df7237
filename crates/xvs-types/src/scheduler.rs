//! The names of the fourteen schedulers and their flags.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A scheduler of the kernel (`net/netfilter/ipvs/ip_vs_*.c`, Linux 6.12), by its name there.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// Destination hashing.
    Dh,
    /// Weighted fail-over: the heaviest available server.
    Fo,
    /// Locality-based least connections.
    Lblc,
    /// Locality-based least connections with replication.
    Lblcr,
    /// Least connections.
    Lc,
    /// Maglev hashing.
    Mh,
    /// Never queue.
    Nq,
    /// Weighted overflow.
    Ovf,
    /// Round robin.
    Rr,
    /// Shortest expected delay.
    Sed,
    /// Source hashing.
    Sh,
    /// Power of two random choices.
    Twos,
    /// Weighted least connections: what `ipvsadm -A` takes without `-s`.
    #[default]
    Wlc,
    /// Weighted round robin.
    Wrr,
}

impl Scheduler {
    /// All schedulers, in alphabetical order.
    pub const ALL: [Self; 14] = [
        Self::Dh,
        Self::Fo,
        Self::Lblc,
        Self::Lblcr,
        Self::Lc,
        Self::Mh,
        Self::Nq,
        Self::Ovf,
        Self::Rr,
        Self::Sed,
        Self::Sh,
        Self::Twos,
        Self::Wlc,
        Self::Wrr,
    ];

    /// The name that `ipvsadm -s` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dh => "dh",
            Self::Fo => "fo",
            Self::Lblc => "lblc",
            Self::Lblcr => "lblcr",
            Self::Lc => "lc",
            Self::Mh => "mh",
            Self::Nq => "nq",
            Self::Ovf => "ovf",
            Self::Rr => "rr",
            Self::Sed => "sed",
            Self::Sh => "sh",
            Self::Twos => "twos",
            Self::Wlc => "wlc",
            Self::Wrr => "wrr",
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No scheduler has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no scheduler is named `{name}`; there are dh fo lblc lblcr lc mh nq ovf rr sed sh twos wlc wrr"
)]
pub struct ParseSchedulerError {
    /// What was given.
    pub name: String,
}

impl FromStr for Scheduler {
    type Err = ParseSchedulerError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scheduler| scheduler.name() == name)
            .ok_or_else(|| ParseSchedulerError {
                name: name.to_owned(),
            })
    }
}

/// The three flags a scheduler may have (`ipvsadm -b`): bit 0 is flag-1, bit 1 flag-2, bit 2 flag-3.
///
/// sh reads flag-1 as sh-fallback and flag-2 as sh-port; mh likewise as mh-fallback and mh-port.
/// Every scheduler keeps and lists what it was given.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SchedulerFlags(u8);

impl SchedulerFlags {
    /// flag-1: sh-fallback, mh-fallback.
    pub const FALLBACK: Self = Self(1);
    /// flag-2: sh-port, mh-port.
    pub const PORT: Self = Self(2);
    /// flag-3: no scheduler reads it.
    pub const THIRD: Self = Self(4);

    /// Flags from their bits; bits beyond the third are dropped.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }

    /// The bits, 0 to 7.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether every flag of `other` is set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_its_scheduler() {
        for scheduler in Scheduler::ALL {
            assert_eq!(scheduler.name().parse(), Ok(scheduler));
        }
        assert!("RR".parse::<Scheduler>().is_err());
    }
}
