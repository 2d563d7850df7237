//! Times and priorities: announcements, delays of interfaces, how the threads are scheduled.

use std::collections::BTreeMap;

use xvs_conf::config::{self as conf, VrrpInstance};
use xvs_vrrp::{AnnounceConfig, Config, Name};

use super::super::{
    Realtime,
    plan::{LinkDelay, Pauses},
};

/// How often and when a master announces its addresses.
pub(super) fn announce(instance: &VrrpInstance) -> AnnounceConfig {
    let garp = &instance.garp;
    let count = |count: u32| u8::try_from(count).unwrap_or(u8::MAX);
    let ours = AnnounceConfig::default();
    // None there is not said, and ours is slow enough to trouble nobody.
    let refresh = (!garp.refresh.is_zero())
        .then_some(garp.refresh)
        .or(ours.refresh);
    // `garp_extra_if`: switches forget an interface with a virtual MAC address that does not advertise;
    // with `all` those that do as well.
    let is_quiet =
        |vmac: &conf::Vmac| vmac.transmit_on_base || vmac.for_addresses || garp.extra_interface_all;
    let extra = (!garp.extra_interface.is_zero() && instance.vmac.as_ref().is_some_and(is_quiet))
        .then_some(garp.extra_interface);
    AnnounceConfig {
        repeat: count(garp.repeat),
        delay: garp.delay,
        refresh: refresh.into_iter().chain(extra).min(),
        refresh_repeat: count(garp.refresh_repeat),
        lower_priority_repeat: count(garp.lower_prio_repeat),
        lower_priority_delay: garp.lower_prio_delay,
    }
}

/// `vrrp_rt_priority` and `vrrp_priority` where they are given.
pub(super) fn realtime(config: &conf::Config) -> Realtime {
    let ours = Realtime::default();
    let given = config
        .global
        .kept
        .get("vrrp_rt_priority")
        .and_then(|setting| setting.words.first())
        .and_then(|word| word.parse().ok())
        .filter(|priority| (1..=99).contains(priority));
    Realtime {
        priority: given.or(ours.priority),
        ..ours
    }
}

/// `interface_up_down_delays`. A master sends nothing while its interface is down, so that this must be
/// known before the others give up waiting.
pub(super) fn delays(config: &conf::Config, routers: &Config) -> BTreeMap<Name, LinkDelay> {
    let delay = |line: &conf::InterfaceDelay| {
        let on_it = routers
            .routers()
            .iter()
            .filter(|router| router.interface.as_str() == line.interface);
        let least = on_it
            .map(|router| {
                router.interval.duration() * u32::from(router.down_adverts.saturating_sub(1))
            })
            .min();
        let delay = LinkDelay {
            down: least.map_or(line.down, |least| line.down.min(least)),
            up: line.up,
        };
        (line.interface.as_str().into(), delay)
    };
    config.interface_delays.iter().map(delay).collect()
}

/// `garp_group`: announcements go out one after the other, so that what an interface must wait all
/// those of its group wait.
pub(super) fn pauses(config: &conf::Config) -> BTreeMap<Name, Pauses> {
    let groups = config.garp_groups.iter();
    let pauses = groups.flat_map(|group| {
        let pauses = Pauses {
            arp: group.garp_interval.unwrap_or_default(),
            advertisement: group.gna_interval.unwrap_or_default(),
        };
        let interfaces = group.interfaces.iter();
        interfaces.map(move |interface| (interface.as_str().into(), pauses))
    });
    pauses.collect()
}
