//! Another configuration for a running election.

use std::{collections::BTreeMap, time::Instant};

use super::{Vrrp, unit::Unit};
use crate::{Config, GroupConfig, Name, NotifyKind, Reason, router::VirtualRouter};

impl Vrrp {
    /// Goes over to `config`. What keeps its name and its place on the link keeps its state.
    ///
    /// A master is asked to take its addresses again, so that the caller brings them to what the new
    /// configuration says; it announces them when the advertised list changed. A router that left the
    /// configuration releases and is notified as deleted; one that moved to another interface,
    /// identifier, version or family begins anew. Trackers that are new count as well until they
    /// report.
    pub fn reload(&mut self, now: Instant, config: &Config) {
        let mut old: Vec<Option<VirtualRouter>> = std::mem::take(&mut self.routers)
            .into_iter()
            .map(Some)
            .collect();
        let mut routers = Vec::with_capacity(config.routers().len());
        for new in config.routers() {
            let known = old
                .iter_mut()
                .find(|slot| {
                    slot.as_ref()
                        .is_some_and(|router| router.config.name == new.name)
                })
                .and_then(Option::take);
            routers.push(match known {
                None => VirtualRouter::new(new.clone()),
                Some(mut router) => {
                    if router.config.same_place(new) {
                        router.reconfigure(now, new.clone(), &mut self.out);
                    } else {
                        router.withdraw(&mut self.out);
                        router.config = new.clone();
                        router.reason = Reason::Reload;
                    }
                    router
                }
            });
        }
        for mut router in old.into_iter().flatten() {
            router.stop(Reason::Deleted, NotifyKind::Deleted, false, &mut self.out);
        }
        self.install(routers, config.groups());
        self.reassess(now);
    }

    /// Puts `routers` into place, and builds what follows from them.
    pub(super) fn install(&mut self, routers: Vec<VirtualRouter>, groups: &[GroupConfig]) {
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
}
