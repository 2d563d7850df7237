//! What a virtual router and a sync group are told to do.
//!
//! [`RouterConfig`] and [`GroupConfig`] are filled in freely; only a [`Config`], which has checked
//! them against each other, reaches the election.

mod validate;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use xvs_wire::vrrp::{Addresses, GROUP_V4, GROUP_V6, TTL, Version, Vrid};

use crate::{AdverInterval, Name, Priority, Track};

pub use validate::{Config, ConfigError};

/// A virtual router (`vrrp_instance`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterConfig {
    /// Its name in logs and notifications.
    pub name: Name,
    /// The interface that carries its advertisements.
    pub interface: Name,
    /// Its identifier, unique on the interface for its family.
    pub vrid: Vrid,
    /// Default version 2, as keepalived's.
    pub version: Version,
    /// What advertisements list, in this order. Excluded addresses are the caller's alone.
    pub addresses: VirtualAddresses,
    /// keepalived's `state`; a hint that matters for priority 255 and with `listen_first` off.
    pub initial: Initial,
    /// Before trackers; default 100.
    pub priority: Priority,
    /// Default 1 s.
    pub interval: AdverInterval,
    /// Missed advertisements until the master counts as dead (`down_timer_adverts`), default 3.
    pub down_adverts: u8,
    /// Whether a live master of lower priority is replaced; default at once.
    pub preempt: Preempt,
    /// Version 2 over IPv4 only; default none.
    pub authentication: AuthenticationConfig,
    /// Default multicast.
    pub transport: Transport,
    /// The group of multicast (`mcast_dst_ip`, `vrrp_mcast_group4` and `6`), of the family of the
    /// addresses; default that of the RFCs.
    pub multicast_group: Option<IpAddr>,
    /// The sender's address (`mcast_src_ip`, `unicast_src_ip`); default the interface's own.
    pub source: Option<IpAddr>,
    /// The checksum of version 3 over IPv4.
    pub checksum: ChecksumPolicy,
    /// Whether a master that does not own the addresses answers for them; default true, as
    /// keepalived's outside strict mode.
    pub accept: bool,
    /// Nothing but what the RFCs have; default false.
    pub strict: bool,
    /// Compare the address list only when the master changed; default false.
    pub skip_check_adv_addr: bool,
    /// When addresses are announced.
    pub announce: AnnounceConfig,
    /// A master answers a lower priority one by an advertisement at once; default true
    /// (`lower_prio_no_advert` turns it off).
    pub answer_lower_priority: bool,
    /// A master sends one more advertisement before it yields (`higher_prio_send_advert`);
    /// default false.
    pub answer_higher_priority: bool,
    /// The owner of the addresses ignores other masters (`owner_ignore_adverts`); default false.
    pub owner_ignores_adverts: bool,
    /// The interface going down is a fault; default true (`dont_track_primary` turns it off).
    pub track_interface: bool,
    /// Further things whose state matters.
    pub tracks: Vec<Track>,
    /// Notify when the effective priority changes; default false.
    pub notify_priority_changes: bool,
    /// Wait a whole master down interval at start before claiming the addresses, whatever `initial`
    /// says; default true. Priority 255 with a master's initial state never waits.
    pub listen_first: bool,
    /// Added to the first wait after a start (`vrrp_startup_delay`); default 0.
    pub startup_delay: Duration,
}

impl RouterConfig {
    /// A virtual router with every setting at its default.
    #[must_use]
    pub fn new(name: Name, interface: Name, vrid: Vrid, addresses: VirtualAddresses) -> Self {
        Self {
            name,
            interface,
            vrid,
            version: Version::V2,
            addresses,
            initial: Initial::default(),
            priority: Priority::DEFAULT,
            interval: AdverInterval::DEFAULT,
            down_adverts: 3,
            preempt: Preempt::default(),
            authentication: AuthenticationConfig::default(),
            transport: Transport::default(),
            multicast_group: None,
            source: None,
            checksum: ChecksumPolicy::default(),
            accept: true,
            strict: false,
            skip_check_adv_addr: false,
            announce: AnnounceConfig::default(),
            answer_lower_priority: true,
            answer_higher_priority: false,
            owner_ignores_adverts: false,
            track_interface: true,
            tracks: Vec::new(),
            notify_priority_changes: false,
            listen_first: true,
            startup_delay: Duration::ZERO,
        }
    }

    /// The group to which multicast goes: the configured one, else 224.0.0.18 or ff02::12
    /// (RFC 9568 5.1.1.2, 5.1.2.2).
    #[must_use]
    pub fn group(&self) -> IpAddr {
        let of_the_rfcs = if self.addresses.is_v4() {
            GROUP_V4.into()
        } else {
            GROUP_V6.into()
        };
        self.multicast_group.unwrap_or(of_the_rfcs)
    }

    /// Whether it may become master without waiting: priority 255 and not told to be a backup.
    pub(crate) fn starts_as_owner(&self) -> bool {
        self.priority.is_owner() && self.initial != Initial::Backup
    }

    /// Whether it is on the same link under the same identifier as `other`, so that one can take the
    /// other's place without a new election.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        self.interface == other.interface
            && self.vrid == other.vrid
            && self.version == other.version
            && self.addresses.is_v4() == other.addresses.is_v4()
    }
}

/// The advertised addresses of a virtual router; the variant is its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddresses(Octets);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Octets {
    V4(Vec<[u8; 4]>),
    V6(Vec<[u8; 16]>),
}

impl VirtualAddresses {
    /// Addresses of a virtual router for IPv4; there may be none.
    #[must_use]
    pub fn v4(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        Self(Octets::V4(
            addresses.into_iter().map(|a| a.octets()).collect(),
        ))
    }

    /// Addresses of a virtual router for IPv6, a link-local one first (RFC 5798 5.2.9).
    #[must_use]
    pub fn v6(addresses: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        Self(Octets::V6(
            addresses.into_iter().map(|a| a.octets()).collect(),
        ))
    }

    /// Whether the virtual router is one for IPv4.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        matches!(self.0, Octets::V4(_))
    }

    /// The addresses as an advertisement carries them.
    #[must_use]
    pub fn on_wire(&self) -> Addresses<'_> {
        match &self.0 {
            Octets::V4(list) => Addresses::V4(list),
            Octets::V6(list) => Addresses::V6(list),
        }
    }
}

/// keepalived's `state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Initial {
    /// Begin by listening, even with priority 255.
    Backup,
    /// Begin as if master before.
    Master,
    /// Not said: a master if the priority is 255.
    #[default]
    Unsaid,
}

/// Whether a live master of lower priority is replaced. The owner of the addresses always does so
/// (RFC 5798 6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preempt {
    /// After it has been seen for this long, up to 1000 s (`preempt_delay`).
    After(Duration),
    /// As soon as it is seen.
    #[default]
    AtOnce,
    /// Never (`nopreempt`).
    Never,
}

/// The authentication of version 2 over IPv4.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum AuthenticationConfig {
    /// `auth_type AH`: HMAC-MD5-96 with this key; see [`key`](crate::key).
    Header([u8; 8]),
    /// None.
    #[default]
    None,
    /// `auth_type PASS`: in clear text; see [`key`](crate::key).
    Password([u8; 8]),
}

impl std::fmt::Debug for AuthenticationConfig {
    /// Without the secret: configurations end up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header(_) => "Header(..)",
            Self::None => "None",
            Self::Password(_) => "Password(..)",
        })
    }
}

/// How advertisements travel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// To [`RouterConfig::group`] with TTL 255.
    #[default]
    Multicast,
    /// To each peer by itself.
    Unicast {
        /// Where to.
        peers: Vec<Peer>,
        /// The TTL or hop limit to send with, default 255 (`unicast_ttl`).
        ttl: u8,
        /// Discard what comes from anybody else (`check_unicast_src`, false by default there; worth
        /// turning on wherever peers do not send through address translation).
        check_source: bool,
    },
}

/// A unicast peer and the hops that it may be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The least TTL to accept, default 0 (`min_ttl`); 255 lets nothing pass a router.
    pub min_ttl: u8,
    /// The greatest TTL to accept, default 255 (`max_ttl`).
    pub max_ttl: u8,
}

impl Peer {
    /// A peer at any distance.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self {
            address,
            min_ttl: 0,
            max_ttl: TTL,
        }
    }
}

/// What the checksum of version 3 over IPv4 covers when sending. Every form is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumPolicy {
    /// keepalived's `old_unicast_checksum`: a pseudo-header to the group, in unicast too.
    OldUnicast,
    /// RFC 5798 5.2.8, with a pseudo-header; in unicast it turns to [`Self::OldUnicast`] when a
    /// peer does so.
    #[default]
    Rfc5798,
    /// RFC 5798 5.2.8 whatever a peer does (`old_unicast_checksum never`).
    Rfc5798Always,
    /// RFC 9568 5.2.8, without a pseudo-header (`v3_checksum_as_v2`).
    Rfc9568,
}

/// When a master announces its addresses (gratuitous ARP, unsolicited neighbor advertisements).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceConfig {
    /// Rounds at once after a takeover (`vrrp_garp_master_repeat`), default 5.
    pub repeat: u8,
    /// As many again after this time (`vrrp_garp_master_delay`), default 5 s; 0 leaves them out.
    pub delay: Duration,
    /// A slow announcement for as long as the router is master (`garp_master_refresh`), default
    /// every 60 s; keepalived's default is never.
    pub refresh: Option<Duration>,
    /// Rounds of each refresh (`garp_master_refresh_repeat`), default 1.
    pub refresh_repeat: u8,
    /// Rounds at once after another master of lower priority was heard (`garp_lower_prio_repeat`),
    /// default 5.
    pub lower_priority_repeat: u8,
    /// As many again after this time (`garp_lower_prio_delay`), default 5 s; 0 leaves them out.
    pub lower_priority_delay: Duration,
}

impl Default for AnnounceConfig {
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Some(Duration::from_secs(60)),
            refresh_repeat: 1,
            lower_priority_repeat: 5,
            lower_priority_delay: Duration::from_secs(5),
        }
    }
}

/// Virtual routers that are master, backup or in fault together (`vrrp_sync_group`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// Its name in logs and notifications.
    pub name: Name,
    /// Its virtual routers; each is in at most one group.
    pub members: Vec<Name>,
    /// What every member follows besides its own trackers.
    pub tracks: Vec<Track>,
    /// Trackers may move members' priorities (`sync_group_tracking_weight`), default false.
    pub tracking_weight: bool,
}
