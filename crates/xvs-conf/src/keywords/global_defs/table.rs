//! The keywords of `global_defs` that xvs acts on.

use super::{lvs, mail, scripts, vrrp};
use crate::keywords::{
    Draft, Keyword, Tier,
    vrrp_instance::{extra_interface, positive_repeat},
};

type Key = Keyword<Draft>;

/// The keywords that set something.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::optional(
        "router_id",
        Tier::Everywhere,
        |draft, line, scope| match line.get(1) {
            Some(name) => draft.config.global.router_id = Some(name.to_owned()),
            None => line.reject(0, "`router_id` has no value", "it is ignored", scope),
        },
    ),
    Key::new(
        "notification_email",
        0,
        Some(0),
        Tier::Everywhere,
        mail::recipients,
    )
    .entries(),
    Key::optional(
        "notification_email_from",
        Tier::Everywhere,
        |draft, line, scope| match line.get(1) {
            Some(from) => draft.config.global.notification_email_from = Some(from.to_owned()),
            None => line.reject(
                0,
                "`notification_email_from` has no value",
                "it is ignored",
                scope,
            ),
        },
    ),
    Key::words("smtp_server", 1, Tier::Everywhere, mail::server).at_most(2),
    Key::value("smtp_connect_timeout", Tier::Everywhere, mail::timeout),
    Key::optional("smtp_helo_name", Tier::Rare, |draft, line, _| {
        draft.config.global.smtp_helo_name = line.get(1).map(str::to_owned);
    }),
    Key::optional("smtp_alert", Tier::Common, |draft, line, scope| {
        let global = &mut draft.config.global;
        global.smtp_alert = line.switch(scope).or(global.smtp_alert);
    }),
    Key::optional("smtp_alert_vrrp", Tier::Rare, |draft, line, scope| {
        let global = &mut draft.config.global;
        global.smtp_alert_vrrp = line.switch(scope).or(global.smtp_alert_vrrp);
    }),
    Key::optional("smtp_alert_checker", Tier::Rare, |draft, line, scope| {
        let global = &mut draft.config.global;
        global.smtp_alert_checker = line.switch(scope).or(global.smtp_alert_checker);
    }),
    Key::flag("no_email_faults", Tier::Rare, |draft, _, _| {
        draft.config.global.no_email_faults = true;
    }),
    Key::optional("no_checker_emails", Tier::Rare, |draft, line, scope| {
        draft.config.global.no_checker_emails = line.switch(scope).unwrap_or(false);
    }),
    Key::optional(
        "checker_log_all_failures",
        Tier::Rare,
        |draft, line, scope| {
            draft.config.global.checker_log_all_failures = line.switch(scope).unwrap_or(false);
        },
    ),
    Key::words("script_user", 0, Tier::Everywhere, scripts::user).at_most(2),
    Key::flag(
        "enable_script_security",
        Tier::Everywhere,
        |draft, _, scope| {
            draft.config.global.script_security = true;
            scope.script_security = true;
        },
    ),
    Key::words("startup_script", 0, Tier::Rare, |draft, line, scope| {
        scripts::once(&mut draft.config.global.startup_script, line, scope);
    }),
    Key::words("shutdown_script", 0, Tier::Rare, |draft, line, scope| {
        scripts::once(&mut draft.config.global.shutdown_script, line, scope);
    }),
    Key::optional(
        "startup_script_timeout",
        Tier::Rare,
        |draft, line, scope| {
            let timeout = &mut draft.config.global.startup_script_timeout;
            *timeout = scripts::timeout(line, scope).unwrap_or(*timeout);
        },
    ),
    Key::optional(
        "shutdown_script_timeout",
        Tier::Rare,
        |draft, line, scope| {
            let timeout = &mut draft.config.global.shutdown_script_timeout;
            *timeout = scripts::timeout(line, scope).unwrap_or(*timeout);
        },
    ),
    Key::optional("dynamic_interfaces", Tier::Common, |draft, line, scope| {
        draft.config.global.dynamic_interfaces = true;
        scope.dynamic_interfaces = true;
        if let Some(other) = line.get(1).filter(|word| *word != "allow_if_changes") {
            line.reject(
                1,
                format!("`{other}` is no option of `dynamic_interfaces`"),
                "only `allow_if_changes` may stand here; it is ignored",
                scope,
            );
        }
    }),
    Key::optional(
        "default_interface",
        Tier::Rare,
        |draft, line, scope| match line.get(1) {
            Some(name) => draft.config.global.default_interface = Some(name.to_owned()),
            None => line.reject(
                0,
                "`default_interface` has no value",
                "it is ignored",
                scope,
            ),
        },
    ),
    Key::value("vrrp_version", Tier::Common, |draft, line, scope| {
        let version = &mut draft.config.global.vrrp_version;
        *version = line
            .lax_integer(1, 2..=3, "it stays", scope)
            .unwrap_or(*version);
    }),
    Key::flag("vrrp_strict", Tier::Everywhere, |draft, _, _| {
        draft.config.global.vrrp_strict = true;
    }),
    Key::optional(
        "vrrp_skip_check_adv_addr",
        Tier::Everywhere,
        |draft, line, _| {
            // keepalived looks at no word here.
            let _ = line;
            draft.config.global.vrrp_skip_check_adv_addr = true;
        },
    ),
    Key::flag("vrrp_check_unicast_src", Tier::Rare, |draft, _, _| {
        draft.config.global.vrrp_check_unicast_src = true;
    }),
    Key::value("vrrp_mcast_group4", Tier::Common, vrrp::multicast_group),
    Key::value("vrrp_mcast_group6", Tier::Rare, vrrp::multicast_group),
    Key::value(
        "vrrp_garp_interval",
        Tier::Everywhere,
        |draft, line, scope| {
            draft.garp.garp_interval = vrrp::spacing(line, scope).or(draft.garp.garp_interval);
        },
    ),
    Key::value(
        "vrrp_gna_interval",
        Tier::Everywhere,
        |draft, line, scope| {
            draft.garp.gna_interval = vrrp::spacing(line, scope).or(draft.garp.gna_interval);
        },
    ),
    Key::value(
        "vrrp_garp_master_delay",
        Tier::Common,
        |draft, line, scope| {
            draft.garp.delay = vrrp::delay(line, scope).or(draft.garp.delay);
        },
    ),
    Key::value(
        "vrrp_garp_master_repeat",
        Tier::Common,
        |draft, line, scope| {
            draft.garp.repeat = positive_repeat(line, scope).or(draft.garp.repeat);
        },
    ),
    Key::value(
        "vrrp_garp_master_refresh",
        Tier::Common,
        |draft, line, scope| {
            draft.garp.refresh = Some(vrrp::refresh(line, scope).unwrap_or_default());
        },
    ),
    Key::value(
        "vrrp_garp_master_refresh_repeat",
        Tier::Common,
        |draft, line, scope| {
            draft.garp.refresh_repeat = positive_repeat(line, scope).or(draft.garp.refresh_repeat);
        },
    ),
    Key::value(
        "vrrp_garp_lower_prio_delay",
        Tier::Rare,
        |draft, line, scope| {
            draft.garp.lower_prio_delay = vrrp::delay(line, scope).or(draft.garp.lower_prio_delay);
        },
    ),
    Key::value(
        "vrrp_garp_lower_prio_repeat",
        Tier::Rare,
        |draft, line, scope| {
            draft.garp.lower_prio_repeat = line
                .lax_integer(1, 0..=i64::from(i32::MAX), "the line is ignored", scope)
                .or(draft.garp.lower_prio_repeat);
        },
    ),
    Key::optional("vrrp_min_garp", Tier::Rare, |draft, line, scope| {
        draft.garp.minimal = line.switch(scope).unwrap_or(draft.garp.minimal);
    }),
    Key::words("vrrp_garp_extra_if", 0, Tier::Rare, |draft, line, scope| {
        extra_interface(&mut draft.garp, 1, line, scope);
    })
    .at_most(2),
    Key::words(
        "vrrp_vmac_garp_intvl",
        0,
        Tier::Rare,
        |draft, line, scope| {
            vrrp::deprecated(line, "vrrp_garp_extra_if", scope);
            extra_interface(&mut draft.garp, 1, line, scope);
        },
    )
    .at_most(2),
    Key::optional(
        "vrrp_lower_prio_no_advert",
        Tier::Rare,
        |draft, line, scope| {
            draft.config.global.vrrp_lower_prio_no_advert = line.switch(scope).unwrap_or(false);
        },
    ),
    Key::optional(
        "vrrp_higher_prio_send_advert",
        Tier::Rare,
        |draft, line, scope| {
            draft.config.global.vrrp_higher_prio_send_advert = line.switch(scope).unwrap_or(false);
        },
    ),
    Key::value(
        "vrrp_down_timer_adverts",
        Tier::Rare,
        |draft, line, scope| {
            let adverts = &mut draft.config.global.vrrp_down_timer_adverts;
            *adverts = line
                .lax_integer(1, 1..=100, "it is 3", scope)
                .unwrap_or(*adverts);
        },
    ),
    Key::value("vrrp_startup_delay", Tier::Common, |draft, line, scope| {
        let delay = &mut draft.config.global.vrrp_startup_delay;
        let range = 1_000..=4_294_967_295;
        *delay = line
            .seconds(1, range, "there is none", scope)
            .unwrap_or(*delay);
    }),
    Key::flag("log_unknown_vrids", Tier::Rare, |draft, _, _| {
        draft.config.global.log_unknown_vrids = true;
    }),
    Key::value("vmac_prefix", Tier::Rare, |draft, line, scope| {
        let prefix = &mut draft.config.global.vmac_prefix;
        if prefix.is_some() {
            line.duplicate(scope);
        } else {
            *prefix = Some(line.word(1).to_owned());
        }
    }),
    Key::words("notify_fifo", 0, Tier::Rare, |draft, line, scope| {
        scripts::fifo(&mut draft.config.global.notify_fifo, line, scope);
    })
    .at_most(3),
    Key::words("notify_fifo_script", 0, Tier::Rare, |draft, line, scope| {
        scripts::once(&mut draft.config.global.notify_fifo.script, line, scope);
    }),
    Key::words("vrrp_notify_fifo", 0, Tier::Rare, |draft, line, scope| {
        scripts::fifo(&mut draft.config.global.vrrp_notify_fifo, line, scope);
    })
    .at_most(3),
    Key::words(
        "vrrp_notify_fifo_script",
        0,
        Tier::Rare,
        |draft, line, scope| {
            scripts::once(
                &mut draft.config.global.vrrp_notify_fifo.script,
                line,
                scope,
            );
        },
    ),
    Key::words("lvs_notify_fifo", 0, Tier::Rare, |draft, line, scope| {
        scripts::fifo(&mut draft.config.global.lvs_notify_fifo, line, scope);
    })
    .at_most(3),
    Key::words(
        "lvs_notify_fifo_script",
        0,
        Tier::Rare,
        |draft, line, scope| {
            scripts::once(&mut draft.config.global.lvs_notify_fifo.script, line, scope);
        },
    ),
    Key::optional(
        "vrrp_notify_priority_changes",
        Tier::Rare,
        |draft, line, scope| {
            draft.config.global.vrrp_notify_priority_changes = line.switch(scope).unwrap_or(false);
        },
    ),
    Key::flag(
        "fifo_write_vrrp_states_on_reload",
        Tier::Rare,
        |draft, _, _| {
            draft.config.global.fifo_write_vrrp_states_on_reload = true;
        },
    ),
    Key::words("lvs_timeouts", 0, Tier::Rare, lvs::timeouts),
    Key::flag("lvs_flush", Tier::Rare, |draft, _, _| {
        draft.config.global.lvs_flush = true;
    }),
    Key::optional("lvs_flush_on_stop", Tier::Rare, lvs::flush_on_stop),
    Key::optional("lvs_flush_onstop", Tier::Rare, lvs::flush_on_stop),
    Key::words("lvs_sync_daemon", 0, Tier::Rare, lvs::sync_daemon),
    Key::optional("rs_init_notifies", Tier::Rare, |draft, line, scope| {
        draft.config.global.rs_init_notifies = line.switch(scope).unwrap_or(false);
    }),
    Key::optional("reload_check_config", Tier::Common, |draft, _, _| {
        draft.config.global.reload_check_config = true;
    }),
    Key::words("include_check", 0, Tier::Rare, |_, line, scope| {
        for index in 1..=line.count() {
            let word = line.word(index).trim_start_matches(['+', '-']);
            if !matches!(
                word,
                "readable" | "match" | "wildcard_match" | "brace_match"
            ) {
                line.reject(
                    index,
                    format!("`{word}` is no check of includes"),
                    "there are readable, match, wildcard_match and brace_match; it is ignored",
                    scope,
                );
            }
        }
    }),
];
