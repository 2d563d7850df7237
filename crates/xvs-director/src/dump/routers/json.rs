//! The `data` of a virtual router in keepalived's JSON.

use serde_json::{Map, Value, json};
use xvs_conf::config::{
    Authentication, Config, InitialState, PolicyRule, Route, Tracked, VirtualAddress, VrrpInstance,
};
use xvs_control::wire::VirtualRouterStatus;

use super::words;

/// A virtual router of `config`.
pub(super) fn data(
    instance: &VrrpInstance,
    status: &VirtualRouterStatus,
    config: Option<&Config>,
) -> Value {
    let vmac = words::vmac_name(instance);
    let base = instance.interface.clone().unwrap_or_default();
    let garp = &instance.garp;
    let mut data = json!({
        "iname": instance.name,
        "dont_track_primary": u8::from(instance.dont_track_primary),
        "skip_check_adv_addr": u8::from(instance.skip_check_adv_addr),
        "strict_mode": u8::from(instance.strict),
        "vmac_ifname": vmac.clone().unwrap_or_default(),
        "ifp_ifname": vmac.unwrap_or(base),
        "master_priority": status.master_priority.unwrap_or(0),
        "last_transition": words::milliseconds(status.since_ms.unwrap_or(0)),
        "garp_delay": words::seconds(garp.delay),
        "garp_refresh": words::seconds(garp.refresh),
        "garp_rep": garp.repeat,
        "garp_refresh_rep": garp.refresh_repeat,
        "garp_lower_prio_delay": words::seconds(garp.lower_prio_delay),
        "garp_lower_prio_rep": garp.lower_prio_repeat,
        "lower_prio_no_advert": u8::from(instance.lower_prio_no_advert),
        "higher_prio_send_advert": u8::from(instance.higher_prio_send_advert),
        "vrid": instance.virtual_router_id,
        "base_priority": instance.priority,
        "effective_priority": status.priority,
        "vipset": status.state == "MASTER",
        "promote_secondaries": instance.promote_secondaries,
        "adver_int": words::seconds(instance.advert_interval),
        "master_adver_int": words::milliseconds(status.master_interval_ms),
        "accept": u8::from(instance.accept),
        "nopreempt": instance.nopreempt,
        "preempt_delay": words::seconds(instance.preempt_delay),
        "state": state(&status.state),
        "wantstate": wanted(instance, &status.state),
        "version": instance.version,
        "smtp_alert": instance.notification.smtp_alert,
        "notify_deleted": instance.notification.tells_deletion,
    });
    if let Some(object) = data.as_object_mut() {
        add_scripts(object, instance);
        add_lists(object, instance, status.state == "MASTER", config);
        add_authentication(object, instance);
    }
    data
}

fn add_scripts(object: &mut Map<String, Value>, instance: &VrrpInstance) {
    let told = &instance.notification;
    for (name, script) in [
        ("script_backup", &told.backup),
        ("script_master", &told.master),
        ("script_fault", &told.fault),
        ("script_stop", &told.stop),
        ("script_deleted", &told.deleted),
        ("script", &told.any),
        ("script_master_rx_lower_pri", &told.master_rx_lower_priority),
    ] {
        if let Some(script) = script {
            object.insert(name.to_owned(), words::command(script).into());
        }
    }
}

/// The lists; an empty one is left out.
fn add_lists(
    object: &mut Map<String, Value>,
    instance: &VrrpInstance,
    is_set: bool,
    config: Option<&Config>,
) {
    let addresses = |list: &[VirtualAddress]| -> Vec<String> {
        let texts = list.iter();
        texts
            .map(|address| words::address(address, instance, is_set))
            .collect()
    };
    for (name, list) in [
        ("vips", addresses(&instance.addresses)),
        ("evips", addresses(&instance.excluded_addresses)),
        ("vroutes", instance.routes.iter().map(route).collect()),
        ("vrules", instance.rules.iter().map(rule).collect()),
        ("track_ifp", tracked_interfaces(instance)),
        ("track_script", tracked_scripts(instance, config)),
    ] {
        if !list.is_empty() {
            object.insert(name.to_owned(), list.into());
        }
    }
}

fn add_authentication(object: &mut Map<String, Value>, instance: &VrrpInstance) {
    let (kind, password) = match &instance.authentication {
        None => (0, None),
        Some(Authentication::Pass(password)) => (1, Some(password)),
        Some(Authentication::Ah(password)) => (2, Some(password)),
    };
    object.insert("auth_type".to_owned(), kind.into());
    if let Some(password) = password {
        let text = String::from_utf8_lossy(password);
        let text = text.trim_end_matches('\0').to_owned();
        object.insert("auth_data".to_owned(), text.into());
    }
}

/// keepalived's number of a state (`VRRP_STATE_*` of its `vrrp.h`).
fn state(name: &str) -> u8 {
    match name {
        "BACKUP" => 1,
        "MASTER" => 2,
        "FAULT" => 3,
        "STOP" => 98,
        _ => 0,
    }
}

/// The state that it is in, or will begin in.
fn wanted(instance: &VrrpInstance, now: &str) -> u8 {
    match (now, instance.state) {
        ("MASTER" | "BACKUP", _) => state(now),
        (_, InitialState::Backup) => state("BACKUP"),
        (_, InitialState::Master) => state("MASTER"),
    }
}

fn route(route: &Route) -> String {
    let words = [&route.destination].into_iter().chain(&route.options);
    words.cloned().collect::<Vec<_>>().join(" ")
}

fn rule(rule: &PolicyRule) -> String {
    format!("{} priority {}", rule.options.join(" "), rule.preference)
}

/// Its own interface is followed anyway and not listed.
fn tracked_interfaces(instance: &VrrpInstance) -> Vec<String> {
    let tracked = instance.track_interfaces.iter().map(|one| &one.name);
    let others = tracked.filter(|name| instance.interface.as_ref() != Some(*name));
    others.cloned().collect()
}

/// Those with a weight do not count in a sync group that does not allow it.
fn tracked_scripts(instance: &VrrpInstance, config: Option<&Config>) -> Vec<String> {
    let Some(config) = config else {
        return Vec::new();
    };
    let bound = config
        .sync_groups
        .iter()
        .any(|group| group.binds(&instance.name));
    let counts = |tracked: &&Tracked| !bound || tracked.weight.weight == 0;
    let tracked = instance.track_scripts.iter().filter(counts);
    tracked
        .filter_map(|tracked| config.scripts.iter().find(|one| one.name == tracked.name))
        .map(|tracker| words::command(&tracker.script))
        .collect()
}
