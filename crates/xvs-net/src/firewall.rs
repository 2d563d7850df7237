//! Which rules of the host's firewall touch a virtual server.
//!
//! Balanced packets are taken before netfilter sees them, so a filter rule that the operator made for
//! a VIP no longer holds. This module finds such rules, for the daemon to name them; it changes none.
//! The tools' listings are read ([`nft`], [`iptables`]) into one model of a filter ([`model`]), and
//! the question is asked of the model alone.

mod iptables;
mod model;
mod nft;
mod nft_text;

use std::{fs, io, net::IpAddr};

use serde::{Deserialize, Serialize};
use xvs_types::Protocol;

use crate::command::{self, CommandError};

/// What the rules are compared with: a virtual server's address and, where it has them, its protocol
/// and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirewallTarget {
    /// The VIP.
    pub address: IpAddr,
    /// Protocol and port; port 0 stands for every port, none for every protocol.
    pub service: Option<(Protocol, u16)>,
}

/// A rule of the host's firewall that would act on a virtual server's packets if they came by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirewallRule {
    /// The table with its family, such as `inet filter`.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule as its tool writes it, or `policy drop`.
    pub text: String,
    /// It names the VIP, or a network with it, as opposed to dropping packets of any destination.
    pub names_vip: bool,
}

/// What an examination of the firewall found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallReport {
    /// The listings that were read, such as `nft -j list ruleset`; none when no tool is installed.
    pub examined: Vec<String>,
    /// The rules, each once, those that name a VIP first.
    pub rules: Vec<FirewallRule>,
}

/// The firewall could not be examined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirewallError {
    /// A tool failed, took too long or wrote too much.
    #[error("cannot examine the firewall: {0}")]
    Command(#[from] CommandError),
    /// A listing is not what its tool writes.
    #[error("cannot examine the firewall: the output of `{command}` is not understood: {reason}")]
    Output {
        /// The command line.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Looks for the filter rules that touch any of `targets`, in the calling thread's network namespace.
///
/// `nft` is asked where it is installed, since it also shows what `iptables` of today made;
/// `iptables-save` and `ip6tables-save` where it is not, or where the kernel holds tables of the old
/// kind beside it.
///
/// # Errors
///
/// A tool is there but cannot list its rules: it fails, takes over two seconds, or writes more than
/// 16 MiB.
pub async fn examine_firewall(targets: &[FirewallTarget]) -> Result<FirewallReport, FirewallError> {
    let mut report = FirewallReport::default();
    let nft = listing(&mut report, &["nft", "-j", "list", "ruleset"]).await?;
    let mut rulesets = Vec::new();
    if let Some(text) = &nft {
        rulesets.push(nft::parse(text).map_err(|reason| FirewallError::Output {
            command: "nft -j list ruleset".to_owned(),
            reason: reason.to_string(),
        })?);
    }
    for (tool, legacy_tool, names, family) in [
        (
            "iptables-save",
            "iptables-legacy-save",
            "ip_tables_names",
            iptables::IPV4,
        ),
        (
            "ip6tables-save",
            "ip6tables-legacy-save",
            "ip6_tables_names",
            iptables::IPV6,
        ),
    ] {
        let text = if nft.is_none() {
            listing(&mut report, &[tool]).await?
        } else if has_legacy_tables(names) {
            // On a host whose `iptables` is the nft one, the old tables need the old tool.
            match listing(&mut report, &[legacy_tool]).await? {
                Some(text) => Some(text),
                None => listing(&mut report, &[tool]).await?,
            }
        } else {
            None
        };
        rulesets.extend(text.map(|text| iptables::parse(&text, family)));
    }
    for ruleset in &rulesets {
        for target in targets {
            report.rules.extend(ruleset.touching(target));
        }
    }
    report
        .rules
        .sort_by(|a, b| b.names_vip.cmp(&a.names_vip).then_with(|| a.cmp(b)));
    report.rules.dedup();
    Ok(report)
}

/// The output of a tool, noted as examined; none when it is not installed.
async fn listing(
    report: &mut FirewallReport,
    command: &[&str],
) -> Result<Option<String>, FirewallError> {
    match command::output(command).await {
        Ok(text) => {
            report.examined.push(command.join(" "));
            Ok(Some(text))
        }
        Err(CommandError::Start { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether this namespace has tables of the old kind. Asked before running the old tool, which would
/// load the kernel's old tables.
fn has_legacy_tables(names: &str) -> bool {
    fs::read_to_string(format!("/proc/thread-self/net/{names}"))
        .is_ok_and(|tables| !tables.trim().is_empty())
}
