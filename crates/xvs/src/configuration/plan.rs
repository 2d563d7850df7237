//! `xvs plan`: what a file would change in the running daemon.
//!
//! The daemon tries the file on a copy of its checks, so what fails its checks now stays out, and what
//! others added by `ipvsadm` stays in. What becomes of live connections is said here.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use xvs_control::wire::ConfigurationPlan;
use xvs_types::{
    Endpoint, Op, Persistence, RealServer, RealServerListing, VirtualServer, VirtualServerId,
    VirtualServerListing, Weight,
};

use super::{change::request, check::Arguments};
use crate::{output, real_servers::method_name, spec::name, target::Target};

/// Arguments of `xvs plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    target: Target,
}

/// One change, what it does to live connections, and its words.
#[derive(Debug, PartialEq, Serialize)]
struct Change {
    op: Op,
    /// Connections that the changed server has now.
    connections: u64,
    words: String,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    file: &'a str,
    changes: &'a [Change],
    /// Checkers that would start, and end.
    new_checkers: u64,
    gone_checkers: u64,
}

/// Plans a file: success when it could be applied, whether it changes anything or not.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<ExitCode> {
    let outcome = plan.arguments.read()?;
    let file = plan.arguments.file.as_str();
    if outcome.config.is_none() {
        output::message(outcome.render_text(false).trim_end());
        let found = super::counted(&outcome);
        anyhow::bail!("no daemon starts with `{file}`: {found}; `xvs check {file}` says more");
    }
    let mut client = plan.target.connect()?;
    let planned = client.plan_configuration(&request(&plan.arguments)?)?;
    let running = client.virtual_servers()?;
    let changes = changes(&running, &planned);
    if plan.target.json {
        output::json(&Report {
            file,
            changes: &changes,
            new_checkers: planned.new_checkers,
            gone_checkers: planned.gone_checkers,
        })?;
    } else {
        output::write(text(file, &changes, &planned).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn changes(running: &[VirtualServerListing], planned: &ConfigurationPlan) -> Vec<Change> {
    let ops = planned.ops.iter().cloned();
    ops.map(|op| describe(running, op)).collect()
}

fn describe(running: &[VirtualServerListing], op: Op) -> Change {
    let virtual_server = |id: &VirtualServerId| running.iter().find(|one| one.config.id == *id);
    let real_server = |id: &VirtualServerId, endpoint: Endpoint| {
        virtual_server(id)?
            .real_servers
            .iter()
            .find(|one| one.config.endpoint == endpoint)
    };
    let (connections, words) = match &op {
        Op::AddVirtualServer { virtual_server } => (
            0,
            format!(
                "+ {} {}",
                name(&virtual_server.id),
                settings(virtual_server)
            ),
        ),
        Op::EditVirtualServer {
            virtual_server: after,
        } => {
            let before = virtual_server(&after.id);
            let was = before.map_or_else(String::new, |one| settings(&one.config));
            (
                before.map_or(0, all),
                format!("~ {} {was} -> {}", name(&after.id), settings(after)),
            )
        }
        Op::DeleteVirtualServer { id } => {
            let count = virtual_server(id).map_or(0, all);
            (count, format!("- {}{}", name(id), go_on(count)))
        }
        Op::AddRealServer {
            virtual_server,
            real_server,
        } => (
            0,
            format!(
                "+ {} real server {} {}",
                name(virtual_server),
                real_server.endpoint,
                share(real_server)
            ),
        ),
        Op::EditRealServer {
            virtual_server: id,
            real_server: after,
        } => {
            let before = real_server(id, after.endpoint);
            let count = before.map_or(0, open);
            let was = before.map_or_else(String::new, |one| share(&one.config));
            let note = if after.weight == Weight::QUIESCED {
                go_on(count)
            } else {
                String::new()
            };
            let words = format!(
                "~ {} real server {} {was} -> {}{note}",
                name(id),
                after.endpoint,
                share(after)
            );
            (count, words)
        }
        Op::DeleteRealServer {
            virtual_server: id,
            endpoint,
        } => {
            let count = real_server(id, *endpoint).map_or(0, open);
            let words = format!("- {} real server {endpoint}{}", name(id), go_on(count));
            (count, words)
        }
        // What else an op can be is no difference of rules.
        other => (0, format!("{other:?}")),
    };
    Change {
        op,
        connections,
        words,
    }
}

fn settings(virtual_server: &VirtualServer) -> String {
    let mut words = format!("scheduler {}", virtual_server.scheduler);
    if virtual_server.one_packet {
        words.push_str(" one-packet");
    }
    if let Some(Persistence { timeout, .. }) = virtual_server.persistence {
        words.push_str(&format!(" persistent {} s", timeout.as_secs()));
    }
    words
}

fn share(real_server: &RealServer) -> String {
    let method = method_name(real_server.method);
    let mut words = format!("{method} weight {}", real_server.weight.get());
    let thresholds = real_server.thresholds;
    if !thresholds.are_none() {
        words.push_str(&format!(
            " thresholds {}/{}",
            thresholds.upper, thresholds.lower
        ));
    }
    words
}

fn open(real_server: &RealServerListing) -> u64 {
    u64::from(real_server.active) + u64::from(real_server.inactive)
}

fn all(virtual_server: &VirtualServerListing) -> u64 {
    virtual_server.real_servers.iter().map(open).sum()
}

fn go_on(connections: u64) -> String {
    match connections {
        0 => String::new(),
        1 => " (1 connection goes on until it ends)".to_owned(),
        _ => format!(" ({connections} connections go on until they end)"),
    }
}

fn text(file: &str, changes: &[Change], planned: &ConfigurationPlan) -> String {
    let mut text = String::new();
    for change in changes {
        text.push_str(&change.words);
        text.push('\n');
    }
    let (new, gone) = (planned.new_checkers, planned.gone_checkers);
    if new + gone > 0 {
        text.push_str(&format!("checks: {new} start, {gone} end\n"));
    }
    if text.is_empty() {
        text = format!("{file}: all is as this file has it\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use xvs_types::{Counters, EffectiveMethod, Rates, Scheduler};

    use super::*;

    fn id() -> VirtualServerId {
        VirtualServerId::tcp("192.0.2.1:80".parse().unwrap())
    }

    fn server(endpoint: &str, active: u32) -> RealServerListing {
        let config = RealServer::new(endpoint.parse().unwrap());
        RealServerListing {
            config,
            effective: EffectiveMethod::Configured(config.method),
            active,
            inactive: 1,
            persistent: 0,
            counters: Counters::default(),
            rates: Rates::default(),
        }
    }

    fn running() -> Vec<VirtualServerListing> {
        vec![VirtualServerListing {
            config: VirtualServer::new(id()),
            counters: Counters::default(),
            rates: Rates::default(),
            real_servers: vec![server("10.0.0.2:80", 6), server("10.0.0.1:80", 0)],
        }]
    }

    #[test]
    fn without_a_difference_there_is_nothing_to_do() {
        let planned = ConfigurationPlan::default();
        assert_eq!(changes(&running(), &planned), []);
        assert_eq!(text("f", &[], &planned), "f: all is as this file has it\n");
    }

    #[test]
    fn a_change_says_what_becomes_of_connections() {
        let mut after = VirtualServer::new(id());
        after.scheduler = Scheduler::Rr;
        let planned = ConfigurationPlan {
            ops: vec![
                Op::EditVirtualServer {
                    virtual_server: after,
                },
                Op::AddRealServer {
                    virtual_server: id(),
                    real_server: RealServer::new("10.0.0.3:80".parse().unwrap()),
                },
                Op::DeleteRealServer {
                    virtual_server: id(),
                    endpoint: "10.0.0.2:80".parse().unwrap(),
                },
            ],
            new_checkers: 2,
            ..ConfigurationPlan::default()
        };
        let changes = changes(&running(), &planned);
        assert_eq!(
            text("f", &changes, &planned),
            "\
~ tcp/192.0.2.1:80 scheduler wlc -> scheduler rr
+ tcp/192.0.2.1:80 real server 10.0.0.3:80 dr weight 1
- tcp/192.0.2.1:80 real server 10.0.0.2:80 (7 connections go on until they end)
checks: 2 start, 0 end
"
        );
        assert_eq!(changes[2].connections, 7);
    }
}
