//! The keywords of `global_defs` that are checked and kept as they are written: firewalls, SNMP,
//! D-Bus, names and priorities of keepalived's processes, buffers. Nothing in xvs acts on them.

use crate::{
    codes,
    config::KeptSetting,
    keywords::{Draft, Keyword, Line, Scope, Tier, lookup},
};

type Key = Keyword<Draft>;

/// The keywords that are kept.
pub(crate) static KEPT: &[Key] = &[
    Key::optional("use_symlink_paths", Tier::Rare, switch)
        .newer()
        .inert(),
    Key::flag("set_supplementary_groups", Tier::Rare, keep)
        .newer()
        .inert(),
    Key::value("vrrp_delay_after_boot", Tier::Rare, seconds)
        .newer()
        .inert(),
    Key::optional("vrrp_owner_ignore_adverts", Tier::Rare, switch)
        .newer()
        .inert(),
    Key::optional("v3_checksum_as_v2", Tier::Common, switch)
        .newer()
        .inert(),
    Key::words("vrrp_iptables", 0, Tier::Rare, firewall)
        .at_most(2)
        .inert(),
    Key::words("vrrp_ipsets", 0, Tier::Rare, firewall)
        .at_most(6)
        .inert(),
    Key::optional("nftables", Tier::Rare, keep).inert(),
    Key::value("nftables_priority", Tier::Rare, signed).inert(),
    Key::flag("nftables_ifindex", Tier::Rare, keep).inert(),
    Key::flag("nftables_counters", Tier::Rare, keep).inert(),
    Key::flag("disable_local_igmp", Tier::Rare, keep).inert(),
    Key::value("vmac_addr_prefix", Tier::Rare, keep).inert(),
    Key::optional("nftables_ipvs", Tier::Rare, keep).inert(),
    Key::value("nftables_ipvs_priority", Tier::Rare, signed).inert(),
    Key::value("nftables_ipvs_start_fwmark", Tier::Rare, unsigned).inert(),
    Key::flag("process_names", Tier::Rare, keep).inert(),
    Key::value("process_name", Tier::Rare, keep).inert(),
    Key::value("vrrp_process_name", Tier::Rare, keep).inert(),
    Key::value("checker_process_name", Tier::Rare, keep).inert(),
    Key::value("lvs_process_name", Tier::Rare, keep).inert(),
    Key::value("bfd_process_name", Tier::Rare, keep).inert(),
    Key::optional("max_auto_priority", Tier::Rare, max_auto_priority).inert(),
    Key::optional("min_auto_priority_delay", Tier::Rare, microseconds).inert(),
    Key::optional("vrrp_priority", Tier::Rare, nice).inert(),
    Key::optional("checker_priority", Tier::Rare, nice).inert(),
    Key::optional("bfd_priority", Tier::Rare, nice).inert(),
    Key::flag("vrrp_no_swap", Tier::Rare, keep).inert(),
    Key::flag("checker_no_swap", Tier::Rare, keep).inert(),
    Key::flag("bfd_no_swap", Tier::Rare, keep).inert(),
    Key::optional("vrrp_rt_priority", Tier::Rare, real_time).inert(),
    Key::optional("checker_rt_priority", Tier::Rare, real_time).inert(),
    Key::optional("bfd_rt_priority", Tier::Rare, real_time).inert(),
    Key::words("vrrp_cpu_affinity", 0, Tier::Rare, needs_value).inert(),
    Key::words("checker_cpu_affinity", 0, Tier::Rare, needs_value).inert(),
    Key::words("bfd_cpu_affinity", 0, Tier::Rare, needs_value).inert(),
    Key::value("vrrp_rlimit_rttime", Tier::Rare, positive).inert(),
    Key::value("vrrp_rlimit_rtime", Tier::Rare, positive).inert(),
    Key::value("checker_rlimit_rttime", Tier::Rare, positive).inert(),
    Key::value("checker_rlimit_rtime", Tier::Rare, positive).inert(),
    Key::value("bfd_rlimit_rttime", Tier::Rare, positive).inert(),
    Key::value("bfd_rlimit_rtime", Tier::Rare, positive).inert(),
    Key::optional("snmp_socket", Tier::Rare, needs_value).inert(),
    Key::flag("enable_snmp_vrrp", Tier::Rare, keep).inert(),
    Key::flag("enable_snmp_keepalived", Tier::Rare, keep).inert(),
    Key::flag("enable_snmp_checker", Tier::Rare, keep).inert(),
    Key::flag("enable_snmp_rfc", Tier::Rare, keep).inert(),
    Key::flag("enable_snmp_rfcv2", Tier::Rare, keep).inert(),
    Key::flag("enable_snmp_rfcv3", Tier::Rare, keep).inert(),
    Key::flag("enable_traps", Tier::Rare, keep).inert(),
    Key::value("snmp_vs_stats_update_interval", Tier::Rare, seconds)
        .newer()
        .inert(),
    Key::value("snmp_rs_stats_update_interval", Tier::Rare, seconds)
        .newer()
        .inert(),
    Key::flag("enable_dbus", Tier::Rare, keep).inert(),
    Key::optional("dbus_service_name", Tier::Rare, needs_value).inert(),
    Key::value("dbus_no_interface_name", Tier::Rare, keep)
        .newer()
        .inert(),
    Key::optional("vrrp_netlink_cmd_rcv_bufs", Tier::Rare, buffer).inert(),
    Key::optional("vrrp_netlink_cmd_rcv_bufs_force", Tier::Rare, switch).inert(),
    Key::optional("vrrp_netlink_monitor_rcv_bufs", Tier::Rare, buffer).inert(),
    Key::optional("vrrp_netlink_monitor_rcv_bufs_force", Tier::Rare, switch).inert(),
    Key::optional("lvs_netlink_cmd_rcv_bufs", Tier::Rare, buffer).inert(),
    Key::optional("lvs_netlink_cmd_rcv_bufs_force", Tier::Rare, switch).inert(),
    Key::optional("lvs_netlink_monitor_rcv_bufs", Tier::Rare, buffer).inert(),
    Key::optional("lvs_netlink_monitor_rcv_bufs_force", Tier::Rare, switch).inert(),
    Key::optional("process_monitor_rcv_bufs", Tier::Rare, buffer).inert(),
    Key::optional("process_monitor_rcv_bufs_force", Tier::Rare, switch).inert(),
    Key::words("vrrp_rx_bufs_policy", 0, Tier::Rare, buffer_policy).inert(),
    Key::optional("vrrp_rx_bufs_multiplier", Tier::Rare, positive).inert(),
    Key::words("umask", 1, Tier::Rare, umask).inert(),
    Key::value("random_seed", Tier::Rare, unsigned).inert(),
    Key::value("reload_time_file", Tier::Rare, keep).inert(),
    Key::flag("reload_repeat", Tier::Rare, keep).inert(),
    Key::optional("reload_file", Tier::Rare, keep).inert(),
    Key::value("config_save_dir", Tier::Rare, keep).inert(),
    Key::optional("tmp_config_directory", Tier::Rare, needs_value).inert(),
    Key::optional("data_use_instance", Tier::Rare, switch).inert(),
    Key::value("json_version", Tier::Rare, json_version)
        .newer()
        .inert(),
    Key::value("state_dump_file", Tier::Rare, keep)
        .newer()
        .inert(),
    Key::value("stats_dump_file", Tier::Rare, keep)
        .newer()
        .inert(),
    Key::value("json_dump_file", Tier::Rare, keep)
        .newer()
        .inert(),
    Key::value("iproute_usr_dir", Tier::Rare, keep)
        .newer()
        .inert(),
    Key::value("iproute_etc_dir", Tier::Rare, keep)
        .newer()
        .inert(),
];

fn keep(draft: &mut Draft, line: &Line<'_>, _: &mut Scope<'_>) {
    let Some(keyword) = lookup(&[KEPT], line.keyword()) else {
        return;
    };
    let words = line.from(1);
    draft
        .config
        .global
        .kept
        .insert(keyword.spec.name, KeptSetting { words });
}

fn needs_value(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if line.count() == 0 {
        line.reject(
            0,
            format!("`{}` has no value", line.keyword()),
            "it is ignored",
            scope,
        );
    } else {
        keep(draft, line, scope);
    }
}

fn keep_number(
    range: std::ops::RangeInclusive<i64>,
    draft: &mut Draft,
    line: &Line<'_>,
    scope: &mut Scope<'_>,
) {
    if line.count() == 0 {
        needs_value(draft, line, scope);
    } else if line
        .lax_integer::<i64>(1, range, "it is ignored", scope)
        .is_some()
    {
        keep(draft, line, scope);
    }
}

fn switch(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if line.switch(scope).is_some() {
        keep(draft, line, scope);
    }
}

fn seconds(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if line.timer(1, 0, "it is ignored", scope).is_some() {
        keep(draft, line, scope);
    }
}

fn signed(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let range = i64::from(i32::MIN)..=i64::from(i32::MAX);
    keep_number(range, draft, line, scope);
}

fn unsigned(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    keep_number(0..=i64::from(u32::MAX), draft, line, scope);
}

fn buffer(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    keep_number(0..=i64::from(u32::MAX), draft, line, scope);
}

fn positive(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    keep_number(1..=i64::from(u32::MAX), draft, line, scope);
}

fn nice(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    keep_number(-20..=19, draft, line, scope);
}

fn real_time(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    keep_number(1..=99, draft, line, scope);
}

fn microseconds(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    keep_number(1..=10_000_000, draft, line, scope);
}

fn json_version(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    keep_number(1..=2, draft, line, scope);
}

fn max_auto_priority(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if line.count() == 0 {
        keep(draft, line, scope);
    } else {
        keep_number(-1..=99, draft, line, scope);
    }
}

/// Debian's keepalived is built without iptables and says so.
fn firewall(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    scope.sink.reported(
        codes::DEPRECATED,
        line.at(0),
        format!("`{}` needs iptables, which is not used", line.keyword()),
        "write `nftables`",
    );
    keep(draft, line, scope);
}

/// `MTU`, `ADVERT` or a number of bytes.
fn buffer_policy(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if matches!(line.get(1), Some("MTU" | "ADVERT")) {
        keep(draft, line, scope);
    } else {
        unsigned(draft, line, scope);
    }
}

/// A number or names of bits with `|` between.
fn umask(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    const BITS: &[&str] = &[
        "IRUSR", "IWUSR", "IXUSR", "IRGRP", "IWGRP", "IXGRP", "IROTH", "IWOTH", "IXOTH",
    ];
    let word = line.word(1);
    let number = u32::from_str_radix(word.trim_start_matches('0'), 8)
        .is_ok_and(|mask| mask <= 0o777)
        || word.bytes().all(|byte| byte == b'0');
    let all = line.from(1).concat();
    if number || all.split('|').all(|bit| BITS.contains(&bit)) {
        keep(draft, line, scope);
    } else {
        line.reject(
            1,
            format!("`{all}` is no umask"),
            "write an octal number or bits such as `IWGRP|IWOTH`; it is ignored",
            scope,
        );
    }
}
