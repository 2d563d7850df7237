//! The rule base: what is configured, with no packet, count or connection.
//!
//! [`Rules`] applies each [`Op`] as the kernel's `net/netfilter/ipvs/ip_vs_ctl.c` would, so a
//! dataplane asks it first and changes its maps only after it agreed. The order in which several
//! faults of one op are reported is the kernel's too.

mod check;
#[cfg(test)]
mod tests;
mod undo;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use self::undo::Step;
pub use self::undo::Undo;
use crate::{
    Endpoint, ForwardingMethod, Op, OpError, RealServer, Rule, Setting, Settings, SyncDaemon,
    SyncRole, Timeouts, VirtualServer, VirtualServerId,
};

/// Virtual servers with their real servers, the timeouts, the settings and the wanted sync daemons.
///
/// Everything is kept in the order of adding; a virtual server is found in constant time. Its
/// serialised form is checked like the ops that would build it when it is read back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub struct Rules {
    rules: Vec<Rule>,
    /// The serial number of each rule, ascending: a delete moves rules but renumbers none.
    serials: Vec<u64>,
    /// From identity to serial number.
    index: HashMap<VirtualServerId, u64>,
    next_serial: u64,
    timeouts: Timeouts,
    settings: Settings,
    sync_daemons: Vec<SyncDaemon>,
}

/// The serialised form of [`Rules`].
#[derive(Serialize, Deserialize)]
struct Plain {
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    timeouts: Timeouts,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    sync_daemons: Vec<SyncDaemon>,
}

impl Rules {
    /// No virtual server, default timeouts, no sync daemon.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one op, all of it or nothing.
    ///
    /// A real server reached by DR or TUN gets the port of its virtual server, except behind a
    /// firewall mark. [`Op::Zero`] changes nothing here, but its virtual server must exist.
    ///
    /// # Errors
    ///
    /// The first reason for which the kernel would refuse.
    pub fn apply(&mut self, op: &Op) -> Result<(), OpError> {
        self.change(op).map(|_undo| ())
    }

    /// Applies one op as [`Rules::apply`] does; answers what takes it back.
    ///
    /// # Errors
    ///
    /// As [`Rules::apply`].
    pub fn change(&mut self, op: &Op) -> Result<Undo, OpError> {
        let step = match op {
            Op::AddRealServer {
                virtual_server,
                real_server,
            } => self.add_real_server(virtual_server, real_server)?,
            Op::AddVirtualServer { virtual_server } => self.add_virtual_server(virtual_server)?,
            Op::DeleteRealServer {
                virtual_server,
                endpoint,
            } => {
                let position = self.position(virtual_server)?;
                let real_servers = &mut self.rules[position].1;
                let place = place(real_servers, *endpoint)?;
                let deleted = real_servers.remove(place);
                Step::InsertRealServer(*virtual_server, place, deleted)
            }
            Op::DeleteVirtualServer { id } => {
                let position = self.position(id)?;
                let rule = self.rules.remove(position);
                let serial = self.serials.remove(position);
                self.index.remove(id);
                Step::InsertRule(position, serial, rule)
            }
            Op::EditRealServer {
                virtual_server,
                real_server,
            } => self.edit_real_server(virtual_server, real_server)?,
            Op::EditVirtualServer { virtual_server } => {
                let position = self.position(&virtual_server.id)?;
                check::virtual_server(virtual_server)?;
                let config = &mut self.rules[position].0;
                Step::SetVirtualServer(std::mem::replace(config, virtual_server.clone()))
            }
            Op::Flush => Step::SetRules {
                rules: std::mem::take(&mut self.rules),
                serials: std::mem::take(&mut self.serials),
                index: std::mem::take(&mut self.index),
            },
            Op::SetSetting { setting, value } => {
                Step::SetSetting(*setting, self.set(*setting, *value)?)
            }
            Op::SetTimeouts { timeouts } => {
                check::timeouts(*timeouts)?;
                Step::SetTimeouts(std::mem::replace(&mut self.timeouts, *timeouts))
            }
            Op::StartSyncDaemon { daemon } => self.start_sync_daemon(daemon)?,
            Op::StopSyncDaemon { role } => {
                let running = self
                    .sync_daemons
                    .iter()
                    .position(|daemon| daemon.role == *role)
                    .ok_or(OpError::SyncDaemonMissing)?;
                Step::InsertSyncDaemon(running, self.sync_daemons.remove(running))
            }
            Op::Zero { id } => {
                id.map_or(Ok(()), |id| self.position(&id).map(|_found| ()))?;
                Step::Nothing
            }
        };
        Ok(Undo(step))
    }

    /// Applies `ops` in order, all or none.
    ///
    /// # Errors
    ///
    /// The place in `ops` of the first op that was refused, and why; nothing was changed.
    pub fn apply_all(&mut self, ops: &[Op]) -> Result<(), (usize, OpError)> {
        let mut done = Vec::with_capacity(ops.len());
        for (place, op) in ops.iter().enumerate() {
            match self.change(op) {
                Ok(undo) => done.push(undo),
                Err(error) => {
                    self.take_back(done);
                    return Err((place, error));
                }
            }
        }
        Ok(())
    }

    /// Virtual and real servers, both in the order of adding.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of the virtual server `id`.
    #[must_use]
    pub fn rule(&self, id: &VirtualServerId) -> Option<&Rule> {
        let position = self.position(id).ok()?;
        self.rules.get(position)
    }

    /// The real server `endpoint` of the virtual server `id`.
    #[must_use]
    pub fn real_server(&self, id: &VirtualServerId, endpoint: Endpoint) -> Option<&RealServer> {
        let (_, real_servers) = self.rule(id)?;
        real_servers
            .iter()
            .find(|real_server| real_server.endpoint == endpoint)
    }

    /// The timeouts.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The sync daemons that are wanted, in the order of starting; at most one a role.
    #[must_use]
    pub fn sync_daemons(&self) -> &[SyncDaemon] {
        &self.sync_daemons
    }

    /// The wanted sync daemon of this role.
    #[must_use]
    pub fn sync_daemon(&self, role: SyncRole) -> Option<&SyncDaemon> {
        self.sync_daemons.iter().find(|daemon| daemon.role == role)
    }

    fn add_virtual_server(&mut self, virtual_server: &VirtualServer) -> Result<Step, OpError> {
        let id = virtual_server.id;
        if self.index.contains_key(&id) {
            return Err(OpError::VirtualServerExists { id });
        }
        check::virtual_server(virtual_server)?;
        self.index.insert(id, self.next_serial);
        self.serials.push(self.next_serial);
        self.rules.push((virtual_server.clone(), Vec::new()));
        self.next_serial += 1;
        Ok(Step::RemoveLastRule)
    }

    fn add_real_server(
        &mut self,
        id: &VirtualServerId,
        real_server: &RealServer,
    ) -> Result<Step, OpError> {
        let position = self.position(id)?;
        let real_server = with_the_port_of(id, real_server);
        self.check_family(id, &real_server)?;
        check::real_server(&real_server)?;
        let real_servers = &mut self.rules[position].1;
        if place(real_servers, real_server.endpoint).is_ok() {
            return Err(OpError::RealServerExists {
                endpoint: real_server.endpoint,
            });
        }
        check::unicast(real_server.endpoint.address)?;
        real_servers.push(real_server);
        Ok(Step::RemoveLastRealServer(*id))
    }

    fn edit_real_server(
        &mut self,
        id: &VirtualServerId,
        real_server: &RealServer,
    ) -> Result<Step, OpError> {
        let position = self.position(id)?;
        let real_server = with_the_port_of(id, real_server);
        self.check_family(id, &real_server)?;
        check::real_server(&real_server)?;
        let real_servers = &mut self.rules[position].1;
        let place = place(real_servers, real_server.endpoint)?;
        let before = std::mem::replace(&mut real_servers[place], real_server);
        Ok(Step::SetRealServer(*id, place, before))
    }

    /// Changes a setting; answers what it was.
    fn set(&mut self, setting: Setting, value: i32) -> Result<i32, OpError> {
        self.settings
            .set(setting, value)
            .map_err(|refused| OpError::Invalid {
                reason: refused.to_string(),
            })
    }

    fn start_sync_daemon(&mut self, daemon: &SyncDaemon) -> Result<Step, OpError> {
        let crosses_families = self.rules.iter().any(|(virtual_server, real_servers)| {
            let family = virtual_server.id.family();
            real_servers
                .iter()
                .any(|real_server| real_server.endpoint.family() != family)
        });
        if crosses_families {
            return Err(sync_and_crossing());
        }
        if self.sync_daemon(daemon.role).is_some() {
            return Err(OpError::SyncDaemonExists);
        }
        self.sync_daemons.push(daemon.clone());
        Ok(Step::RemoveLastSyncDaemon)
    }

    fn position(&self, id: &VirtualServerId) -> Result<usize, OpError> {
        self.index
            .get(id)
            .and_then(|serial| self.serials.binary_search(serial).ok())
            .ok_or(OpError::VirtualServerMissing { id: *id })
    }

    /// Only a tunnel leads to the other family, and then no sync daemon may run: the sync
    /// protocol has no words for such a connection.
    fn check_family(&self, id: &VirtualServerId, real_server: &RealServer) -> Result<(), OpError> {
        if real_server.endpoint.family() == id.family() {
            return Ok(());
        }
        if !self.sync_daemons.is_empty() {
            return Err(sync_and_crossing());
        }
        match real_server.method {
            ForwardingMethod::Tunnel(_) => Ok(()),
            _ => Err(OpError::FamilyMismatch {
                endpoint: real_server.endpoint,
            }),
        }
    }
}

impl PartialEq for Rules {
    /// Whether both hold the same settings in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
            && self.timeouts == other.timeouts
            && self.settings == other.settings
            && self.sync_daemons == other.sync_daemons
    }
}

impl Eq for Rules {}

impl From<Rules> for Plain {
    fn from(rules: Rules) -> Self {
        Self {
            rules: rules.rules,
            timeouts: rules.timeouts,
            settings: rules.settings,
            sync_daemons: rules.sync_daemons,
        }
    }
}

impl TryFrom<Plain> for Rules {
    type Error = OpError;

    fn try_from(plain: Plain) -> Result<Self, OpError> {
        let mut rules = Self::new();
        rules.apply(&Op::SetTimeouts {
            timeouts: plain.timeouts,
        })?;
        for (setting, value) in plain.settings.changed() {
            rules.set(setting, value)?;
        }
        for (virtual_server, real_servers) in plain.rules {
            rules.add_virtual_server(&virtual_server)?;
            for real_server in real_servers {
                rules.add_real_server(&virtual_server.id, &real_server)?;
            }
        }
        for daemon in plain.sync_daemons {
            rules.start_sync_daemon(&daemon)?;
        }
        Ok(rules)
    }
}

/// The real server with the port that its method leaves it: DR and TUN change no port, so theirs is
/// the virtual server's; a firewall mark has none to give.
fn with_the_port_of(id: &VirtualServerId, real_server: &RealServer) -> RealServer {
    let mut real_server = *real_server;
    if let (
        VirtualServerId::Address { endpoint, .. },
        ForwardingMethod::Direct | ForwardingMethod::Tunnel(_),
    ) = (id, real_server.method)
    {
        real_server.endpoint.port = endpoint.port;
    }
    real_server
}

fn place(real_servers: &[RealServer], endpoint: Endpoint) -> Result<usize, OpError> {
    real_servers
        .iter()
        .position(|real_server| real_server.endpoint == endpoint)
        .ok_or(OpError::RealServerMissing { endpoint })
}

fn sync_and_crossing() -> OpError {
    OpError::Invalid {
        reason: "a sync daemon cannot run beside a real server of another address family than its virtual server; stop the one or delete the other".to_owned(),
    }
}
