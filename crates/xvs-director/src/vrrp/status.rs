//! The status of virtual routers as the API tells it.

use std::{collections::BTreeMap, time::Duration};

use xvs_control::wire::{VirtualRouterCounters, VirtualRouterStatus, VrrpStatus};
use xvs_vrrp::{RejectCounters, RouterCounters, RouterStatus};

use super::{Plan, Status, service::Told};

/// What is known of all virtual routers.
pub(super) fn status(found: &Status, plan: &Plan, told: &Told) -> VrrpStatus {
    VrrpStatus {
        routers: found
            .routers
            .iter()
            .map(|router| one(router, plan, told))
            .collect(),
        stray: reasons(&found.stray),
        not_taken: found.not_taken,
    }
}

fn one(router: &RouterStatus, plan: &Plan, told: &Told) -> VirtualRouterStatus {
    let configs = plan.config.routers().iter();
    let config = configs.clone().find(|config| config.name == router.name);
    let groups = plan.config.groups().iter();
    let group = groups
        .clone()
        .find(|group| group.members.contains(&router.name));
    let holding = plan.holdings.get(&router.name);
    let transitions: Vec<_> = told
        .transitions
        .get(&router.name)
        .map(|kept| kept.iter().cloned().collect())
        .unwrap_or_default();
    VirtualRouterStatus {
        name: router.name.to_string(),
        state: router.state.to_string(),
        reason: router.reason.to_string(),
        since_ms: transitions
            .last()
            .map(|last: &xvs_control::wire::VrrpTransition| last.at_ms),
        interface: config.map_or_else(String::new, |config| config.interface.to_string()),
        vrid: config.map_or(0, |config| config.vrid.get()),
        version: config.map_or(0, |config| config.version.number()),
        configured_priority: config.map_or(0, |config| config.priority.get()),
        priority: router.priority.get(),
        addresses: holding
            .map(|holding| holding.addresses.iter().map(|one| one.address).collect())
            .unwrap_or_default(),
        source: router.source,
        master: router.master,
        master_priority: router.master_priority,
        interval_ms: config.map_or(0, |config| milliseconds(config.interval.duration())),
        master_interval_ms: milliseconds(router.master_interval.duration()),
        master_down_ms: milliseconds(router.master_down_interval),
        group: group.map(|group| group.name.to_string()),
        waits_for_group: router.waits_for_group,
        yielded: router.yielded,
        counters: counters(&router.counters),
        transitions,
    }
}

fn counters(counters: &RouterCounters) -> VirtualRouterCounters {
    let lateness = counters.greatest_lateness.as_micros();
    VirtualRouterCounters {
        sent: counters.sent,
        not_sent: counters.not_sent,
        received: counters.received,
        releases_received: counters.releases_received,
        addresses_differ: counters.addresses_differ,
        rejected: reasons(&counters.rejected),
        became_master: counters.became_master,
        released_master: counters.released_master,
        releases_sent: counters.releases_sent,
        conflicts_won: counters.conflicts_won,
        addresses_lost: counters.addresses_lost,
        late_adverts: counters.late_adverts,
        greatest_lateness_us: u64::try_from(lateness).unwrap_or(u64::MAX),
    }
}

fn reasons(counters: &RejectCounters) -> BTreeMap<String, u64> {
    counters
        .iter()
        .map(|(reject, count)| (reject.name().to_owned(), count))
        .collect()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
