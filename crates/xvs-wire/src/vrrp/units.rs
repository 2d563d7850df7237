//! The numbers of an advertisement as types: version, virtual router identifier, intervals.

use core::{fmt, num::NonZeroU8};

/// A version of VRRP that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768; intervals in seconds.
    V2,
    /// RFC 5798 and RFC 9568; intervals in centiseconds.
    V3,
}

impl Version {
    /// The number in the header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// A virtual router identifier, 1 to 255 (RFC 5798 5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// The identifier `value`, unless it is 0.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The advertisement interval of version 2, 1 to 255 seconds (RFC 3768 5.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(NonZeroU8);

impl Seconds {
    /// An interval of `value` seconds, unless it is 0.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Whole seconds.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

/// The advertisement interval of version 3, 1 to 4095 hundredths of a second (RFC 5798 5.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Centiseconds(u16);

impl Centiseconds {
    /// The greatest interval: the field has 12 bits.
    pub const MAX: Self = Self(0x0fff);

    /// An interval of `value` centiseconds, if it is 1 to 4095.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        if value == 0 || value > Self::MAX.0 {
            None
        } else {
            Some(Self(value))
        }
    }

    /// Hundredths of a second.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}
