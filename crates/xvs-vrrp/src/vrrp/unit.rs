//! Virtual routers move in *units*: the members of a sync group together, every other one alone.
//!
//! Faults and priorities are computed anew from links and trackers whenever one of these changes, so
//! there is no count of failures that could run wrong.

use std::{net::IpAddr, time::Instant};

use super::Vrrp;
use crate::{
    Action, GroupConfig, Name, NotifyKind, Reason, State, Track,
    action::{Notification, Subject},
    router::Wish,
    tracking::Effect,
};

/// Virtual routers that move together.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) members: Vec<usize>,
    pub(super) group: Option<GroupConfig>,
    /// What was last notified for the group.
    pub(super) notified: Option<NotifyKind>,
}

/// How a unit or one of its members stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Fault(Reason),
    Pending,
    Ready,
}

impl Vrrp {
    /// Lets a virtual router have what it wants, if its unit agrees.
    pub(super) fn grant(&mut self, now: Instant, at: usize, wish: Wish) {
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
    pub(super) fn reassess(&mut self, now: Instant) {
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
    pub(super) fn notify_groups(&mut self) {
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

    pub(super) fn notify_group(&mut self, group: Name, kind: NotifyKind, reason: Reason) {
        self.out.push(Action::Notify(Notification {
            subject: Subject::Group(group),
            kind,
            priority: 0,
            reason,
        }));
    }
}
