//! `-L --daemon`.

use std::{
    fmt::Write,
    io,
    net::{IpAddr, Ipv4Addr},
};

use xvs_types::{Family, SyncDaemon, SyncRole};

use super::json;
use crate::command::Style;

/// The kernel's defaults (`net/netfilter/ipvs/ip_vs_sync.c`): the group, the port, the TTL, and an
/// MTU of 1500 less the headers.
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
const PORT: u16 = 8848;
const TTL: u8 = 1;
const MAX_LENGTH_V4: u16 = 1500 - 20 - 8;
const MAX_LENGTH_V6: u16 = 1500 - 40 - 8;

/// A line for each daemon, the master first.
pub(crate) fn daemons(daemons: &[SyncDaemon], style: Style) -> io::Result<String> {
    if style.json {
        return json(daemons);
    }
    let mut out = String::new();
    for (role, name) in [(SyncRole::Master, "master"), (SyncRole::Backup, "backup")] {
        for daemon in daemons.iter().filter(|daemon| daemon.role == role) {
            let group = daemon.group.unwrap_or(GROUP);
            let length = daemon
                .max_length
                .unwrap_or_else(|| match Family::of(group) {
                    Family::V4 => MAX_LENGTH_V4,
                    Family::V6 => MAX_LENGTH_V6,
                });
            let _infallible = writeln!(
                out,
                "{name} sync daemon (mcast={}, syncid={}, maxlen={length}, group={group}, port={}, ttl={})",
                daemon.interface,
                daemon.sync_id,
                daemon.port.unwrap_or(PORT),
                daemon.ttl.unwrap_or(TTL),
            );
        }
    }
    Ok(out)
}
