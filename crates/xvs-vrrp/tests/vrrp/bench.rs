//! One director on a bench: a virtual clock, hand-made advertisements, and what it does with them.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use xvs_vrrp::{
    Action, AdverInterval, Config, Ingress, Link, Name, NotifyKind, Priority, Received,
    RouterConfig, RouterStatus, State, Subject, Transmit, Version, VirtualAddresses, Vrid, Vrrp,
};
use xvs_wire::vrrp::{Envelope, Packet};

pub(crate) const INTERFACE: &str = "eth0";
pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 5);
/// A peer with a lower address than ours.
pub(crate) const BELOW: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// A peer with a higher address than ours.
pub(crate) const ABOVE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 9);

pub(crate) const UP: Link = Link {
    up: true,
    v4: Some(OURS),
    v6: None,
};

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn priority(value: u8) -> Priority {
    Priority::new(value).unwrap()
}

/// Priority 100, version 3, an interval of 100 ms: a master down interval of 360.9375 ms.
pub(crate) fn config(name: &str, vrid: u8) -> RouterConfig {
    let mut config = RouterConfig::new(
        name.into(),
        INTERFACE.into(),
        Vrid::new(vrid).unwrap(),
        VirtualAddresses::v4([Ipv4Addr::new(10, 99, 0, 100), Ipv4Addr::new(10, 99, 0, 101)]),
    );
    config.version = Version::V3;
    config.interval = AdverInterval::from_centiseconds(10).unwrap();
    config
}

/// A director that is driven by hand.
pub(crate) struct Bench {
    pub(crate) vrrp: Vrrp,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    /// Every action, with its time since the start.
    pub(crate) actions: Vec<(Duration, Action)>,
}

impl Bench {
    /// A director whose link has not been reported.
    pub(crate) fn silent(config: &Config) -> Self {
        let start = Instant::now();
        Self {
            vrrp: Vrrp::new(config),
            start,
            now: start,
            actions: Vec::new(),
        }
    }

    /// A director with one virtual router, whose link is up.
    pub(crate) fn new(config: RouterConfig) -> Self {
        Self::with(&Config::new(vec![config], vec![]).unwrap())
    }

    pub(crate) fn with(config: &Config) -> Self {
        let mut bench = Self::silent(config);
        bench.link(UP);
        bench
    }

    /// One that has become master, with what it did until then forgotten.
    pub(crate) fn master(config: RouterConfig) -> Self {
        let mut bench = Self::new(config);
        bench.pass(ms(400));
        assert_eq!(bench.state(), State::Master);
        bench.actions.clear();
        bench
    }

    pub(crate) fn link(&mut self, link: Link) {
        self.vrrp.handle_link(self.now, INTERFACE, link);
        self.drain();
    }

    /// Lets `time` pass, with every timer served when it is due.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.vrrp.poll_timeout().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.vrrp.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Lets `time` pass without being run.
    pub(crate) fn sleep(&mut self, time: Duration) {
        self.now += time;
        self.vrrp.handle_timeout(self.now);
        self.drain();
    }

    /// Receives a datagram.
    pub(crate) fn datagram(&mut self, datagram: &[u8]) {
        let received = Received {
            interface: INTERFACE,
            packet: Ingress::V4 { datagram },
        };
        self.vrrp.handle_packet(self.now, &received);
        self.drain();
    }

    /// Receives an advertisement like our own, from a peer of another priority.
    pub(crate) fn advert(&mut self, config: &RouterConfig, from: Ipv4Addr, priority: u8) {
        let datagram = advert(config, from, priority);
        self.datagram(&datagram);
    }

    pub(crate) fn state(&self) -> State {
        self.status().state
    }

    pub(crate) fn status(&self) -> RouterStatus {
        self.vrrp.status().next().unwrap()
    }

    pub(crate) fn drain(&mut self) {
        let at = self.now - self.start;
        while let Some(action) = self.vrrp.poll_action() {
            self.actions.push((at, action));
        }
    }

    /// Notifications of routers and groups, in their order.
    pub(crate) fn notifications(&self) -> Vec<(String, NotifyKind)> {
        self.actions
            .iter()
            .filter_map(|(_, action)| match action {
                Action::Notify(notification) => Some((
                    match &notification.subject {
                        Subject::Group(name) => format!("group {name}"),
                        Subject::Router(name) => name.to_string(),
                    },
                    notification.kind,
                )),
                _ => None,
            })
            .collect()
    }

    /// Priorities of the advertisements sent, with their times.
    pub(crate) fn adverts(&self) -> Vec<(Duration, u8)> {
        self.actions
            .iter()
            .filter_map(|(at, action)| match action {
                Action::Advertise { transmit, .. } => Some((*at, sent_priority(transmit))),
                _ => None,
            })
            .collect()
    }

    /// Rounds of announcements, with their times.
    pub(crate) fn announcements(&self) -> Vec<(Duration, u8)> {
        self.actions
            .iter()
            .filter_map(|(at, action)| match action {
                Action::Announce { rounds, .. } => Some((*at, *rounds)),
                _ => None,
            })
            .collect()
    }

    /// What the log says, without what is no line of it.
    pub(crate) fn log(&self) -> Vec<String> {
        self.actions
            .iter()
            .filter_map(|(_, action)| match action {
                Action::Log { event, .. } => Some(event.to_string()),
                _ => None,
            })
            .collect()
    }
}

pub(crate) fn sent_priority(transmit: &Transmit) -> u8 {
    match transmit {
        Transmit::V4 { datagram, .. } => {
            let (envelope, message) = Envelope::parse(datagram).unwrap();
            let packet = Packet::new_checked(message, envelope.path()).unwrap();
            packet.priority()
        }
        Transmit::V6 { message, .. } => message[2],
    }
}

/// What a director of `config` with another address and priority sends to the group: taken from a
/// director of that kind, so that authentication and checksums are its own.
pub(crate) fn advert(config: &RouterConfig, from: Ipv4Addr, priority: u8) -> Vec<u8> {
    let mut config = config.clone();
    config.source = Some(from.into());
    config.startup_delay = Duration::ZERO;
    let release = priority == 0;
    config.priority = Priority::new(priority.max(1)).unwrap();
    let mut bench = Bench::new(config);
    bench.pass(Duration::from_secs(10));
    if release {
        bench.actions.clear();
        bench.vrrp.stop(false);
        bench.drain();
    }
    bench
        .actions
        .into_iter()
        .find_map(|(_, action)| match action {
            Action::Advertise {
                transmit: Transmit::V4 { datagram, .. },
                ..
            } => Some(datagram),
            _ => None,
        })
        .unwrap()
}

/// The advertisement in a datagram with its message changed by `change`, sealed by no checksum.
pub(crate) fn tampered(datagram: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut datagram = datagram.to_vec();
    change(&mut datagram);
    let total = u16::try_from(datagram.len()).unwrap().to_be_bytes();
    datagram[2..4].copy_from_slice(&total);
    datagram[10..12].fill(0);
    let sum = xvs_wire::checksum::finish(&datagram[..20], 0);
    datagram[10..12].copy_from_slice(&sum.to_ne_bytes());
    datagram
}

pub(crate) fn name(text: &str) -> Name {
    text.into()
}

/// What was notified, in order.
pub(crate) fn kinds(bench: &Bench) -> Vec<NotifyKind> {
    bench
        .notifications()
        .into_iter()
        .map(|(_, kind)| kind)
        .collect()
}
