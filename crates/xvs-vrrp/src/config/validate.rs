//! Checks configurations against the RFCs and against each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use xvs_wire::vrrp::{Version, Vrid};

use super::{AuthenticationConfig, GroupConfig, Initial, Preempt, RouterConfig, Transport};
use crate::{Name, TrackWeight};

/// Virtual routers and sync groups that fit together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    routers: Vec<RouterConfig>,
    groups: Vec<GroupConfig>,
}

/// Why configurations do not fit; all of them are reported, not the first alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An address of the other family.
    #[error("virtual router `{router}`: `{address}` is of another family than its addresses")]
    AddressFamily {
        /// Which router.
        router: Name,
        /// A source or peer address.
        address: IpAddr,
    },
    /// Version 3 and IPv6 have no authentication.
    #[error("virtual router `{router}`: only version 2 over IPv4 has authentication; remove it")]
    Authentication {
        /// Which router.
        router: Name,
    },
    /// `down_timer_adverts` of 0 would never wait.
    #[error(
        "virtual router `{router}`: at least one advertisement must be missed; raise `down_timer_adverts`"
    )]
    DownAdverts {
        /// Which router.
        router: Name,
    },
    /// Two virtual routers or two groups have the same name.
    #[error("the name `{name}` is taken twice; rename one")]
    DuplicateName {
        /// Which name.
        name: Name,
    },
    /// Two virtual routers share an identifier on one interface and family.
    #[error("virtual routers `{first}` and `{second}` both use identifier {vrid} on `{interface}`")]
    DuplicateVrid {
        /// The interface.
        interface: Name,
        /// The identifier.
        vrid: Vrid,
        /// One.
        first: Name,
        /// The other.
        second: Name,
    },
    /// The version cannot send the interval.
    #[error("virtual router `{router}`: {}", interval_hint(*version))]
    Interval {
        /// Which router.
        router: Name,
        /// Its version.
        version: Version,
    },
    /// A router is in two groups.
    #[error("virtual router `{router}` is in more than one sync group")]
    MemberTwice {
        /// Which router.
        router: Name,
    },
    /// Unicast without a peer reaches nobody.
    #[error("virtual router `{router}`: unicast needs a peer")]
    NoPeers {
        /// Which router.
        router: Name,
    },
    /// What is configured as a group is no multicast address.
    #[error("virtual router `{router}`: `{address}` is no multicast group; remove `mcast_dst_ip`")]
    NoGroup {
        /// Which router.
        router: Name,
        /// The address.
        address: IpAddr,
    },
    /// Strict mode forbids a setting.
    #[error("virtual router `{router}`: strict mode does not allow {what}")]
    Strict {
        /// Which router.
        router: Name,
        /// What.
        what: &'static str,
    },
    /// More than an advertisement can list.
    #[error(
        "virtual router `{router}`: {count} addresses, an advertisement lists 255; exclude some"
    )]
    TooManyAddresses {
        /// Which router.
        router: Name,
        /// How many.
        count: usize,
    },
    /// A group names a router that does not exist.
    #[error("sync group `{group}` names the virtual router `{member}`, which does not exist")]
    UnknownMember {
        /// Which group.
        group: Name,
        /// The missing router.
        member: Name,
    },
    /// A member of a group is tracked with a weight.
    #[error(
        "virtual router `{router}` is in a sync group, so tracker `{tracker}` must have weight 0 unless the group says `sync_group_tracking_weight`"
    )]
    WeightInGroup {
        /// Which router.
        router: Name,
        /// Its tracker.
        tracker: Name,
    },
}

fn interval_hint(version: Version) -> &'static str {
    match version {
        Version::V2 => "version 2 advertises in whole seconds; round the interval or use version 3",
        Version::V3 => "version 3 advertises at least every 40.95 s; shorten the interval",
    }
}

impl Config {
    /// The checked configuration of all virtual routers and sync groups of a director.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the configuration.
    pub fn new(
        routers: Vec<RouterConfig>,
        groups: Vec<GroupConfig>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        check_names(&routers, &groups, &mut errors);
        for router in &routers {
            check_router(router, &mut errors);
            if router.strict {
                check_strict(router, &mut errors);
            }
        }
        check_groups(&routers, &groups, &mut errors);
        if errors.is_empty() {
            Ok(Self { routers, groups })
        } else {
            Err(errors)
        }
    }

    /// The virtual routers in their order.
    #[must_use]
    pub fn routers(&self) -> &[RouterConfig] {
        &self.routers
    }

    /// The sync groups in their order.
    #[must_use]
    pub fn groups(&self) -> &[GroupConfig] {
        &self.groups
    }
}

fn check_names(routers: &[RouterConfig], groups: &[GroupConfig], errors: &mut Vec<ConfigError>) {
    let mut names = BTreeSet::new();
    let mut vrids = BTreeMap::new();
    for router in routers {
        if !names.insert(&router.name) {
            errors.push(ConfigError::DuplicateName {
                name: router.name.clone(),
            });
        }
        let place = (&router.interface, router.vrid, router.addresses.is_v4());
        if let Some(first) = vrids.insert(place, &router.name) {
            errors.push(ConfigError::DuplicateVrid {
                interface: router.interface.clone(),
                vrid: router.vrid,
                first: Name::clone(first),
                second: router.name.clone(),
            });
        }
    }
    let mut names = BTreeSet::new();
    for group in groups {
        if !names.insert(&group.name) {
            errors.push(ConfigError::DuplicateName {
                name: group.name.clone(),
            });
        }
    }
}

fn check_router(router: &RouterConfig, errors: &mut Vec<ConfigError>) {
    let name = || router.name.clone();
    let is_v4 = router.addresses.is_v4();
    let sendable = match router.version {
        Version::V2 => router.interval.seconds().is_some(),
        Version::V3 => router.interval.centiseconds().is_some(),
    };
    if !sendable {
        errors.push(ConfigError::Interval {
            router: name(),
            version: router.version,
        });
    }
    if router.authentication != AuthenticationConfig::None
        && !(is_v4 && router.version == Version::V2)
    {
        errors.push(ConfigError::Authentication { router: name() });
    }
    if router.down_adverts == 0 {
        errors.push(ConfigError::DownAdverts { router: name() });
    }
    let count = router.addresses.on_wire().len();
    if count > usize::from(u8::MAX) {
        errors.push(ConfigError::TooManyAddresses {
            router: name(),
            count,
        });
    }
    let peers = match &router.transport {
        Transport::Multicast => &[][..],
        Transport::Unicast { peers, .. } => {
            if peers.is_empty() {
                errors.push(ConfigError::NoPeers { router: name() });
            }
            peers
        }
    };
    if let Some(address) = router.multicast_group.filter(|group| !group.is_multicast()) {
        errors.push(ConfigError::NoGroup {
            router: name(),
            address,
        });
    }
    let addresses = router.source.into_iter().chain(router.multicast_group);
    for address in addresses.chain(peers.iter().map(|peer| peer.address)) {
        if address.is_ipv4() != is_v4 {
            errors.push(ConfigError::AddressFamily {
                router: name(),
                address,
            });
        }
    }
}

fn check_strict(router: &RouterConfig, errors: &mut Vec<ConfigError>) {
    let says_master = router.initial == Initial::Master;
    let says_backup = router.initial == Initial::Backup;
    let owner = router.priority.is_owner();
    for (forbidden, what) in [
        (
            router.addresses.on_wire().is_empty(),
            "a virtual router without addresses",
        ),
        (router.transport != Transport::Multicast, "unicast peers"),
        (
            router.authentication != AuthenticationConfig::None,
            "authentication",
        ),
        (
            matches!(router.preempt, Preempt::After(_)),
            "`preempt_delay`",
        ),
        (router.down_adverts != 3, "`down_timer_adverts`"),
        (
            router.version == Version::V2 && !router.addresses.is_v4(),
            "version 2 over IPv6",
        ),
        (
            (owner && says_backup) || (!owner && says_master),
            "a `state` that differs from what the priority says",
        ),
    ] {
        if forbidden {
            errors.push(ConfigError::Strict {
                router: router.name.clone(),
                what,
            });
        }
    }
}

fn check_groups(routers: &[RouterConfig], groups: &[GroupConfig], errors: &mut Vec<ConfigError>) {
    let routers: BTreeMap<&Name, &RouterConfig> = routers
        .iter()
        .map(|router| (&router.name, router))
        .collect();
    let mut members = BTreeSet::new();
    for group in groups {
        for member in &group.members {
            if !members.insert(member) {
                errors.push(ConfigError::MemberTwice {
                    router: member.clone(),
                });
            }
            let Some(router) = routers.get(member) else {
                errors.push(ConfigError::UnknownMember {
                    group: group.name.clone(),
                    member: member.clone(),
                });
                continue;
            };
            if group.tracking_weight {
                continue;
            }
            for track in router.tracks.iter().chain(&group.tracks) {
                if track.weight != TrackWeight::FAULT {
                    errors.push(ConfigError::WeightInGroup {
                        router: member.clone(),
                        tracker: track.tracker.clone(),
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;
    use crate::{AdverInterval, Track, VirtualAddresses};

    fn router(name: &str, vrid: u8) -> RouterConfig {
        RouterConfig::new(
            name.into(),
            "eth0".into(),
            Vrid::new(vrid).unwrap(),
            VirtualAddresses::v4([Ipv4Addr::new(10, 0, 0, 100)]),
        )
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let mut first = router("VI_1", 1);
        first.interval = AdverInterval::from_centiseconds(50).unwrap();
        first.down_adverts = 0;
        let second = router("VI_2", 1);
        let groups = vec![GroupConfig {
            name: "G".into(),
            members: vec!["VI_1".into(), "VI_9".into(), "VI_1".into()],
            tracks: vec![],
            tracking_weight: false,
        }];
        let errors = Config::new(vec![first, second], groups).unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "virtual routers `VI_1` and `VI_2` both use identifier 1 on `eth0`",
                "virtual router `VI_1`: version 2 advertises in whole seconds; round the interval \
                 or use version 3",
                "virtual router `VI_1`: at least one advertisement must be missed; raise \
                 `down_timer_adverts`",
                "sync group `G` names the virtual router `VI_9`, which does not exist",
                "virtual router `VI_1` is in more than one sync group",
            ]
        );
    }

    #[test]
    fn the_same_identifier_may_serve_both_families_and_other_interfaces() {
        let first = router("VI_1", 1);
        let mut second = router("VI_2", 1);
        second.interface = "eth1".into();
        let mut third = router("VI_3", 1);
        third.addresses = VirtualAddresses::v6([]);
        third.version = Version::V3;
        assert!(Config::new(vec![first, second, third], vec![]).is_ok());
    }

    #[test]
    fn strict_mode_refuses_what_the_rfc_does_not_have() {
        let mut config = router("VI_1", 1);
        config.strict = true;
        assert!(Config::new(vec![config.clone()], vec![]).is_ok());
        config.preempt = Preempt::After(Duration::from_secs(3));
        config.initial = Initial::Master;
        config.authentication = AuthenticationConfig::Password([0; 8]);
        assert_eq!(Config::new(vec![config], vec![]).unwrap_err().len(), 3);
    }

    #[test]
    fn weights_in_a_group_need_its_consent() {
        let mut member = router("VI_1", 1);
        member.tracks.push(Track {
            tracker: "chk".into(),
            weight: TrackWeight::new(-10).unwrap(),
            reverse: false,
        });
        let mut group = GroupConfig {
            name: "G".into(),
            members: vec!["VI_1".into()],
            tracks: vec![],
            tracking_weight: false,
        };
        let refused = Config::new(vec![member.clone()], vec![group.clone()]);
        assert!(matches!(
            refused.unwrap_err()[..],
            [ConfigError::WeightInGroup { .. }]
        ));
        group.tracking_weight = true;
        assert!(Config::new(vec![member], vec![group]).is_ok());
    }

    #[test]
    fn secrets_do_not_reach_logs() {
        let secret = AuthenticationConfig::Password(*b"hunter22");
        assert!(!format!("{secret:?}").contains("hunter22"));
    }
}
