//! From a keepalived configuration to a [`Plan`].
//!
//! What the election cannot do is said: an error where the virtual router would be another one than was
//! meant, a note where it is the same with less.

mod holding;
mod routing;
mod timing;

use std::{net::IpAddr, time::Duration};

use xvs_conf::config::{
    self as conf, Authentication, Checksum, InitialState, SyncGroup, Tracked, VrrpInstance,
};
use xvs_types::Family;
use xvs_vrrp::{
    AdverInterval, AuthenticationConfig, ChecksumPolicy, Config, ConfigError, GroupConfig, Initial,
    Name, Peer, Preempt, Priority, RouterConfig, Track, TrackWeight, Transport, Version,
    VirtualAddresses, Vrid,
};
use xvs_wire::vrrp::TTL;

use super::Plan;
use timing::{announce, delays, pauses, realtime};

/// A plan, and what of the configuration it leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// The plan.
    pub plan: Plan,
    /// What was left out, a sentence each.
    pub notes: Vec<String>,
}

/// Why a configuration cannot become a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// Virtual routers or groups do not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A number is out of range; the reader of configurations lets none through.
    #[error("virtual router `{router}`: {setting} is out of range")]
    Range {
        /// Which one.
        router: String,
        /// The keyword.
        setting: &'static str,
    },
    /// Its advertisements have no interface.
    #[error("virtual router `{router}`: name its `interface`")]
    NoInterface {
        /// Which one.
        router: String,
    },
}

/// The plan of a configuration.
///
/// # Errors
///
/// All reasons for which there can be none.
pub fn convert(config: &conf::Config) -> Result<Converted, Vec<ConvertError>> {
    let mut converted = Converted::default();
    let mut errors = Vec::new();
    let mut routers = Vec::new();
    for instance in &config.instances {
        match router(config, instance, &mut converted) {
            Ok(router) => {
                let held = holding::holding(config, instance, &router, &mut converted.notes);
                converted.plan.holdings.insert(router.name.clone(), held);
                routers.push(router);
            }
            Err(error) => errors.push(error),
        }
    }
    let groups = config.sync_groups.iter().map(group).collect();
    match Config::new(routers, groups) {
        Ok(config) => converted.plan.config = config,
        Err(several) => errors.extend(several.into_iter().map(ConvertError::from)),
    }
    let lists = config
        .instances
        .iter()
        .map(|instance| &instance.track_interfaces);
    let of_groups = config
        .sync_groups
        .iter()
        .map(|group| &group.track_interfaces);
    for tracked in lists.chain(of_groups).flatten() {
        let name = tracked.name.as_str().into();
        let tracker = Tracker::Interface.named(&tracked.name);
        converted.plan.interfaces.insert(name, tracker);
    }
    converted.plan.delays = delays(config, &converted.plan.config);
    converted.plan.pauses = pauses(config);
    converted.plan.fixed = holding::fixed(config, &mut converted.notes);
    converted.plan.hear_strangers = config.global.log_unknown_vrids;
    converted.plan.realtime = realtime(config);
    if errors.is_empty() {
        Ok(converted)
    } else {
        Err(errors)
    }
}

fn router(
    config: &conf::Config,
    instance: &VrrpInstance,
    converted: &mut Converted,
) -> Result<RouterConfig, ConvertError> {
    let range = |setting| ConvertError::Range {
        router: instance.name.clone(),
        setting,
    };
    let interface = instance
        .interface
        .as_deref()
        .ok_or_else(|| ConvertError::NoInterface {
            router: instance.name.clone(),
        })?;
    let vrid = Vrid::new(instance.virtual_router_id).ok_or_else(|| range("virtual_router_id"))?;
    let mut router = RouterConfig::new(
        instance.name.as_str().into(),
        interface.into(),
        vrid,
        addresses(instance),
    );
    router.version = match instance.version {
        2 => Version::V2,
        3 => Version::V3,
        _ => return Err(range("version")),
    };
    router.initial = match instance.state {
        InitialState::Backup => Initial::Backup,
        InitialState::Master => Initial::Master,
    };
    router.priority = Priority::new(instance.priority).ok_or_else(|| range("priority"))?;
    router.interval = interval(instance.advert_interval).ok_or_else(|| range("advert_int"))?;
    router.down_adverts = instance.down_timer_adverts;
    router.preempt = preempt(instance);
    router.authentication = authentication(instance.authentication.as_ref());
    router.transport = transport(instance);
    router.multicast_group = multicast_group(&config.global, instance);
    router.source = instance.source;
    router.checksum = match instance.checksum {
        Checksum::AsV2 => ChecksumPolicy::Rfc9568,
        Checksum::Automatic => ChecksumPolicy::Rfc5798,
        Checksum::NeverOld => ChecksumPolicy::Rfc5798Always,
        Checksum::OldUnicast => ChecksumPolicy::OldUnicast,
    };
    router.accept = instance.accept;
    router.strict = instance.strict;
    router.skip_check_adv_addr = instance.skip_check_adv_addr;
    router.announce = announce(instance);
    router.answer_lower_priority = !instance.lower_prio_no_advert;
    router.answer_higher_priority = instance.higher_prio_send_advert;
    router.owner_ignores_adverts = instance.owner_ignore_adverts;
    router.track_interface = !instance.dont_track_primary;
    router.notify_priority_changes = instance.notify_priority_changes;
    router.startup_delay = config.global.vrrp_startup_delay;
    router.tracks = tracks(&[
        (Tracker::Interface, &instance.track_interfaces),
        (Tracker::Script, &instance.track_scripts),
        (Tracker::File, &instance.track_files),
        (Tracker::Process, &instance.track_processes),
        (Tracker::Bfd, &instance.track_bfd),
    ]);
    if let (true, Some(source)) = (instance.track_source, instance.source) {
        let tracker: Name = format!("source address of {}", instance.name).into();
        let place = (router.interface.clone(), source);
        converted.plan.sources.insert(tracker.clone(), place);
        router.tracks.push(fault_of(tracker));
    }
    for fault in &instance.faults {
        let tracker: Name = format!("configuration of {}: {fault}", instance.name).into();
        router.tracks.push(fault_of(tracker.clone()));
        converted.plan.faults.push(tracker);
    }
    forget_weights_in_a_group(config, &mut router, &mut converted.notes);
    Ok(router)
}

/// A member of a sync group whose priority moved would part from the others, so keepalived ignores
/// what is tracked with a weight there, unless the group allows it; of an interface it ignores the
/// weight alone, so that its loss is a fault.
fn forget_weights_in_a_group(
    config: &conf::Config,
    router: &mut RouterConfig,
    notes: &mut Vec<String>,
) {
    let bound = config
        .sync_groups
        .iter()
        .any(|group| group.binds(router.name.as_str()));
    if !bound {
        return;
    }
    for track in &mut router.tracks {
        if track.weight == TrackWeight::FAULT {
            continue;
        }
        let is_interface = track
            .tracker
            .as_str()
            .starts_with(Tracker::Interface.kind());
        let what = if is_interface {
            "its loss is a fault"
        } else {
            "it is not followed"
        };
        notes.push(format!(
            "virtual router `{}`: {} has a weight, so {what} in a sync group without \
             `sync_group_tracking_weight`",
            router.name, track.tracker
        ));
        if is_interface {
            track.weight = TrackWeight::FAULT;
        }
    }
    router
        .tracks
        .retain(|track| track.weight == TrackWeight::FAULT);
}

/// What is tracked; its name in the election says so, since a script and a file may have one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tracker {
    Bfd,
    File,
    Interface,
    Process,
    Script,
}

impl Tracker {
    /// The name under which the election knows the tracker `name`.
    pub(super) fn named(self, name: &str) -> Name {
        format!("{} {name}", self.kind()).into()
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Bfd => "BFD session",
            Self::File => "file",
            Self::Interface => "interface",
            Self::Process => "process",
            Self::Script => "script",
        }
    }
}

fn tracks(lists: &[(Tracker, &Vec<Tracked>)]) -> Vec<Track> {
    let tracked = lists
        .iter()
        .flat_map(|(kind, list)| list.iter().map(move |tracked| (kind, tracked)));
    tracked
        .map(|(kind, tracked)| Track {
            tracker: kind.named(&tracked.name),
            // The reader of configurations lets no greater weight through.
            weight: TrackWeight::new(tracked.weight.weight).unwrap_or_default(),
            reverse: tracked.weight.reverse,
        })
        .collect()
}

/// While `tracker` is down, the virtual router is in FAULT.
fn fault_of(tracker: Name) -> Track {
    Track {
        tracker,
        weight: TrackWeight::FAULT,
        reverse: false,
    }
}

fn group(group: &SyncGroup) -> GroupConfig {
    GroupConfig {
        name: group.name.as_str().into(),
        members: group
            .members
            .iter()
            .map(|name| name.as_str().into())
            .collect(),
        tracks: tracks(&[
            (Tracker::Interface, &group.track_interfaces),
            (Tracker::Script, &group.track_scripts),
            (Tracker::File, &group.track_files),
            (Tracker::Process, &group.track_processes),
            (Tracker::Bfd, &group.track_bfd),
        ]),
        tracking_weight: group.tracking_weight,
    }
}

fn addresses(instance: &VrrpInstance) -> VirtualAddresses {
    let all = instance.addresses.iter().map(|one| one.address);
    match instance.family {
        Family::V4 => VirtualAddresses::v4(all.filter_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })),
        Family::V6 => VirtualAddresses::v6(all.filter_map(|address| match address {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        })),
    }
}

fn interval(time: Duration) -> Option<AdverInterval> {
    AdverInterval::from_centiseconds(u16::try_from(time.as_millis() / 10).ok()?)
}

fn preempt(instance: &VrrpInstance) -> Preempt {
    if instance.nopreempt {
        Preempt::Never
    } else if instance.preempt_delay.is_zero() {
        Preempt::AtOnce
    } else {
        Preempt::After(instance.preempt_delay)
    }
}

fn authentication(authentication: Option<&Authentication>) -> AuthenticationConfig {
    let key = |bytes: &[u8]| {
        let mut key = [0; 8];
        for (slot, byte) in key.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        key
    };
    match authentication {
        Some(Authentication::Ah(bytes)) => AuthenticationConfig::Header(key(bytes)),
        Some(Authentication::Pass(bytes)) => AuthenticationConfig::Password(key(bytes)),
        None => AuthenticationConfig::None,
    }
}

/// The instance's own group, else that of all.
fn multicast_group(global: &conf::GlobalDefs, instance: &VrrpInstance) -> Option<IpAddr> {
    instance.multicast_group.or(match instance.family {
        Family::V4 => global.vrrp_mcast_group4,
        Family::V6 => global.vrrp_mcast_group6,
    })
}

fn transport(instance: &VrrpInstance) -> Transport {
    if instance.unicast_peers.is_empty() {
        return Transport::Multicast;
    }
    Transport::Unicast {
        peers: instance
            .unicast_peers
            .iter()
            .map(|peer| Peer {
                address: peer.address,
                min_ttl: peer.min_ttl,
                max_ttl: peer.max_ttl,
            })
            .collect(),
        ttl: instance.unicast_ttl.unwrap_or(TTL),
        check_source: instance.check_unicast_src,
    }
}

#[cfg(test)]
mod tests;
