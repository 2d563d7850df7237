//! The firewall task: filter rules that balanced packets no longer pass.
//!
//! Packets for a virtual server are taken before netfilter sees them. An administrator who filters
//! them there believes in a protection that is gone, so each such rule is named in the log, once, and
//! in the status as long as it stands.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};
use tracing::warn;
use xvs_net::{FirewallReport, FirewallTarget, examine_firewall};
use xvs_types::VirtualServerId;

use crate::changes::RuleChanges;

/// How often the firewall is looked at when nothing changes: it has no notifications that hold for
/// all its tools.
const PERIOD: Duration = Duration::from_secs(60);
/// How long the task rests after the virtual servers changed: many changes come together.
const REST: Duration = Duration::from_secs(1);
/// How many rules are named; more make no clearer a picture.
const NAMED: usize = 20;

/// A handle to the task.
#[derive(Clone, Debug)]
pub(crate) struct Firewall {
    virtual_servers: watch::Sender<BTreeSet<VirtualServerId>>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Firewall {
    /// Starts the task; it ends with the last handle.
    pub(crate) fn start() -> Self {
        let (virtual_servers, changes) = watch::channel(BTreeSet::new());
        let warnings = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(look(changes, Arc::clone(&warnings)));
        Self {
            virtual_servers,
            warnings,
        }
    }

    /// Says which virtual servers came and went.
    pub(crate) fn follow(&self, changes: &RuleChanges) {
        self.virtual_servers.send_if_modified(|now| match changes {
            RuleChanges::All(rules) => {
                let all = rules.iter().map(|(server, _)| server.id).collect();
                let before = std::mem::replace(now, all);
                before != *now
            }
            RuleChanges::Some(changes) => {
                let changed = changes.iter().filter(|(id, rule)| match rule {
                    Some(_) => now.insert(*id),
                    None => now.remove(id),
                });
                changed.count() > 0
            }
        });
    }

    /// What was found, a line each.
    pub(crate) fn warnings(&self) -> Vec<String> {
        lock(&self.warnings).clone()
    }
}

async fn look(
    mut changes: watch::Receiver<BTreeSet<VirtualServerId>>,
    warnings: Arc<Mutex<Vec<String>>>,
) {
    loop {
        match timeout(PERIOD, changes.changed()).await {
            Ok(Ok(())) => tokio::time::sleep(REST).await,
            // Every handle is gone: the daemon ends.
            Ok(Err(_closed)) => return,
            Err(_elapsed) => {}
        }
        let targets = targets(&changes.borrow_and_update());
        let found = if targets.is_empty() {
            Vec::new()
        } else {
            match examine_firewall(&targets).await {
                Ok(report) => lines(&report),
                Err(error) => vec![error.to_string()],
            }
        };
        let before = std::mem::replace(&mut *lock(&warnings), found.clone());
        for line in found.iter().filter(|line| !before.contains(line)) {
            warn!("{line}");
        }
    }
}

/// What the firewall's rules are compared with; a firewall mark has no address of its own.
fn targets(virtual_servers: &BTreeSet<VirtualServerId>) -> Vec<FirewallTarget> {
    virtual_servers
        .iter()
        .filter_map(|id| match id {
            VirtualServerId::Address { protocol, endpoint } => Some(FirewallTarget {
                address: endpoint.address,
                service: Some((*protocol, endpoint.port)),
            }),
            VirtualServerId::Mark { .. } => None,
        })
        .collect()
}

fn lines(report: &FirewallReport) -> Vec<String> {
    let mut lines: Vec<String> = report
        .rules
        .iter()
        .take(NAMED)
        .map(|rule| {
            format!(
                "a filter rule no longer sees balanced packets: table `{}`, chain `{}`: {}",
                rule.table, rule.chain, rule.text
            )
        })
        .collect();
    let more = report.rules.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!(
            "{more} more filter rules no longer see balanced packets"
        ));
    }
    lines
}

fn lock(warnings: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    // The list is replaced as a whole, so a panic elsewhere left it whole.
    warnings.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use xvs_net::FirewallRule;
    use xvs_types::Family;

    use super::*;

    #[test]
    fn virtual_servers_with_an_address_are_looked_for() {
        let ids = [
            VirtualServerId::tcp("192.0.2.1:80".parse().unwrap()),
            VirtualServerId::Mark {
                family: Family::V4,
                mark: 1,
            },
        ];
        let targets = targets(&ids.into_iter().collect());
        assert_eq!(targets.len(), 1);
        assert_eq!(targets[0].address.to_string(), "192.0.2.1");
    }

    #[test]
    fn few_rules_are_named_and_many_are_counted() {
        let rule = |number: usize| FirewallRule {
            table: "inet filter".to_owned(),
            chain: "input".to_owned(),
            text: format!("tcp dport {number} drop"),
            names_vip: false,
        };
        let mut report = FirewallReport {
            rules: (0..NAMED).map(rule).collect(),
            ..FirewallReport::default()
        };
        assert_eq!(lines(&report).len(), NAMED);
        report.rules.extend((0..5).map(rule));
        let lines = lines(&report);
        assert_eq!(lines.len(), NAMED + 1);
        assert!(lines[NAMED].starts_with("5 more "));
        assert_eq!(
            lines[0],
            "a filter rule no longer sees balanced packets: table `inet filter`, chain `input`: tcp dport 0 drop"
        );
    }
}
