//! The table of `vrrp_instance`.

use super::{
    addresses, basics, garp,
    tracking::{TrackKind, track},
    vmac,
};
use crate::{
    codes,
    config::{Checksum, KeptSetting},
    keywords::{
        Block, InstanceDraft, Keyword, Line, Tier, apply_all, draft::AuthKind,
        virtual_server::notify_script,
    },
};

type Key = Keyword<InstanceDraft>;

/// The keywords of `vrrp_instance`.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::words("use_vmac", 0, Tier::Common, vmac::use_vmac),
    Key::flag("use_vmac_addr", Tier::Rare, |draft, _, _| {
        draft.vmac_for_addresses = true;
    }),
    Key::flag("vmac_xmit_base", Tier::Common, |draft, _, _| {
        draft.vmac_transmit_on_base = true;
    }),
    Key::words("use_ipvlan", 0, Tier::Rare, vmac::use_ipvlan).inert(),
    Key::new(
        "unicast_peer",
        0,
        Some(0),
        Tier::Everywhere,
        addresses::unicast_peers,
    )
    .entries(),
    Key::flag("unicast_fault_no_peer", Tier::Rare, |draft, line, _| {
        draft.note_unicast(line.at(0));
        draft.instance.unicast_fault_no_peer = true;
    }),
    Key::flag("check_unicast_src", Tier::Rare, |draft, line, _| {
        draft.note_unicast(line.at(0));
        draft.instance.check_unicast_src = true;
    }),
    Key::optional("old_unicast_checksum", Tier::Rare, |draft, line, scope| {
        draft.note_unicast(line.at(0));
        draft.instance.checksum = match line.get(1) {
            None => Checksum::OldUnicast,
            Some("never") => Checksum::NeverOld,
            Some(other) => {
                line.reject(
                    1,
                    format!("`{other}` is no mode of the checksum"),
                    "write `never` or nothing; the line is ignored",
                    scope,
                );
                return;
            }
        };
    }),
    Key::optional("v3_checksum_as_v2", Tier::Common, |draft, line, scope| {
        if line.switch(scope) == Some(true) {
            draft.instance.checksum = Checksum::AsV2;
        }
    })
    .newer(),
    Key::flag("native_ipv6", Tier::Rare, basics::native_ipv6),
    Key::value("state", Tier::Everywhere, basics::state),
    Key::value("interface", Tier::Everywhere, basics::interface),
    Key::value("vrf", Tier::Rare, basics::vrf),
    Key::flag("dont_track_primary", Tier::Common, |draft, _, _| {
        draft.instance.dont_track_primary = true;
    }),
    Key::new(
        "track_interface",
        0,
        Some(0),
        Tier::Everywhere,
        |draft, line, scope| {
            let spans = track(
                &mut draft.instance.track_interfaces,
                TrackKind::Interface,
                line,
                scope,
            );
            draft.tracked_interface_spans.extend(spans);
        },
    )
    .entries(),
    Key::new(
        "track_script",
        0,
        Some(0),
        Tier::Everywhere,
        |draft, line, scope| {
            track(
                &mut draft.instance.track_scripts,
                TrackKind::Script,
                line,
                scope,
            );
        },
    )
    .entries(),
    Key::new(
        "track_file",
        0,
        Some(0),
        Tier::Common,
        |draft, line, scope| {
            track(
                &mut draft.instance.track_files,
                TrackKind::File,
                line,
                scope,
            );
        },
    )
    .entries(),
    Key::new(
        "track_process",
        0,
        Some(0),
        Tier::Common,
        |draft, line, scope| {
            track(
                &mut draft.instance.track_processes,
                TrackKind::Process,
                line,
                scope,
            );
        },
    )
    .entries(),
    Key::new("track_bfd", 0, Some(0), Tier::Rare, |draft, line, scope| {
        track(&mut draft.instance.track_bfd, TrackKind::Bfd, line, scope);
    })
    .entries(),
    Key::value("mcast_src_ip", Tier::Common, addresses::source),
    Key::value("unicast_src_ip", Tier::Everywhere, |draft, line, scope| {
        draft.note_unicast(line.at(0));
        addresses::source(draft, line, scope);
    }),
    Key::value("mcast_dst_ip", Tier::Rare, addresses::multicast_group),
    Key::flag("track_src_ip", Tier::Rare, |draft, _, _| {
        draft.instance.track_source = true;
    }),
    Key::value(
        "virtual_router_id",
        Tier::Everywhere,
        |draft, line, scope| {
            draft.virtual_router_id = line
                .integer(1, 1..=255, "the line is ignored", scope)
                .or(draft.virtual_router_id);
        },
    ),
    Key::value("unicast_ttl", Tier::Rare, |draft, line, scope| {
        let instance = &mut draft.instance;
        instance.unicast_ttl = line
            .integer(1, 0..=255, "the line is ignored", scope)
            .or(instance.unicast_ttl);
    }),
    Key::value("version", Tier::Common, |draft, line, scope| {
        draft.version = line
            .integer(1, 2..=3, "the line is ignored", scope)
            .or(draft.version);
    }),
    Key::value("priority", Tier::Everywhere, |draft, line, scope| {
        let priority = line.integer(1, 1..=255, "it is 100", scope);
        draft.priority = Some(priority.unwrap_or(100));
    }),
    Key::value("advert_int", Tier::Everywhere, |draft, line, scope| {
        let range = 10_000..=255_000_000;
        if let Some(interval) = line.seconds(1, range, "the line is ignored", scope) {
            draft.advert_interval = Some((interval, line.at(1)));
        }
    }),
    Key::new(
        "virtual_ipaddress",
        0,
        Some(0),
        Tier::Everywhere,
        addresses::virtual_addresses,
    )
    .entries(),
    Key::new(
        "virtual_ipaddress_excluded",
        0,
        Some(0),
        Tier::Common,
        addresses::excluded_addresses,
    )
    .entries(),
    Key::flag("no_virtual_ipaddress", Tier::Rare, |draft, _, _| {
        draft.without_addresses_wanted = true;
    })
    .newer(),
    Key::flag("promote_secondaries", Tier::Rare, |draft, _, _| {
        draft.instance.promote_secondaries = true;
    }),
    Key::flag("linkbeat_use_polling", Tier::Rare, |_, line, scope| {
        scope.sink.reported(
            codes::DEPRECATED,
            line.at(0),
            "`linkbeat_use_polling` in an instance is deprecated",
            "name the interface in a `linkbeat_interfaces` block",
        );
    })
    .inert(),
    Key::new(
        "virtual_routes",
        0,
        Some(0),
        Tier::Common,
        addresses::routes,
    )
    .entries(),
    Key::new("virtual_rules", 0, Some(0), Tier::Rare, addresses::rules).entries(),
    Key::flag("accept", Tier::Common, |draft, _, _| {
        draft.accept = Some(true)
    }),
    Key::flag("no_accept", Tier::Common, |draft, _, _| {
        draft.accept = Some(false)
    }),
    Key::optional("skip_check_adv_addr", Tier::Rare, |draft, line, scope| {
        // keepalived takes every valid word, also `off`, as on.
        if line.switch(scope).is_some() {
            draft.skip_check_adv_addr = Some(true);
        }
    }),
    Key::optional("strict_mode", Tier::Rare, |draft, line, scope| {
        draft.strict = line.switch(scope).or(draft.strict);
    }),
    Key::flag("preempt", Tier::Common, |draft, _, _| {
        draft.instance.nopreempt = false;
    }),
    Key::flag("nopreempt", Tier::Everywhere, |draft, line, _| {
        draft.instance.nopreempt = true;
        draft.preempt_span = Some(line.at(0));
    }),
    Key::value("preempt_delay", Tier::Common, |draft, line, scope| {
        draft.instance.preempt_delay = line
            .seconds(1, 0..=1_000_000_000, "it is 0", scope)
            .unwrap_or_default();
        draft.preempt_span = Some(line.at(0));
    }),
    Key::value("debug", Tier::Rare, |_, line, scope| {
        let _: Option<u8> = line.lax_integer(1, 0..=4, "it is ignored", scope);
    })
    .inert(),
    Key::words(
        "notify_backup",
        1,
        Tier::Everywhere,
        |draft, line, scope| {
            notify_script(&mut draft.instance.notification.backup, line, scope);
        },
    ),
    Key::words(
        "notify_master",
        1,
        Tier::Everywhere,
        |draft, line, scope| {
            notify_script(&mut draft.instance.notification.master, line, scope);
        },
    ),
    Key::words("notify_fault", 1, Tier::Everywhere, |draft, line, scope| {
        notify_script(&mut draft.instance.notification.fault, line, scope);
    }),
    Key::words("notify_stop", 1, Tier::Common, |draft, line, scope| {
        notify_script(&mut draft.instance.notification.stop, line, scope);
    }),
    Key::words("notify_deleted", 0, Tier::Rare, |draft, line, scope| {
        let notification = &mut draft.instance.notification;
        if notification.tells_deletion {
            line.duplicate(scope);
            return;
        }
        notification.tells_deletion = true;
        if line.count() > 0 {
            notification.deleted = line.script(scope);
        }
    }),
    Key::words("notify", 1, Tier::Everywhere, |draft, line, scope| {
        notify_script(&mut draft.instance.notification.any, line, scope);
    }),
    Key::words(
        "notify_master_rx_lower_pri",
        1,
        Tier::Rare,
        |draft, line, scope| {
            let notification = &mut draft.instance.notification;
            notify_script(&mut notification.master_rx_lower_priority, line, scope);
        },
    ),
    Key::optional("smtp_alert", Tier::Common, |draft, line, scope| {
        draft.smtp_alert = line.switch(scope).or(draft.smtp_alert);
    }),
    Key::optional(
        "notify_priority_changes",
        Tier::Rare,
        |draft, line, scope| {
            draft.notify_priority_changes = line.switch(scope).or(draft.notify_priority_changes);
        },
    ),
    Key::value(
        "lvs_sync_daemon_interface",
        Tier::Common,
        |draft, line, scope| {
            scope.sink.reported(
                codes::DEPRECATED,
                line.at(0),
                "`lvs_sync_daemon_interface` in an instance is deprecated",
                format!(
                    "write `lvs_sync_daemon {} {}` into `global_defs`",
                    line.word(1),
                    draft.instance.name
                ),
            );
            keep(draft, "lvs_sync_daemon_interface", line);
        },
    ),
    Key::value("garp_master_delay", Tier::Common, |draft, line, scope| {
        draft.garp.delay = garp::seconds(line, garp::MAX_DELAY, scope).or(draft.garp.delay);
    }),
    Key::value("garp_master_refresh", Tier::Common, |draft, line, scope| {
        draft.garp.refresh =
            Some(garp::seconds(line, garp::MAX_REFRESH, scope).unwrap_or_default());
    }),
    Key::value("garp_master_repeat", Tier::Common, |draft, line, scope| {
        draft.garp.repeat = garp::positive_repeat(line, scope).or(draft.garp.repeat);
    }),
    Key::value(
        "garp_master_refresh_repeat",
        Tier::Common,
        |draft, line, scope| {
            draft.garp.refresh_repeat =
                garp::positive_repeat(line, scope).or(draft.garp.refresh_repeat);
        },
    ),
    Key::value("garp_lower_prio_delay", Tier::Rare, |draft, line, scope| {
        draft.garp.lower_prio_delay =
            garp::seconds(line, garp::MAX_DELAY, scope).or(draft.garp.lower_prio_delay);
    }),
    Key::value(
        "garp_lower_prio_repeat",
        Tier::Rare,
        |draft, line, scope| {
            draft.garp.lower_prio_repeat = line
                .lax_integer(1, 0..=i64::from(i32::MAX), "the line is ignored", scope)
                .or(draft.garp.lower_prio_repeat);
        },
    ),
    Key::value("down_timer_adverts", Tier::Rare, |draft, line, scope| {
        draft.down_timer_adverts = line
            .lax_integer(1, 1..=100, "it is 3", scope)
            .or(draft.down_timer_adverts);
    }),
    Key::words("garp_extra_if", 0, Tier::Rare, |draft, line, scope| {
        garp::extra_interface(&mut draft.garp, 0, line, scope);
    })
    .at_most(2),
    Key::words("vmac_garp_intvl", 0, Tier::Rare, |draft, line, scope| {
        garp::deprecated_name(line, "garp_extra_if", scope);
        garp::extra_interface(&mut draft.garp, 0, line, scope);
    })
    .at_most(2),
    Key::optional("lower_prio_no_advert", Tier::Rare, |draft, line, scope| {
        draft.lower_prio_no_advert = line.switch(scope).or(draft.lower_prio_no_advert);
    }),
    Key::optional(
        "higher_prio_send_advert",
        Tier::Rare,
        |draft, line, scope| {
            draft.higher_prio_send_advert = line.switch(scope).or(draft.higher_prio_send_advert);
        },
    ),
    Key::optional("timer_expired_backup", Tier::Rare, |draft, line, scope| {
        if line.count() > 0 {
            let _: Option<u8> = line.lax_integer(1, 1..=254, "it is ignored", scope);
        }
        keep(draft, "timer_expired_backup", line);
    })
    .newer()
    .inert(),
    Key::optional("thread_timer_expired", Tier::Rare, |_, line, scope| {
        line.reject(
            0,
            "`thread_timer_expired` was renamed",
            "write `timer_expired_backup`; the line is ignored",
            scope,
        );
    })
    .newer(),
    Key::optional("owner_ignore_adverts", Tier::Rare, |draft, line, scope| {
        draft.instance.owner_ignore_adverts = line.switch(scope).unwrap_or(false);
    })
    .newer(),
    Key::words("kernel_rx_buf_size", 0, Tier::Rare, |_, line, scope| {
        if line.count() == 1 {
            let _: Option<u32> = line.integer(1, 0..=4_294_967_295, "it is ignored", scope);
        } else {
            line.reject(
                0,
                "`kernel_rx_buf_size` needs one value",
                "it is ignored",
                scope,
            );
        }
    })
    .inert(),
    Key::flag("authentication", Tier::Everywhere, |draft, line, scope| {
        draft.auth_span = Some(line.at(0));
        apply_all(&[AUTHENTICATION], line.body(), draft, scope);
    })
    .block(Block::Authentication),
    Key::flag("auth_hmac", Tier::Rare, |draft, line, scope| {
        apply_all(&[AUTH_HMAC], line.body(), draft, scope);
    })
    .block(Block::AuthHmac)
    .newer()
    .inert(),
];

/// The keywords of `authentication`.
pub(crate) static AUTHENTICATION: &[Key] = &[
    Key::value("auth_type", Tier::Everywhere, |draft, line, scope| {
        draft.auth_type = match line.word(1) {
            "AH" => Some(AuthKind::Ah),
            "PASS" => Some(AuthKind::Pass),
            other => {
                line.reject(
                    1,
                    format!("`{other}` is no authentication"),
                    "write `PASS` or `AH`; the line is ignored",
                    scope,
                );
                draft.auth_type
            }
        };
    }),
    Key::value("auth_pass", Tier::Everywhere, |draft, line, scope| {
        let mut pass = line.word(1).as_bytes().to_vec();
        if pass.len() > 8 {
            scope.sink.reported(
                codes::ROUNDED,
                line.at(1),
                "a password has at most 8 bytes",
                "the first 8 count",
            );
            pass.truncate(8);
        }
        draft.auth_pass = pass;
    }),
];

/// The keywords of `auth_hmac`, which no released keepalived of Debian has.
pub(crate) static AUTH_HMAC: &[Key] = &[
    Key::words("key", 2, Tier::Rare, |draft, line, _| {
        keep(draft, "key", line)
    })
    .newer(),
    Key::words("active_key", 1, Tier::Rare, |draft, line, _| {
        keep(draft, "active_key", line);
    })
    .newer(),
    Key::words("anti_replay", 1, Tier::Rare, |draft, line, _| {
        keep(draft, "anti_replay", line);
    })
    .newer(),
    Key::words("time_window", 1, Tier::Rare, |draft, line, _| {
        keep(draft, "time_window", line);
    })
    .newer(),
    Key::words("mode", 1, Tier::Rare, |draft, line, _| {
        keep(draft, "mode", line)
    })
    .newer(),
];

fn keep(draft: &mut InstanceDraft, name: &'static str, line: &Line<'_>) {
    let words = line.from(1);
    draft.instance.kept.insert(name, KeptSetting { words });
}
