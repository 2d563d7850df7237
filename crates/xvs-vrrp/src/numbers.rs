//! Priorities and intervals, and the two times that an election computes from them.
//!
//! An interval is centiseconds in one type for both versions, so that seconds and centiseconds
//! cannot be mixed up; times are nanoseconds, so that no skew is cut to 0.

use std::{num::NonZeroU8, time::Duration};

use xvs_wire::vrrp::{Centiseconds, Seconds, Version};

/// A priority in an election, 1 to 255; default 100; 255 owns the addresses (RFC 5798 5.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(NonZeroU8);

impl Priority {
    /// RFC 5798 6.1.
    pub const DEFAULT: Self = Self(NonZeroU8::MIN.saturating_add(99));
    /// The owner of the addresses.
    pub const OWNER: Self = Self(NonZeroU8::MAX);

    /// The priority `value`, unless it is 0, which releases.
    #[must_use]
    pub fn new(value: u8) -> Option<Self> {
        NonZeroU8::new(value).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }

    /// Whether it is the owner's.
    #[must_use]
    pub fn is_owner(self) -> bool {
        self == Self::OWNER
    }

    /// What trackers make of it: the sum, held within 1 to 254; the owner's never changes.
    #[must_use]
    pub(crate) fn adjusted(self, contribution: i32) -> Self {
        if self.is_owner() {
            return self;
        }
        let sum = i32::from(self.get()).saturating_add(contribution);
        u8::try_from(sum.clamp(1, 254))
            .ok()
            .and_then(Self::new)
            .unwrap_or(self)
    }
}

/// The time between two advertisements: 10 ms to 255 s in steps of 10 ms; default 1 s.
///
/// Version 2 sends whole seconds, version 3 at most 40.95 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdverInterval {
    centiseconds: u16,
}

impl AdverInterval {
    /// RFC 3768 5.3.7, RFC 5798 5.2.7.
    pub const DEFAULT: Self = Self { centiseconds: 100 };
    const MAX_CENTISECONDS: u16 = 25_500;

    /// An interval of `value` hundredths of a second, if it is 1 to 25,500.
    #[must_use]
    pub fn from_centiseconds(value: u16) -> Option<Self> {
        (1..=Self::MAX_CENTISECONDS)
            .contains(&value)
            .then_some(Self {
                centiseconds: value,
            })
    }

    /// What version 2 can send, if it is whole seconds.
    #[must_use]
    pub fn seconds(self) -> Option<Seconds> {
        if !self.centiseconds.is_multiple_of(100) {
            return None;
        }
        Seconds::new(u8::try_from(self.centiseconds / 100).ok()?)
    }

    /// What version 3 can send, if it is at most 40.95 s.
    #[must_use]
    pub fn centiseconds(self) -> Option<Centiseconds> {
        Centiseconds::new(self.centiseconds)
    }

    /// The interval as time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.centiseconds) * 10)
    }

    /// How much later than others a router with `priority` gives up waiting.
    ///
    /// Version 2: (256 - priority) / 256 s (RFC 3768 6.1); version 3: (256 - priority) / 256 of the
    /// master's interval (RFC 5798 6.1).
    #[must_use]
    pub fn skew(self, version: Version, priority: Priority) -> Duration {
        let rank = 256 - u32::from(priority.get());
        match version {
            Version::V2 => Duration::from_secs(1) * rank / 256,
            Version::V3 => self.duration() * rank / 256,
        }
    }

    /// How long a router with `priority` waits for a silent master: `adverts` intervals and the skew.
    #[must_use]
    pub fn master_down(self, version: Version, priority: Priority, adverts: u8) -> Duration {
        self.duration() * u32::from(adverts) + self.skew(version, priority)
    }
}

impl From<Seconds> for AdverInterval {
    fn from(seconds: Seconds) -> Self {
        Self {
            centiseconds: u16::from(seconds.get()) * 100,
        }
    }
}

impl From<Centiseconds> for AdverInterval {
    fn from(value: Centiseconds) -> Self {
        Self {
            centiseconds: value.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(centiseconds: u16) -> AdverInterval {
        AdverInterval::from_centiseconds(centiseconds).unwrap()
    }

    #[test]
    fn master_down_interval_is_what_keepalived_was_measured_at() {
        let priority = Priority::DEFAULT;
        let v2 = interval(100).master_down(Version::V2, priority, 3);
        assert_eq!(v2, Duration::from_micros(3_609_375));
        let v3 = interval(10).master_down(Version::V3, priority, 3);
        assert_eq!(v3, Duration::from_nanos(360_937_500));
    }

    #[test]
    fn skew_is_never_cut_to_zero() {
        let least = interval(1).skew(Version::V3, Priority::new(254).unwrap());
        assert_eq!(least, Duration::from_nanos(78_125));
        let owner = interval(1).skew(Version::V3, Priority::OWNER);
        assert_eq!(owner, Duration::from_nanos(39_062));
    }

    #[test]
    fn each_version_sends_only_what_its_field_can_say() {
        assert_eq!(interval(50).seconds(), None);
        assert_eq!(interval(200).seconds(), Seconds::new(2));
        assert_eq!(interval(4095).centiseconds(), Centiseconds::new(4095));
        assert_eq!(interval(4096).centiseconds(), None);
        assert_eq!(AdverInterval::from_centiseconds(0), None);
        assert_eq!(AdverInterval::from_centiseconds(25_501), None);
    }

    #[test]
    fn trackers_never_make_an_owner_nor_unmake_one() {
        let base = Priority::new(200).unwrap();
        assert_eq!(base.adjusted(100).get(), 254);
        assert_eq!(base.adjusted(-300).get(), 1);
        assert_eq!(base.adjusted(-60).get(), 140);
        assert_eq!(Priority::OWNER.adjusted(-60), Priority::OWNER);
    }
}
