//! What the directors of a run have in common, drawn by a seed.

use std::{net::Ipv4Addr, time::Duration};

use xvs_vrrp::{
    AdverInterval, AuthenticationConfig, Config, GroupConfig, Peer, Preempt, Priority,
    RouterConfig, Track, TrackWeight, Transport, Version, VirtualAddresses, Vrid, key,
};

use super::address;
use crate::bench::INTERFACE;

/// A small generator (splitmix64): the same runs on every machine.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap())).unwrap()
    }

    pub(super) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// What all directors of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) version: Version,
    pub(super) authentication: AuthenticationConfig,
    pub(super) unicast: bool,
    pub(super) grouped: bool,
    pub(super) directors: usize,
    /// What a director's own interval may be, in centiseconds.
    pub(super) intervals: Vec<u16>,
}

impl Rules {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let version_2 = dice.one_in(2);
        let authentication = match (version_2, dice.below(3)) {
            (true, 0) => AuthenticationConfig::Header(key("secret")),
            (true, 1) => AuthenticationConfig::Password(key("secret")),
            _ => AuthenticationConfig::None,
        };
        Self {
            version: if version_2 { Version::V2 } else { Version::V3 },
            authentication,
            unicast: dice.one_in(3),
            grouped: dice.one_in(3),
            directors: 2 + dice.index(4),
            intervals: match (version_2, dice.below(3)) {
                (true, _) => vec![100],
                (false, 0) => vec![10],
                (false, 1) => vec![2],
                (false, _) => vec![10, 50],
            },
        }
    }

    pub(super) fn greatest_interval(&self) -> Duration {
        Duration::from_millis(u64::from(*self.intervals.iter().max().unwrap()) * 10)
    }

    /// No director waits longer than this.
    pub(super) fn greatest_down_interval(&self) -> Duration {
        let centiseconds = *self.intervals.iter().max().unwrap();
        AdverInterval::from_centiseconds(centiseconds)
            .unwrap()
            .master_down(self.version, Priority::new(1).unwrap(), 3)
    }

    pub(super) fn config(&self, who: usize, dice: &mut Dice) -> Config {
        let vrids: &[u8] = if self.grouped { &[51, 52] } else { &[51] };
        let value = u8::try_from(1 + dice.below(254)).unwrap();
        let interval = self.intervals[dice.index(self.intervals.len())];
        let preempt = match dice.below(4) {
            0 => Preempt::Never,
            1 => Preempt::After(self.greatest_interval() * 5),
            _ => Preempt::AtOnce,
        };
        let peers = (0..self.directors)
            .filter(|peer| *peer != who)
            .map(|peer| Peer::new(address(peer).into()));
        let peers: Vec<Peer> = peers.collect();
        let extra = dice.one_in(4);
        let routers: Vec<RouterConfig> = vrids
            .iter()
            .map(|vrid| {
                let mut addresses = vec![Ipv4Addr::new(10, 0, *vrid, 100)];
                if extra {
                    addresses.push(Ipv4Addr::new(10, 0, *vrid, 101));
                }
                let mut config = RouterConfig::new(
                    format!("VI_{vrid}").into(),
                    INTERFACE.into(),
                    Vrid::new(*vrid).unwrap(),
                    VirtualAddresses::v4(addresses),
                );
                config.version = self.version;
                config.authentication = self.authentication;
                config.interval = AdverInterval::from_centiseconds(interval).unwrap();
                config.priority = Priority::new(value).unwrap();
                config.preempt = preempt;
                config.tracks = vec![Track {
                    tracker: "fatal".into(),
                    weight: TrackWeight::FAULT,
                    reverse: false,
                }];
                if !self.grouped {
                    config.tracks.push(Track {
                        tracker: "weighted".into(),
                        weight: TrackWeight::new(-100).unwrap(),
                        reverse: false,
                    });
                }
                if self.unicast {
                    config.transport = Transport::Unicast {
                        peers: peers.clone(),
                        ttl: 255,
                        check_source: true,
                    };
                }
                config
            })
            .collect();
        let groups = if self.grouped {
            vec![GroupConfig {
                name: "SG".into(),
                members: routers.iter().map(|router| router.name.clone()).collect(),
                tracks: vec![],
                tracking_weight: false,
            }]
        } else {
            vec![]
        };
        Config::new(routers, groups).unwrap()
    }
}
