//! `xvs vrrp`: virtual routers, and the hand of the operator in their elections.

use std::fmt::Write;

use clap::{Args, Subcommand};
use xvs_control::wire::{VirtualRouterStatus, VrrpFailover, VrrpPriority, VrrpStatus};

use crate::{
    output::{self, Align, Table},
    target::Target,
};

/// The commands of `xvs vrrp`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a master hand over; it does not preempt whoever takes over
    Failover(Failover),
    /// Set a priority in place of the configured one, until the next restart
    Priority(Priority),
    /// Virtual routers: state, why and since when, masters, what was rejected
    Status(Target),
}

/// The arguments of `xvs vrrp failover`.
#[derive(Debug, Args)]
pub(crate) struct Failover {
    /// The virtual router (`vrrp_instance`)
    router: String,
    #[command(flatten)]
    target: Target,
}

/// The arguments of `xvs vrrp priority`.
#[derive(Debug, Args)]
pub(crate) struct Priority {
    /// The virtual router (`vrrp_instance`)
    router: String,
    /// 1 to 255; trackers go on to move it
    #[arg(value_parser = clap::value_parser!(u8).range(1..), required_unless_present = "reset")]
    priority: Option<u8>,
    /// Take the configured one again
    #[arg(long, conflicts_with = "priority")]
    reset: bool,
    #[command(flatten)]
    target: Target,
}

/// Does what the command says.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Failover(Failover { router, target }) => {
            let request = VrrpFailover { router };
            Ok(target.connect()?.vrrp_failover(&request)?)
        }
        Command::Priority(Priority {
            router,
            priority,
            target,
            ..
        }) => {
            let request = VrrpPriority { router, priority };
            Ok(target.connect()?.vrrp_priority(&request)?)
        }
        Command::Status(target) => {
            let status = target.connect()?.vrrp()?;
            if target.json {
                return output::json(&status);
            }
            output::write(text(&status, output::styled())?.as_bytes())
        }
    }
}

fn text(status: &VrrpStatus, bold: bool) -> Result<String, std::fmt::Error> {
    if status.routers.is_empty() {
        return Ok("no virtual router\n".to_owned());
    }
    let columns = [
        ("ROUTER", Align::Left),
        ("STATE", Align::Left),
        ("PRIORITY", Align::Right),
        ("VRID", Align::Right),
        ("LINK", Align::Left),
        ("MASTER", Align::Left),
        ("WHY", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for router in &status.routers {
        let master = match (router.state.as_str(), router.master) {
            ("MASTER", _) => "here".to_owned(),
            (_, Some(master)) => master.to_string(),
            (_, None) => "-".to_owned(),
        };
        table.row([
            router.name.clone(),
            router.state.clone(),
            priority(router),
            router.vrid.to_string(),
            router.interface.clone(),
            master,
            why(router),
        ]);
    }
    let mut text = table.text(bold);
    for router in &status.routers {
        let counters = &router.counters;
        let lateness = counters.greatest_lateness_us;
        write!(
            text,
            "\n{}: {} sent, {} received, latest advert {}.{:03} ms late",
            router.name,
            counters.sent,
            counters.received,
            lateness / 1000,
            lateness % 1000
        )?;
        if counters.late_adverts > 0 {
            write!(text, ", {} of them too late", counters.late_adverts)?;
        }
        for (reason, count) in &counters.rejected {
            write!(text, ", {count} rejected ({reason})")?;
        }
    }
    text.push('\n');
    Ok(text)
}

/// The effective one, with the configured one where that is another.
fn priority(router: &VirtualRouterStatus) -> String {
    if router.priority == router.configured_priority {
        router.priority.to_string()
    } else {
        format!("{} (of {})", router.priority, router.configured_priority)
    }
}

fn why(router: &VirtualRouterStatus) -> String {
    let mut why = router.reason.clone();
    if router.yielded {
        why.push_str("; does not preempt");
    }
    if router.waits_for_group {
        why.push_str("; waits for its sync group");
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_who_is_master_and_why() {
        let router = VirtualRouterStatus {
            name: "VI_1".to_owned(),
            state: "BACKUP".to_owned(),
            reason: "failover on request".to_owned(),
            interface: "eth0".to_owned(),
            vrid: 51,
            configured_priority: 150,
            priority: 130,
            master: Some("10.99.0.2".parse().unwrap()),
            yielded: true,
            ..VirtualRouterStatus::default()
        };
        let status = VrrpStatus {
            routers: vec![router],
            ..VrrpStatus::default()
        };
        let text = text(&status, false).unwrap();
        let row = text.lines().nth(1).unwrap();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            "VI_1 BACKUP 130 (of 150) 51 eth0 10.99.0.2 failover on request; does not preempt"
        );
    }
}
