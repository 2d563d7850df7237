//! Settings of IPVS as a whole.

use std::time::Duration;

use crate::{
    codes,
    config::{FlushOnStop, LvsSyncDaemon},
    keywords::{Draft, Line, Scope},
};

/// The longest timeout of IPVS: 31 days.
const MAX_TIMEOUT: i64 = 2_678_400;

/// `lvs_timeouts`.
pub(super) fn timeouts(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if line.count() == 0 {
        line.reject(0, "`lvs_timeouts` has no value", "it is ignored", scope);
    }
    let mut index = 1;
    while let Some(option) = line.get(index) {
        if !matches!(option, "tcp" | "tcpfin" | "udp") {
            line.reject(
                index,
                format!("`{option}` is no timeout"),
                "there are tcp, tcpfin and udp; it is ignored",
                scope,
            );
            index += 1;
            continue;
        }
        if line.get(index + 1).is_none() {
            line.reject(
                index,
                format!("`{option}` has no value"),
                "it is ignored",
                scope,
            );
            return;
        }
        let value = line
            .lax_integer(index + 1, 0..=MAX_TIMEOUT, "it stays as it is", scope)
            .map(Duration::from_secs);
        let timeouts = &mut draft.config.global.lvs_timeouts;
        match option {
            "tcp" => timeouts.tcp = value.or(timeouts.tcp),
            "tcpfin" => timeouts.tcp_fin = value.or(timeouts.tcp_fin),
            _ => timeouts.udp = value.or(timeouts.udp),
        }
        index += 2;
    }
}

/// `lvs_flush_on_stop`.
pub(super) fn flush_on_stop(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    draft.config.global.lvs_flush_on_stop = match line.get(1) {
        None => Some(FlushOnStop::Everything),
        Some("VS") => Some(FlushOnStop::OurVirtualServers),
        Some(other) => {
            line.reject(
                1,
                format!("`{other}` is no way to flush"),
                "write `VS` or nothing; the line is ignored",
                scope,
            );
            return;
        }
    };
}

/// `lvs_sync_daemon INTERFACE [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group IP]`.
pub(super) fn sync_daemon(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if draft.config.global.lvs_sync_daemon.is_some() {
        line.duplicate(scope);
        return;
    }
    let Some(interface) = line.get(1) else {
        line.reject(
            0,
            "`lvs_sync_daemon` needs an interface",
            "it is ignored",
            scope,
        );
        return;
    };
    if interface.len() >= 16 {
        line.reject(
            1,
            "an interface name has at most 15 bytes",
            "it is ignored",
            scope,
        );
        return;
    }
    let mut daemon = LvsSyncDaemon {
        interface: interface.to_owned(),
        instance: None,
        sync_id: None,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    };
    let mut index = 2;
    while let Some(option) = line.get(index) {
        let known = matches!(option, "inst" | "id" | "maxlen" | "port" | "ttl" | "group");
        if !known {
            if index == 2 {
                daemon.instance = Some(option.to_owned());
            } else if index == 3 && option.parse::<u8>().is_ok() {
                daemon.sync_id = option.parse().ok();
                scope.sink.reported(
                    codes::DEPRECATED,
                    line.at(index),
                    "a sync id without its word is deprecated",
                    format!("write `id {option}`"),
                );
            } else {
                line.reject(
                    index,
                    format!("`{option}` is no option of the sync daemon"),
                    "it is ignored",
                    scope,
                );
            }
            index += 1;
            continue;
        }
        if line.get(index + 1).is_none() {
            line.reject(
                index,
                format!("`{option}` has no value"),
                "it is ignored",
                scope,
            );
            break;
        }
        set(&mut daemon, option, line, index + 1, scope);
        index += 2;
    }
    draft.config.global.lvs_sync_daemon = Some(daemon);
}

fn set(
    daemon: &mut LvsSyncDaemon,
    option: &str,
    line: &Line<'_>,
    index: usize,
    scope: &mut Scope<'_>,
) {
    let keeps = "the default stays";
    match option {
        "inst" => daemon.instance = Some(line.word(index).to_owned()),
        "id" => daemon.sync_id = line.integer(index, 0..=255, keeps, scope),
        "maxlen" => daemon.max_length = line.integer(index, 1..=65_507, keeps, scope),
        "port" => daemon.port = line.integer(index, 1..=65_535, keeps, scope),
        "ttl" => daemon.ttl = line.integer(index, 1..=255, keeps, scope),
        _ => {
            daemon.group = line.address(index, keeps, scope).filter(|group| {
                if !group.is_multicast() {
                    line.reject(
                        index,
                        format!("`{group}` is no multicast group"),
                        keeps,
                        scope,
                    );
                }
                group.is_multicast()
            });
        }
    }
}
