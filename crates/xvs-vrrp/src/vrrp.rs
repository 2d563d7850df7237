//! All virtual routers of a director: their inputs, and what moves more than one of them.
//!
//! Virtual routers move in units (see `unit`): the members of a sync group together, every other one
//! alone.

mod command;
mod reload;
mod unit;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use xvs_wire::vrrp::Vrid;

use crate::{
    Action, Config, Name, Received, Reject, RejectCounters, RouterStatus, State, TrackerStatus,
    outbox::Outbox, receive::Opened, router::VirtualRouter,
};

pub use command::CommandError;
use unit::Unit;

/// The virtual routers of a director.
///
/// It is driven from outside: after every `handle_` method, and after `reload`, `stop` and the
/// commands, poll [`poll_action`](Self::poll_action) until it is empty, then sleep until
/// [`poll_timeout`](Self::poll_timeout). Read sockets before [`handle_timeout`](Self::handle_timeout),
/// so that what arrived in time counts as in time.
#[derive(Debug, Default)]
pub struct Vrrp {
    routers: Vec<VirtualRouter>,
    units: Vec<Unit>,
    /// Where a packet goes: interface, then family and identifier.
    places: BTreeMap<Name, BTreeMap<(bool, Vrid), usize>>,
    links: BTreeMap<Name, Link>,
    trackers: BTreeMap<Name, TrackerStatus>,
    resume: BTreeMap<Name, ResumeWindow>,
    stray: RejectCounters,
    out: Outbox,
}

/// What the election must know about an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether it is up and running.
    pub up: bool,
    /// Its primary IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// Its link-local IPv6 address.
    pub v6: Option<Ipv6Addr>,
}

/// What a restarted daemon must know to go on as master: see [`Vrrp::resume_master`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// A virtual router that was master.
    pub router: Name,
    /// The sequence number of its authentication header; 0 without one.
    pub sequence: u32,
}

/// Until when a router may go on as master.
#[derive(Clone, Debug)]
struct ResumeWindow {
    /// When its predecessor last advertised, seen from now.
    age: Duration,
    told_at: Instant,
    sequence: u32,
}

/// More than a predecessor can have sent after its last note: version 2 advertises once a second at
/// most, so this is the work of 18 hours.
const SEQUENCE_RESERVE: u32 = 0x1_0000;

impl Vrrp {
    /// The virtual routers of `config`, each waiting for the first report of its interface and
    /// trackers.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut vrrp = Self::default();
        let routers = config.routers().iter().cloned();
        vrrp.install(routers.map(VirtualRouter::new).collect(), config.groups());
        vrrp
    }

    /// Tells that a predecessor was master of these virtual routers, each so long ago, and left their
    /// addresses in place. To be called right after [`Vrrp::new`].
    ///
    /// They become master at once when their interface is reported, if no backup can have given up
    /// waiting: within the missed advertisements of their own setting, without the skew. Later they
    /// begin as every other, and the addresses are released. The time counts from the router's last
    /// advertisement, on a clock that does not step.
    pub fn resume_master(&mut self, now: Instant, resume: &[(Resume, Duration)]) {
        self.resume = resume
            .iter()
            .map(|(resume, age)| {
                let window = ResumeWindow {
                    age: *age,
                    told_at: now,
                    sequence: resume.sequence.saturating_add(SEQUENCE_RESERVE),
                };
                (resume.router.clone(), window)
            })
            .collect();
    }

    /// A packet of IP protocol 112 or 51 came in.
    pub fn handle_packet(&mut self, now: Instant, received: &Received<'_>) {
        let opened = match Opened::open(received.packet) {
            Ok(opened) => opened,
            Err(reject) => return self.stray.count(reject),
        };
        let place = opened.vrid().map(|vrid| (opened.is_v4(), vrid));
        let router = place.and_then(|place| self.places.get(received.interface)?.get(&place));
        let Some(&at) = router else {
            return self.stray.count(Reject::Vrid);
        };
        let Some(router) = self.routers.get_mut(at) else {
            return;
        };
        let wish = router.handle_packet(now, &opened, &mut self.out);
        self.grant(now, at, wish);
    }

    /// Does what is due at `now`; called too early it does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        for at in 0..self.routers.len() {
            while let Some(router) = self.routers.get_mut(at)
                && let Some((timer, deadline)) = router.timers.expire(now)
            {
                let wish = router.handle_timer(now, timer, deadline, &mut self.out);
                self.grant(now, at, wish);
            }
        }
    }

    /// An interface changed, or is reported for the first time.
    pub fn handle_link(&mut self, now: Instant, interface: &str, link: Link) {
        self.links.insert(interface.into(), link);
        self.reassess(now);
    }

    /// A tracker reported. The name is the one that configurations use.
    pub fn handle_tracker(&mut self, now: Instant, tracker: &str, status: TrackerStatus) {
        self.trackers.insert(tracker.into(), status);
        self.reassess(now);
    }

    /// Addresses, routes or rules of a virtual router were removed by somebody else.
    pub fn handle_addresses_lost(&mut self, now: Instant, router: &str) {
        if let Some(at) = self.find(router)
            && let Some(router) = self.routers.get_mut(at)
        {
            router.addresses_lost(now, &mut self.out);
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.pop()
    }

    /// When [`Vrrp::handle_timeout`] has something to do; changes with every input.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.routers
            .iter()
            .filter_map(|router| router.timers.next())
            .min()
    }

    /// Every virtual router, in the order of the configuration.
    pub fn status(&self) -> impl Iterator<Item = RouterStatus> {
        self.routers.iter().map(|router| RouterStatus {
            name: router.config.name.clone(),
            state: router.state,
            reason: router.reason.clone(),
            priority: router.priority,
            source: router.source,
            master: router.master.map(|master| master.address),
            master_priority: router.master.map(|master| master.priority),
            master_interval: router.master_interval,
            master_down_interval: router.master_down_interval(),
            waits_for_group: router.wants_master,
            yielded: router.yielded,
            counters: router.counters.clone(),
        })
    }

    /// Packets that were for no virtual router, by reason; unknown identifiers among them.
    #[must_use]
    pub fn stray(&self) -> &RejectCounters {
        &self.stray
    }

    /// What a successor needs in order to go on as master; to be kept whenever a state changes.
    pub fn snapshot(&self) -> impl Iterator<Item = Resume> {
        self.routers
            .iter()
            .filter(|router| router.state == State::Master)
            .map(|router| Resume {
                router: router.config.name.clone(),
                sequence: router.sender.sequence,
            })
    }

    /// The same for one virtual router; none unless it is master.
    #[must_use]
    pub fn snapshot_of(&self, router: &str) -> Option<Resume> {
        let router = self.routers.get(self.find(router)?)?;
        (router.state == State::Master).then(|| Resume {
            router: router.config.name.clone(),
            sequence: router.sender.sequence,
        })
    }

    /// The other members of a router's unit.
    fn companions(&self, at: usize) -> Vec<usize> {
        self.routers
            .get(at)
            .and_then(|router| self.units.get(router.unit?))
            .map(|unit| {
                unit.members
                    .iter()
                    .copied()
                    .filter(|other| *other != at)
                    .collect()
            })
            .unwrap_or_default()
    }

    fn each(&mut self, which: &[usize], mut act: impl FnMut(&mut VirtualRouter, &mut Outbox)) {
        for at in which {
            if let Some(router) = self.routers.get_mut(*at) {
                act(router, &mut self.out);
            }
        }
    }

    fn name(&self, at: usize) -> Name {
        self.routers
            .get(at)
            .map_or_else(|| "".into(), |router| router.config.name.clone())
    }

    fn find(&self, router: &str) -> Option<usize> {
        self.routers
            .iter()
            .position(|candidate| candidate.config.name.as_str() == router)
    }
}
