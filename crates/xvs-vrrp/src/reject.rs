//! Why advertisements are rejected, and how many were.

use std::fmt;

use xvs_wire::vrrp::PacketError;

macro_rules! rejects {
    ($($(#[doc = $doc:literal])+ $variant:ident => $text:literal,)+) => {
        /// Why an advertisement was rejected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reject {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reject {
            /// All of them, in the order of the alphabet.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// A short name for counters: the variant's.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                }
            }
        }

        impl fmt::Display for Reject {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)+
                })
            }
        }
    };
}

rejects! {
    /// The authentication header is missing, unexpected or of another sender.
    AuthenticationHeader => "the authentication header does not fit",
    /// The authentication type is not the configured one.
    AuthenticationType => "another authentication type than ours",
    /// The check value of the authentication header is wrong.
    CheckValue => "the authentication header's check value is wrong",
    /// The checksum is wrong in every form.
    Checksum => "the checksum is wrong",
    /// Sent to the group where peers are configured, or the other way round.
    Destination => "multicast where unicast is configured, or the other way round",
    /// Not a whole IPv4 datagram with an advertisement.
    Envelope => "no whole IP datagram",
    /// Another interval than ours (version 2), or one of 0.
    Interval => "another advertisement interval than ours",
    /// Another length than the address count asks for.
    Length => "the length does not fit the address count",
    /// The owner of the addresses was told to ignore others.
    OwnerIgnores => "we own the addresses and ignore others",
    /// It says that it comes from our own address.
    OwnAddress => "sent from our own address",
    /// The password is wrong.
    Password => "the password is wrong",
    /// The authentication header's sequence number was used before.
    Replayed => "the sequence number was used before",
    /// From somebody who is no peer.
    Source => "the sender is not one of the peers",
    /// The TTL or hop limit is not 255, or not what the peer's settings allow.
    Ttl => "the TTL says that it is not from where it should be",
    /// A packet type that VRRP does not have.
    Type => "unknown packet type",
    /// Another version than ours.
    Version => "another version than ours",
    /// No virtual router on this interface has the identifier.
    Vrid => "no virtual router has this identifier here",
}

impl From<PacketError> for Reject {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::IntervalZero => Self::Interval,
            PacketError::Length { .. } | PacketError::Truncated { .. } => Self::Length,
            PacketError::UnknownAuthentication(_) => Self::AuthenticationType,
            PacketError::UnknownType(_) => Self::Type,
            PacketError::UnknownVersion(_) => Self::Version,
            PacketError::VridZero => Self::Vrid,
        }
    }
}

/// How many advertisements were rejected, reason by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RejectCounters(std::collections::BTreeMap<Reject, u64>);

impl RejectCounters {
    /// Counts one.
    pub(crate) fn count(&mut self, reject: Reject) {
        *self.0.entry(reject).or_default() += 1;
    }

    /// How many were rejected for `reject`.
    #[must_use]
    pub fn get(&self, reject: Reject) -> u64 {
        self.0.get(&reject).copied().unwrap_or(0)
    }

    /// How many were rejected.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The reasons that occurred, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Reject, u64)> {
        self.0.iter().map(|(reject, count)| (*reject, *count))
    }
}
