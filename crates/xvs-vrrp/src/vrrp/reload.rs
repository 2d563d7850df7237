//! Another configuration for a running election.

use std::time::Instant;

use super::Vrrp;
use crate::{Config, NotifyKind, Reason, router::VirtualRouter};

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
}
