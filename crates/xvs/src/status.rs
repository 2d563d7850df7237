//! `xvs status`.

use std::fmt::Write;

use serde::Serialize;
use xvs_control::wire::{ChecksStatus, ConfigurationStatus, Status, TableFill};

use crate::{
    checks,
    output::{self, Align, Table},
    target::Target,
};

/// Prints what the daemon says of itself.
pub(crate) fn run(target: &Target) -> anyhow::Result<()> {
    let mut client = target.connect()?;
    let everything = Everything {
        status: client.status()?,
        configuration: client.configuration()?,
        checks: client.checks()?,
    };
    if target.json {
        return output::json(&everything);
    }
    let Everything {
        status,
        configuration,
        checks,
    } = &everything;
    let styled = output::styled();
    let mut text = text(status, styled)?;
    let checks = checks::text(checks, styled);
    if let Some(file) = &configuration.file {
        write!(text, "\nconfiguration {file}: {}", configuration.counted)?;
        if let Some(seconds) = configuration.confirm_within_seconds {
            write!(text, ", taken back in {seconds} s unless it is confirmed")?;
        }
        write!(text, "\n\n{checks}")?;
    }
    output::write(text.as_bytes())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Everything {
    #[serde(flatten)]
    status: Status,
    configuration: ConfigurationStatus,
    checks: ChecksStatus,
}

fn text(status: &Status, bold: bool) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    write!(
        text,
        "xvs {}, instance `{}`, process {}, up {}",
        status.version,
        status.instance,
        status.pid,
        duration(status.uptime_seconds)
    )?;
    if let Some(netns) = &status.netns {
        write!(text, ", namespace `{netns}`")?;
    }
    text.push('\n');
    writeln!(
        text,
        "virtual servers {}, real servers {}",
        status.virtual_servers, status.real_servers
    )?;
    let interfaces = match &status.interfaces {
        Some(names) => names.join(" "),
        None => "auto".to_owned(),
    };
    writeln!(text, "hook {}, interfaces {interfaces}", status.hook)?;
    if status.keep {
        writeln!(text, "the datapath goes on forwarding when the daemon ends")?;
    }
    if !status.added_addresses.is_empty() {
        writeln!(
            text,
            "local addresses that xvs added: {}",
            status.added_addresses.join(" ")
        )?;
    }
    text.push('\n');
    text.push_str(&links(status, bold));
    text.push('\n');
    text.push_str(&tables(status, bold));
    counters(&mut text, "DROPPED", &status.drops, bold);
    counters(&mut text, "EVENT", &status.events, bold);
    if !status.warnings.is_empty() {
        text.push('\n');
        for warning in &status.warnings {
            writeln!(text, "warning: {warning}")?;
        }
    }
    Ok(text)
}

fn links(status: &Status, bold: bool) -> String {
    let mut table = Table::new(&[
        ("LINK", Align::Left),
        ("HOOK", Align::Left),
        ("ATTACHED BY", Align::Left),
        ("WHY", Align::Left),
    ]);
    for link in &status.links {
        let or_not = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        table.row([
            link.name.clone(),
            or_not(&link.hook),
            link.attached_by
                .clone()
                .unwrap_or_else(|| "not attached".to_owned()),
            link.reason.clone(),
        ]);
    }
    if table.is_empty() {
        let why = if status.virtual_servers == 0 {
            "there is no virtual server"
        } else {
            "no link can"
        };
        return format!("no link carries the datapath: {why}\n");
    }
    table.text(bold)
}

fn tables(status: &Status, bold: bool) -> String {
    let mut table = Table::new(&[
        ("TABLE", Align::Left),
        ("USED", Align::Right),
        ("CAPACITY", Align::Right),
        ("FILL", Align::Right),
        ("OVERFLOW", Align::Right),
    ]);
    for (name, fill) in [("IPv4", status.table_v4), ("IPv6", status.table_v6)] {
        table.row([
            name.to_owned(),
            fill.used.to_string(),
            fill.capacity.to_string(),
            percent(fill),
            fill.overflow.to_string(),
        ]);
    }
    table.text(bold)
}

/// The counters that ever counted.
fn counters(
    text: &mut String,
    heading: &'static str,
    counters: &std::collections::BTreeMap<String, u64>,
    bold: bool,
) {
    let mut table = Table::new(&[(heading, Align::Left), ("PACKETS", Align::Right)]);
    for (reason, count) in counters.iter().filter(|(_, count)| **count > 0) {
        table.row([reason.clone(), count.to_string()]);
    }
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.text(bold));
    }
}

fn percent(fill: TableFill) -> String {
    let percent = fill.used.saturating_mul(100).checked_div(fill.capacity);
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent}%"))
}

/// The two greatest units: `2 d 3 h`, `3 min 4 s`, `5 s`.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use xvs_control::wire::{HookChoice, LinkStatus};

    use super::*;

    #[test]
    fn a_working_daemon_is_told_in_full() {
        let status = Status {
            instance: "default".to_owned(),
            version: "0.1.0".to_owned(),
            pid: 42,
            netns: Some("lb".to_owned()),
            uptime_seconds: 184,
            keep: true,
            hook: HookChoice::Auto,
            links: vec![
                LinkStatus {
                    ifindex: 2,
                    name: "eth0".to_owned(),
                    hook: Some("xdp".to_owned()),
                    attached_by: Some("xdp (driver)".to_owned()),
                    reason: "it has the VIP 192.0.2.1".to_owned(),
                },
                LinkStatus {
                    ifindex: 3,
                    name: "eth1".to_owned(),
                    reason: "it was named".to_owned(),
                    ..LinkStatus::default()
                },
            ],
            virtual_servers: 1,
            real_servers: 2,
            table_v4: TableFill {
                capacity: 65_536,
                used: 32_768,
                overflow: 3,
            },
            drops: BTreeMap::from([("no-route".to_owned(), 5), ("ttl".to_owned(), 0)]),
            warnings: vec!["a filter rule touches 192.0.2.1".to_owned()],
            ..Status::default()
        };
        let expected = "\
xvs 0.1.0, instance `default`, process 42, up 3 min 4 s, namespace `lb`
virtual servers 1, real servers 2
hook auto, interfaces auto
the datapath goes on forwarding when the daemon ends

LINK  HOOK  ATTACHED BY   WHY
eth0  xdp   xdp (driver)  it has the VIP 192.0.2.1
eth1  -     not attached  it was named

TABLE   USED  CAPACITY  FILL  OVERFLOW
IPv4   32768     65536   50%         3
IPv6       0         0     -         0

DROPPED   PACKETS
no-route        5

warning: a filter rule touches 192.0.2.1
";
        assert_eq!(text(&status, false).unwrap(), expected);
    }

    #[test]
    fn times_have_their_two_greatest_units() {
        assert_eq!(duration(5), "5 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(7_260), "2 h 1 min");
        assert_eq!(duration(90_000), "1 d 1 h");
    }
}
