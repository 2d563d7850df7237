//! All virtual routers of a director: their inputs, and what moves more than one of them.
//!
//! Virtual routers move in *units*: the members of a sync group together, every other one alone.
//! Faults and priorities are computed anew from links and trackers whenever one of these changes,
//! so there is no count of failures that could run wrong.

mod command;
mod reload;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use xvs_wire::vrrp::Vrid;

use crate::{
    Action, Config, GroupConfig, Name, NotifyKind, Reason, Received, Reject, RejectCounters,
    RouterStatus, State, Track, TrackerStatus,
    action::{Notification, Subject},
    outbox::Outbox,
    receive::Opened,
    router::{VirtualRouter, Wish},
    tracking::Effect,
};

pub use command::CommandError;

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

/// Virtual routers that move together.
#[derive(Debug)]
struct Unit {
    members: Vec<usize>,
    group: Option<GroupConfig>,
    /// What was last notified for the group.
    notified: Option<NotifyKind>,
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

/// How a unit or one of its members stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Fault(Reason),
    Pending,
    Ready,
}

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

    /// Tells that a predecessor was master of these virtual routers `age` ago, and left their
    /// addresses in place. To be called right after [`Vrrp::new`].
    ///
    /// They become master at once when their interface is reported, if no backup can have given up
    /// waiting: within the missed advertisements of their own setting, without the skew. Later they
    /// begin as every other, and the addresses are released. `age` counts from the last
    /// advertisement, on a clock that does not step.
    pub fn resume_master(&mut self, now: Instant, age: Duration, resume: &[Resume]) {
        self.resume = resume
            .iter()
            .map(|resume| {
                let window = ResumeWindow {
                    age,
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

    /// Puts `routers` into place, and builds what follows from them.
    fn install(&mut self, routers: Vec<VirtualRouter>, groups: &[GroupConfig]) {
        self.routers = routers;
        self.places.clear();
        for (at, router) in self.routers.iter().enumerate() {
            let config = &router.config;
            self.places
                .entry(config.interface.clone())
                .or_default()
                .insert((config.addresses.is_v4(), config.vrid), at);
        }
        let mut notified: BTreeMap<Name, Option<NotifyKind>> = std::mem::take(&mut self.units)
            .into_iter()
            .filter_map(|unit| Some((unit.group?.name, unit.notified)))
            .collect();
        for group in groups {
            let members = group
                .members
                .iter()
                .filter_map(|name| self.find(name.as_str()));
            self.units.push(Unit {
                members: members.collect(),
                notified: notified.remove(&group.name).flatten(),
                group: Some(group.clone()),
            });
        }
        for (name, kind) in notified {
            if kind.is_some() {
                self.notify_group(name, NotifyKind::Deleted, Reason::Deleted);
            }
        }
        for router in &mut self.routers {
            router.unit = None;
        }
        for (position, unit) in self.units.iter().enumerate() {
            for &member in &unit.members {
                if let Some(router) = self.routers.get_mut(member) {
                    router.unit = Some(position);
                }
            }
        }
        for (at, router) in self.routers.iter_mut().enumerate() {
            if router.unit.is_none() {
                router.unit = Some(self.units.len());
                self.units.push(Unit {
                    members: vec![at],
                    group: None,
                    notified: None,
                });
            }
            router.grouped = router
                .unit
                .and_then(|unit| self.units.get(unit))
                .is_some_and(|unit| unit.group.is_some());
        }
    }

    /// Lets a virtual router have what it wants, if its unit agrees.
    fn grant(&mut self, now: Instant, at: usize, wish: Wish) {
        let others = self.companions(at);
        match wish {
            Wish::Stay => return,
            Wish::AnnounceGroup => {
                self.each(&others, |router, out| router.announce_conflict(now, out));
            }
            Wish::Backup(reason) => {
                let member = self.name(at);
                self.each(&[at], |router, out| {
                    router.enter_backup(now, reason.clone(), out)
                });
                self.each(&others, |router, out| {
                    if router.state == State::Master {
                        let member = member.clone();
                        router.enter_backup(now, Reason::Group { member }, out);
                    }
                });
            }
            Wish::Master(reason) => {
                let agreed = others
                    .iter()
                    .filter_map(|at| self.routers.get(*at))
                    .all(|router| {
                        router.state == State::Master
                            || (router.state == State::Backup && router.wants_master)
                    });
                if !agreed {
                    self.each(&[at], |router, _| {
                        router.wants_master = true;
                        router.wait_for_master(now);
                    });
                    return;
                }
                let member = self.name(at);
                self.each(&[at], |router, out| {
                    router.enter_master(now, reason.clone(), out)
                });
                self.each(&others, |router, out| {
                    if router.state != State::Master {
                        let member = member.clone();
                        router.enter_master(now, Reason::Group { member }, out);
                    }
                });
            }
        }
        self.notify_groups();
    }

    /// Computes faults and priorities anew, and moves every unit that they concern.
    fn reassess(&mut self, now: Instant) {
        for position in 0..self.units.len() {
            let Some(unit) = self.units.get(position) else {
                continue;
            };
            let members = unit.members.clone();
            let group_tracks = unit.group.as_ref().map(|group| group.tracks.clone());
            let group_tracks = group_tracks.unwrap_or_default();
            let conditions: Vec<Condition> = members
                .iter()
                .map(|at| self.condition(*at, &group_tracks))
                .collect();
            self.move_unit(now, &members, &conditions);
        }
        self.notify_groups();
    }

    /// How a router stands by itself. Its address and effective priority follow on the way.
    fn condition(&mut self, at: usize, group_tracks: &[Track]) -> Condition {
        let Some(router) = self.routers.get_mut(at) else {
            return Condition::Pending;
        };
        let running = !matches!(router.state, State::Init);
        let config = &router.config;
        let mut contribution = 0i32;
        let mut fault = None;
        let mut pending = false;
        for track in config.tracks.iter().chain(group_tracks) {
            match track.effect(self.trackers.get(&track.tracker).copied()) {
                Effect::Fault => {
                    fault.get_or_insert_with(|| Reason::TrackerDown {
                        tracker: track.tracker.clone(),
                    });
                }
                // A tracker that a reload brought counts as well until it reports.
                Effect::Pending => pending |= !running,
                Effect::Priority(change) => contribution = contribution.saturating_add(change),
            }
        }
        let interface = || config.interface.clone();
        match self.links.get(&config.interface) {
            None => pending |= !running,
            Some(link) => {
                let own = if config.addresses.is_v4() {
                    link.v4.map(IpAddr::from)
                } else {
                    link.v6.map(IpAddr::from)
                };
                router.source = config.source.or(own);
                if !link.up && config.track_interface {
                    fault = Some(Reason::InterfaceDown {
                        interface: interface(),
                    });
                } else if router.source.is_none() {
                    fault = Some(Reason::NoSourceAddress {
                        interface: interface(),
                    });
                }
            }
        }
        let base = router.override_priority.unwrap_or(config.priority);
        router.set_priority(base.adjusted(contribution), &mut self.out);
        match fault {
            Some(reason) => Condition::Fault(reason),
            None if pending => Condition::Pending,
            None => Condition::Ready,
        }
    }

    /// Moves the members of a unit as their conditions ask: one fault is the fault of all.
    fn move_unit(&mut self, now: Instant, members: &[usize], conditions: &[Condition]) {
        let culprit = members.iter().zip(conditions).find_map(|(at, condition)| {
            matches!(condition, Condition::Fault(_)).then(|| self.name(*at))
        });
        if let Some(member) = culprit {
            for (at, condition) in members.iter().zip(conditions) {
                let reason = match condition {
                    Condition::Fault(reason) => reason.clone(),
                    Condition::Pending | Condition::Ready => Reason::Group {
                        member: member.clone(),
                    },
                };
                self.each(&[*at], |router, out| {
                    if !matches!(router.state, State::Fault | State::Stopped) {
                        router.enter_fault(reason.clone(), out);
                    }
                });
            }
            return;
        }
        if conditions.contains(&Condition::Pending) {
            return;
        }
        let resumes = members.iter().all(|at| self.may_resume(now, *at));
        let owners = members
            .iter()
            .filter_map(|at| self.routers.get(*at))
            .all(|router| router.config.starts_as_owner());
        for at in members {
            let sequence = self
                .routers
                .get(*at)
                .filter(|router| router.state == State::Init)
                .and_then(|router| self.resume.remove(&router.config.name))
                .map(|window| window.sequence);
            self.each(&[*at], |router, out| {
                if let Some(sequence) = sequence {
                    router.sender.sequence = router.sender.sequence.max(sequence);
                }
                match router.state {
                    State::Init if resumes => router.enter_master(now, Reason::Resumed, out),
                    State::Init | State::Fault if owners => {
                        router.enter_master(now, Reason::Owner, out);
                    }
                    State::Init => router.start_as_backup(now, out),
                    State::Fault => router.enter_backup(now, Reason::Recovered, out),
                    State::Backup | State::Master | State::Stopped => {}
                }
            });
        }
    }

    /// Whether a router's predecessor was master so recently that nobody has taken over.
    fn may_resume(&self, now: Instant, at: usize) -> bool {
        let Some(router) = self.routers.get(at) else {
            return false;
        };
        self.resume.get(&router.config.name).is_some_and(|window| {
            let silent = window.age + now.saturating_duration_since(window.told_at);
            let adverts = u32::from(router.config.down_adverts);
            router.state == State::Init && silent < router.config.interval.duration() * adverts
        })
    }

    /// Notifies each group whose members have all come to another state.
    fn notify_groups(&mut self) {
        for position in 0..self.units.len() {
            let Some(unit) = self.units.get(position) else {
                continue;
            };
            let (Some(group), Some((kind, reason))) = (&unit.group, self.common_state(unit)) else {
                continue;
            };
            if unit.notified == Some(kind) {
                continue;
            }
            let name = group.name.clone();
            if let Some(unit) = self.units.get_mut(position) {
                unit.notified = Some(kind);
            }
            self.notify_group(name, kind, reason);
        }
    }

    /// The state that all members share, with the reason of the member that brought it.
    fn common_state(&self, unit: &Unit) -> Option<(NotifyKind, Reason)> {
        let mut members = unit.members.iter().filter_map(|at| self.routers.get(*at));
        let first = members.clone().next()?;
        let cause = members
            .clone()
            .find(|router| !matches!(router.reason, Reason::Group { .. }))
            .unwrap_or(first);
        if !members.all(|router| router.state == first.state) {
            return None;
        }
        let kind = match first.state {
            State::Backup => NotifyKind::Backup,
            State::Fault => NotifyKind::Fault,
            State::Init => return None,
            State::Master => NotifyKind::Master,
            State::Stopped => NotifyKind::Stop,
        };
        Some((kind, cause.reason.clone()))
    }

    fn notify_group(&mut self, group: Name, kind: NotifyKind, reason: Reason) {
        self.out.push(Action::Notify(Notification {
            subject: Subject::Group(group),
            kind,
            priority: 0,
            reason,
        }));
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
