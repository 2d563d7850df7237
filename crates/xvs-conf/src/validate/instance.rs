//! Instances: what keepalived's `chk_min_cfg` and `vrrp_complete_instance` settle.

mod link;

use std::{net::IpAddr, time::Duration};

use xvs_types::Family;

use crate::{
    codes,
    config::{Authentication, Config, GarpSettings, GlobalDefs, InitialState, VrrpInstance},
    diagnostic::Consequence,
    keywords::{AuthKind, Draft, GarpDraft, InstanceDraft, Scope},
    span::Span,
};

/// The priority of the owner of the addresses.
const OWNER: u8 = 255;
/// The longest interval of VRRPv3: 12 bits of centiseconds.
const MAX_V3_INTERVAL: Duration = Duration::from_millis(40_950);

/// Fills the global defaults of gratuitous packets.
pub(super) fn complete_global(draft: &mut Draft) {
    let default = GarpSettings::default();
    let said = &draft.garp;
    let (repeat, delay) = if said.minimal {
        // vrrp_min_garp stands for one packet and no second burst where nothing else is said.
        (said.repeat.unwrap_or(1), said.delay.unwrap_or_default())
    } else {
        (
            said.repeat.unwrap_or(default.repeat),
            said.delay.unwrap_or(default.delay),
        )
    };
    draft.config.global.garp = GarpSettings {
        delay,
        repeat,
        refresh: said.refresh.unwrap_or_default(),
        refresh_repeat: said.refresh_repeat.unwrap_or(default.refresh_repeat),
        lower_prio_delay: said.lower_prio_delay.unwrap_or(delay),
        lower_prio_repeat: said.lower_prio_repeat.unwrap_or(repeat),
        garp_interval: said.garp_interval.unwrap_or_default(),
        gna_interval: said.gna_interval.unwrap_or_default(),
        extra_interface: said.extra_interface.unwrap_or_default(),
        extra_interface_all: said.extra_interface_all,
    };
}

/// Completes an instance; none when keepalived refuses to start with it.
pub(super) fn complete(
    mut draft: InstanceDraft,
    config: &Config,
    scope: &mut Scope<'_>,
) -> Option<VrrpInstance> {
    let global = &config.global;
    scope
        .instance_spans
        .insert(draft.instance.name.clone(), draft.span);
    check_minimum(&draft, scope)?;
    if draft.instance.unicast_peers.is_empty() && draft.instance.unicast_ttl.is_some() {
        say(
            codes::CONFLICT,
            &draft,
            "`unicast_ttl` needs unicast peers",
            "it is ignored",
            scope,
        );
        draft.instance.unicast_ttl = None;
    }
    let strict = draft.strict.unwrap_or(global.vrrp_strict);
    draft.instance.strict = strict;
    settle_version(&mut draft, global, scope);
    check_addresses(&draft, scope)?;
    settle_state(&mut draft, scope);
    settle_authentication(&mut draft, scope);
    link::settle_unicast(&mut draft, scope);
    link::settle_vmac(&mut draft, scope);
    link::limit_addresses(&mut draft, scope);
    settle_preemption(&mut draft, scope);
    settle_switches(&mut draft, global, scope);
    settle_interval(&mut draft, scope);
    link::settle_tracking(&mut draft, scope);
    let mut instance = draft.instance;
    instance.garp = garp(
        &draft.garp,
        strict,
        global,
        &instance.name,
        draft.span,
        scope,
    );
    instance.notification.smtp_alert = draft
        .smtp_alert
        .or(global.smtp_alert_vrrp)
        .or(global.smtp_alert)
        .unwrap_or(false);
    instance.notify_priority_changes = draft
        .notify_priority_changes
        .unwrap_or(global.vrrp_notify_priority_changes);
    instance.check_unicast_src |= global.vrrp_check_unicast_src;
    instance.skip_check_adv_addr = draft
        .skip_check_adv_addr
        .unwrap_or(global.vrrp_skip_check_adv_addr);
    Some(instance)
}

fn check_minimum(draft: &InstanceDraft, scope: &mut Scope<'_>) -> Option<()> {
    let mut complete = Some(());
    if draft.virtual_router_id.is_none() {
        refuse(
            codes::MISSING_SETTING,
            draft,
            "the instance has no valid `virtual_router_id`",
            "write one from 1 to 255; keepalived does not start without",
            scope,
        );
        complete = None;
    }
    if draft.instance.interface.is_none() {
        // That of a missing interface is already told.
        if scope.missing_interface.is_none() {
            refuse(
                codes::MISSING_SETTING,
                draft,
                "the instance has no `interface` that can be used",
                "name one; keepalived does not start without",
                scope,
            );
        }
        complete = None;
    }
    complete
}

fn settle_version(draft: &mut InstanceDraft, global: &GlobalDefs, scope: &mut Scope<'_>) {
    let family = draft.family.unwrap_or(Family::V4);
    let default = match family {
        Family::V4 => global.vrrp_version,
        Family::V6 => 3,
    };
    let mut version = draft.version.unwrap_or(default);
    if family == Family::V6 && version == 2 && draft.instance.strict {
        say(
            codes::CONFLICT,
            draft,
            "VRRPv2 has no IPv6",
            "`version` is 3",
            scope,
        );
        version = 3;
    }
    draft.instance.family = family;
    draft.instance.version = version;
    draft.instance.virtual_router_id = draft.virtual_router_id.unwrap_or_default();
}

fn check_addresses(draft: &InstanceDraft, scope: &mut Scope<'_>) -> Option<()> {
    let instance = &draft.instance;
    if !instance.addresses.is_empty() || draft.without_addresses_wanted {
        let first = instance.addresses.first().map(|address| address.address);
        if let Some(IpAddr::V6(first)) = first
            && instance.unicast_peers.is_empty()
            && !first.is_unicast_link_local()
        {
            let (consequence, must) = if instance.strict {
                (Consequence::Reported, "must")
            } else {
                (Consequence::Silent, "should")
            };
            scope.sink.add(
                codes::CONFLICT,
                consequence,
                draft.span,
                format!("the first IPv6 address of an instance {must} be link-local"),
                "put an address of fe80::/10 first (RFC 5798 5.2.9)",
            );
        }
        return Some(());
    }
    if instance.version == 3 || instance.strict {
        refuse(
            codes::EMPTY_BLOCK,
            draft,
            "the instance has no virtual address",
            "VRRPv3 and strict instances need one; keepalived does not start without",
            scope,
        );
        return None;
    }
    say(
        codes::EMPTY_BLOCK,
        draft,
        "the instance has no virtual address",
        "it takes part in elections and holds nothing",
        scope,
    );
    Some(())
}

fn settle_state(draft: &mut InstanceDraft, scope: &mut Scope<'_>) {
    let wants_master = draft.state == Some(InitialState::Master);
    let priority = draft
        .priority
        .unwrap_or(if wants_master { OWNER } else { 100 });
    let derived = if priority == OWNER {
        InitialState::Master
    } else {
        InitialState::Backup
    };
    draft.instance.priority = priority;
    draft.instance.state = draft.state.unwrap_or(derived);
    if draft.instance.strict && draft.state.is_some_and(|state| state != derived) {
        say(
            codes::CONFLICT,
            draft,
            "a strict instance is MASTER with priority 255 and BACKUP with any other",
            "the priority decides",
            scope,
        );
        draft.instance.state = derived;
    }
}

fn settle_authentication(draft: &mut InstanceDraft, scope: &mut Scope<'_>) {
    let Some(kind) = draft.auth_type else {
        return;
    };
    let instance = &draft.instance;
    let problem = if instance.strict {
        Some("strict instances have no authentication")
    } else if instance.version == 3 {
        Some("VRRPv3 has no authentication")
    } else if draft.auth_pass.is_empty() {
        Some("authentication needs an `auth_pass`")
    } else if instance.family == Family::V6 && kind == AuthKind::Ah {
        Some("AH is for IPv4 alone")
    } else {
        None
    };
    if let Some(problem) = problem {
        let span = draft.auth_span.unwrap_or(draft.span);
        scope
            .sink
            .reported(codes::CONFLICT, span, problem, "the block is ignored");
        return;
    }
    if kind == AuthKind::Ah
        && draft.instance.state == InitialState::Master
        && draft.instance.priority != OWNER
    {
        say(
            codes::CONFLICT,
            draft,
            "with AH an instance must hear the master's sequence number first",
            "`state` is BACKUP",
            scope,
        );
        draft.instance.state = InitialState::Backup;
    }
    let pass = std::mem::take(&mut draft.auth_pass);
    draft.instance.authentication = Some(match kind {
        AuthKind::Ah => Authentication::Ah(pass),
        AuthKind::Pass => Authentication::Pass(pass),
    });
}

fn settle_preemption(draft: &mut InstanceDraft, scope: &mut Scope<'_>) {
    let span = draft.preempt_span.unwrap_or(draft.span);
    let mut clear = |condition: bool, message: &str, hint: &str| {
        if condition {
            scope.sink.reported(codes::CONFLICT, span, message, hint);
        }
        condition
    };
    let instance = &mut draft.instance;
    let master = instance.state == InitialState::Master;
    let ignored = "`nopreempt` is ignored";
    if clear(
        instance.nopreempt && instance.priority == OWNER,
        "the owner of the addresses always preempts",
        ignored,
    ) {
        instance.nopreempt = false;
    }
    if clear(
        instance.nopreempt && master,
        "`nopreempt` does not go with `state MASTER`",
        "`nopreempt` is ignored; write `state BACKUP` on both routers",
    ) {
        instance.nopreempt = false;
    }
    let delays = !instance.preempt_delay.is_zero();
    let problem = if master {
        "`preempt_delay` does not go with `state MASTER`"
    } else if instance.strict {
        "strict instances have no `preempt_delay`"
    } else {
        "`preempt_delay` does not go with `nopreempt`"
    };
    let wrong = delays && (master || instance.strict || instance.nopreempt);
    if clear(wrong, problem, "`preempt_delay` is ignored") {
        instance.preempt_delay = Duration::ZERO;
    }
}

fn settle_switches(draft: &mut InstanceDraft, global: &GlobalDefs, scope: &mut Scope<'_>) {
    let strict = draft.instance.strict;
    let owner = draft.instance.priority == OWNER;
    let adverts = draft
        .down_timer_adverts
        .unwrap_or(global.vrrp_down_timer_adverts);
    draft.instance.down_timer_adverts = adverts;
    if strict && adverts != 3 {
        strictly(draft, "down_timer_adverts", "it is 3", scope);
        draft.instance.down_timer_adverts = 3;
    }
    draft.instance.accept = draft.accept.unwrap_or(owner || !strict);
    if draft.instance.accept && !owner && strict && draft.instance.version == 2 {
        strictly(
            draft,
            "accept",
            "packets to the addresses are dropped",
            scope,
        );
        draft.instance.accept = false;
    }
    let answer = draft.lower_prio_no_advert;
    draft.instance.lower_prio_no_advert =
        answer.unwrap_or(strict || global.vrrp_lower_prio_no_advert);
    if strict && answer == Some(false) {
        strictly(draft, "lower_prio_no_advert off", "it is on", scope);
        draft.instance.lower_prio_no_advert = true;
    }
    let last = draft.higher_prio_send_advert;
    draft.instance.higher_prio_send_advert =
        last.unwrap_or(!strict && global.vrrp_higher_prio_send_advert);
    if strict && last == Some(true) {
        strictly(draft, "higher_prio_send_advert", "it is off", scope);
        draft.instance.higher_prio_send_advert = false;
    }
}

fn settle_interval(draft: &mut InstanceDraft, scope: &mut Scope<'_>) {
    let (interval, span) = draft
        .advert_interval
        .unwrap_or((Duration::from_secs(1), draft.span));
    let rounded = if draft.instance.version == 2 {
        round(interval, Duration::from_secs(1))
    } else {
        round(interval, Duration::from_millis(10)).min(MAX_V3_INTERVAL)
    };
    if rounded != interval {
        let unit = if draft.instance.version == 2 {
            "VRRPv2 sends in whole seconds"
        } else {
            "VRRPv3 sends in steps of 10 ms, at most 40.95 s"
        };
        scope.sink.reported(
            codes::ROUNDED,
            span,
            unit,
            format!("the interval is {} s", rounded.as_secs_f64()),
        );
    }
    draft.instance.advert_interval = rounded;
}

fn round(value: Duration, unit: Duration) -> Duration {
    let (value, unit) = (value.as_micros(), unit.as_micros());
    let units = ((value + unit / 2) / unit).max(1);
    Duration::from_micros(u64::try_from(units * unit).unwrap_or(u64::MAX))
}

fn garp(
    said: &GarpDraft,
    strict: bool,
    global: &GlobalDefs,
    name: &str,
    span: Span,
    scope: &mut Scope<'_>,
) -> GarpSettings {
    let default = &global.garp;
    let repeats = said.lower_prio_repeat.is_some_and(|repeat| repeat > 0);
    let delays = said.lower_prio_delay.is_some_and(|delay| !delay.is_zero());
    if strict && (repeats || delays) {
        scope.sink.reported(
            codes::CONFLICT,
            span,
            format!("strict instance `{name}` repeats nothing after a lower priority"),
            "`garp_lower_prio_delay` and `garp_lower_prio_repeat` are 0",
        );
    }
    let (lower_prio_delay, lower_prio_repeat) = if strict {
        (Duration::ZERO, 0)
    } else {
        (
            said.lower_prio_delay.unwrap_or(default.lower_prio_delay),
            said.lower_prio_repeat.unwrap_or(default.lower_prio_repeat),
        )
    };
    GarpSettings {
        delay: said.delay.unwrap_or(default.delay),
        repeat: said.repeat.unwrap_or(default.repeat),
        refresh: said.refresh.unwrap_or(default.refresh),
        refresh_repeat: said.refresh_repeat.unwrap_or(default.refresh_repeat),
        lower_prio_delay,
        lower_prio_repeat,
        garp_interval: default.garp_interval,
        gna_interval: default.gna_interval,
        extra_interface: said.extra_interface.unwrap_or(default.extra_interface),
        extra_interface_all: said.extra_interface_all || default.extra_interface_all,
    }
}

fn strictly(draft: &InstanceDraft, keyword: &str, hint: &str, scope: &mut Scope<'_>) {
    let message = format!("`{keyword}` does not go with strict conformance");
    say(codes::CONFLICT, draft, &message, hint, scope);
}

fn say(
    code: &'static str,
    draft: &InstanceDraft,
    message: &str,
    hint: &str,
    scope: &mut Scope<'_>,
) {
    scope.sink.reported(code, draft.span, message, hint);
}

fn refuse(
    code: &'static str,
    draft: &InstanceDraft,
    message: &str,
    hint: &str,
    scope: &mut Scope<'_>,
) {
    scope
        .sink
        .add(code, Consequence::Refused, draft.span, message, hint);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_round_to_their_unit_and_never_to_nothing() {
        let second = Duration::from_secs(1);
        assert_eq!(round(Duration::from_millis(500), second), second);
        assert_eq!(round(Duration::from_millis(10), second), second);
        assert_eq!(round(Duration::from_millis(2_499), second), 2 * second);
        let centi = Duration::from_millis(10);
        assert_eq!(
            round(Duration::from_millis(155), centi),
            Duration::from_millis(160)
        );
    }
}
