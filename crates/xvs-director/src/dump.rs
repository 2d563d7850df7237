//! What signals ask for: the state of the daemon as files, for people and scripts that know keepalived.
//!
//! keepalived writes them into `/tmp`, where anybody may have put a link of that name before. Here they
//! lie in the folder of the instance, and the log says where.

mod routers;
mod words;

use std::{
    fmt::Write,
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use tracing::{info, warn};
use xvs_control::{
    Instance,
    wire::{CheckedVirtualServer, ChecksStatus, ConfigurationStatus, Problem},
};

use self::routers::Routers;
use crate::{
    checks::ChecksThread,
    configuration::{Control, InForce},
    vrrp::VrrpService,
};

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dump {
    /// `SIGUSR1`: the configuration and the state of every server.
    Data,
    /// `SIGRTMIN + 2`: the virtual routers, for programs.
    Json,
    /// `SIGUSR2`: what the virtual routers counted.
    Statistics,
}

/// Where the state comes from, and where it goes.
pub(crate) struct Dumps {
    pub(crate) control: Control,
    pub(crate) in_force: InForce,
    pub(crate) vrrp: VrrpService,
    pub(crate) checks: ChecksThread,
    pub(crate) instance: Instance,
}

impl Dumps {
    /// Writes a file.
    pub(crate) async fn write(&self, dump: Dump) {
        let path = dump.path(&self.instance);
        let text = match self.text(dump).await {
            Ok(text) => text,
            Err(error) => {
                warn!(%error, "the state is not written");
                return;
            }
        };
        match write(&path, &text) {
            Ok(()) => info!("Printing state to {}", path.display()),
            Err(error) => warn!(%error, path = %path.display(), "the state is not written"),
        }
    }

    /// Writes the data into the log.
    pub(crate) async fn log(&self) {
        match self.text(Dump::Data).await {
            Ok(text) => text.lines().for_each(|line| info!("{line}")),
            Err(error) => warn!(%error, "the state is not known"),
        }
    }

    async fn text(&self, dump: Dump) -> Result<String, Problem> {
        let config = self.in_force.config();
        let status = self.vrrp.status().await?;
        let routers = Routers::new(config.as_deref(), &status);
        Ok(match dump {
            Dump::Data => {
                let checks = self.checks.status().await?;
                data(&self.control.status(), &checks, &routers)
            }
            Dump::Json => routers.json().to_string(),
            Dump::Statistics => routers.statistics(),
        })
    }
}

/// Writes a file that root alone reads, for it has passwords, as keepalived's have.
fn write(path: &Path, text: &str) -> io::Result<()> {
    // By another name first: who reads it never reads half of it.
    let beside = path.with_extension("new");
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}

impl Dump {
    fn path(self, instance: &Instance) -> PathBuf {
        let name = match self {
            Self::Data => "keepalived.data",
            Self::Json => "keepalived.json",
            Self::Statistics => "keepalived.stats",
        };
        instance.directory().join(name)
    }
}

/// The state in words, under keepalived's headings.
fn data(
    configuration: &ConfigurationStatus,
    checks: &ChecksStatus,
    routers: &Routers<'_>,
) -> String {
    let mut text = String::from("------< Global definitions >------\n");
    let file = configuration.file.as_deref().unwrap_or("none");
    line(&mut text, 1, &format!("Configuration file = {file}"));
    line(&mut text, 1, &format!("Checks run = {}", checks.runs));
    text.push_str(&routers.topology());
    text.push_str("------< LVS Topology >------\n");
    for one in &checks.virtual_servers {
        virtual_server(&mut text, one);
    }
    text
}

fn virtual_server(text: &mut String, one: &CheckedVirtualServer) {
    let yes = |flag: bool| if flag { "yes" } else { "no" };
    line(text, 1, &format!("Virtual server = {}", one.name));
    let quorum = format!("quorum = {}, hysteresis = {}", one.quorum, one.hysteresis);
    line(text, 2, &quorum);
    line(text, 2, &format!("alive weight = {}", one.alive_weight));
    line(text, 2, &format!("Has quorum = {}", yes(one.has_quorum)));
    line(text, 2, &format!("Using sorry server = {}", yes(one.sorry)));
    for real_server in &one.real_servers {
        line(text, 2, &format!("Real server = {}", real_server.name));
        line(text, 3, &format!("Alive = {}", yes(real_server.alive)));
        line(text, 3, &format!("weight = {}", real_server.weight));
        for checker in &real_server.checkers {
            let state = if checker.up { "up" } else { "down" };
            line(text, 3, &format!("Checker {} = {state}", checker.kind));
            let failure = checker.last.as_ref().and_then(|last| last.failure.as_ref());
            if let Some(failure) = failure {
                line(text, 4, &format!("Last failure = {failure}"));
            }
        }
    }
}

fn line(text: &mut String, depth: usize, words: &str) {
    // Writing to a string does not fail.
    let _written = writeln!(text, "{:depth$}{words}", "");
}

#[cfg(test)]
mod tests {
    use xvs_control::wire::{CheckedRealServer, CheckerReport, LastCheck, VrrpStatus};

    use super::*;

    #[test]
    fn a_failed_server_is_found_with_its_reason() {
        let checker = CheckerReport {
            kind: "TCP_CHECK".to_owned(),
            last: Some(LastCheck {
                failure: Some("refused".to_owned()),
                ..LastCheck::default()
            }),
            ..CheckerReport::default()
        };
        let checks = ChecksStatus {
            virtual_servers: vec![CheckedVirtualServer {
                name: "[192.0.2.1]:tcp:80".to_owned(),
                quorum: 1,
                sorry: true,
                real_servers: vec![CheckedRealServer {
                    name: "[10.0.0.1]:tcp:80".to_owned(),
                    weight: 3,
                    checkers: vec![checker],
                    ..CheckedRealServer::default()
                }],
                ..CheckedVirtualServer::default()
            }],
            runs: 5,
            ..ChecksStatus::default()
        };
        let none = VrrpStatus::default();
        let routers = Routers::new(None, &none);
        let text = data(&ConfigurationStatus::default(), &checks, &routers);
        assert_eq!(
            text,
            "\
------< Global definitions >------
 Configuration file = none
 Checks run = 5
------< LVS Topology >------
 Virtual server = [192.0.2.1]:tcp:80
  quorum = 1, hysteresis = 0
  alive weight = 0
  Has quorum = no
  Using sorry server = yes
  Real server = [10.0.0.1]:tcp:80
   Alive = no
   weight = 3
   Checker TCP_CHECK = down
    Last failure = refused
"
        );
    }
}
