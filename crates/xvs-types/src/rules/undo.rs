//! Taking ops back: what a refused batch needs, at the price of the batch and not of the table.

use std::collections::HashMap;

use super::Rules;
use crate::{RealServer, Rule, Setting, SyncDaemon, Timeouts, VirtualServer, VirtualServerId};

/// What takes one op back. It fits the rule base as the op left it, so several go back last first:
/// [`Rules::take_back`].
#[derive(Debug)]
pub struct Undo(pub(super) Step);

/// The reverse of an op.
#[derive(Debug)]
pub(super) enum Step {
    InsertRealServer(VirtualServerId, usize, RealServer),
    InsertRule(usize, u64, Rule),
    InsertSyncDaemon(usize, SyncDaemon),
    Nothing,
    RemoveLastRealServer(VirtualServerId),
    RemoveLastRule,
    RemoveLastSyncDaemon,
    SetRealServer(VirtualServerId, usize, RealServer),
    SetRules {
        rules: Vec<Rule>,
        serials: Vec<u64>,
        index: HashMap<VirtualServerId, u64>,
    },
    SetSetting(Setting, i32),
    SetTimeouts(Timeouts),
    SetVirtualServer(VirtualServer),
}

impl Rules {
    /// Takes back ops whose [`Undo`]s stand in the order in which the ops were applied; nothing may
    /// have changed since the last of them.
    pub fn take_back(&mut self, done: Vec<Undo>) {
        for undo in done.into_iter().rev() {
            self.take_one_back(undo.0);
        }
    }

    fn take_one_back(&mut self, step: Step) {
        match step {
            Step::InsertRealServer(id, place, real_server) => {
                if let Some(real_servers) = self.real_servers_of(&id) {
                    real_servers.insert(place.min(real_servers.len()), real_server);
                }
            }
            Step::InsertRule(position, serial, rule) => {
                self.index.insert(rule.0.id, serial);
                self.serials.insert(position, serial);
                self.rules.insert(position, rule);
            }
            Step::InsertSyncDaemon(place, daemon) => self.sync_daemons.insert(place, daemon),
            Step::Nothing => {}
            Step::RemoveLastRealServer(id) => {
                if let Some(real_servers) = self.real_servers_of(&id) {
                    real_servers.pop();
                }
            }
            Step::RemoveLastRule => {
                self.serials.pop();
                if let Some((virtual_server, _)) = self.rules.pop() {
                    self.index.remove(&virtual_server.id);
                }
            }
            Step::RemoveLastSyncDaemon => {
                self.sync_daemons.pop();
            }
            Step::SetRealServer(id, place, before) => {
                let real_servers = self.real_servers_of(&id);
                if let Some(real_server) = real_servers.and_then(|all| all.get_mut(place)) {
                    *real_server = before;
                }
            }
            Step::SetRules {
                rules,
                serials,
                index,
            } => {
                self.rules = rules;
                self.serials = serials;
                self.index = index;
            }
            Step::SetSetting(setting, before) => {
                // It was in force, so it is within its range.
                let _taken_back = self.settings.set(setting, before);
            }
            Step::SetTimeouts(before) => self.timeouts = before,
            Step::SetVirtualServer(before) => {
                if let Ok(position) = self.position(&before.id) {
                    self.rules[position].0 = before;
                }
            }
        }
    }

    fn real_servers_of(&mut self, id: &VirtualServerId) -> Option<&mut Vec<RealServer>> {
        let position = self.position(id).ok()?;
        self.rules.get_mut(position).map(|rule| &mut rule.1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        Endpoint, ForwardingMethod, Op, OpError, RealServer, Rules, Scheduler, Setting, SyncDaemon,
        SyncRole, Timeouts, VirtualServer, VirtualServerId, Weight,
    };

    fn id(port: u16) -> VirtualServerId {
        VirtualServerId::tcp(Endpoint::new("192.0.2.1".parse().unwrap(), port))
    }

    fn real_server(last: u8) -> RealServer {
        let address = std::net::Ipv4Addr::new(10, 0, 0, last).into();
        RealServer {
            method: ForwardingMethod::Nat,
            ..RealServer::new(Endpoint::new(address, 80))
        }
    }

    fn add(port: u16) -> Op {
        Op::AddVirtualServer {
            virtual_server: VirtualServer::new(id(port)),
        }
    }

    fn add_real_server(port: u16, last: u8) -> Op {
        Op::AddRealServer {
            virtual_server: id(port),
            real_server: real_server(last),
        }
    }

    fn some_rules() -> Rules {
        let mut rules = Rules::new();
        let ops = [
            add(1),
            add(2),
            add(3),
            add_real_server(2, 1),
            add_real_server(2, 2),
        ];
        rules.apply_all(&ops).unwrap();
        rules
    }

    /// One op of each kind, each of which changes something.
    fn every_kind() -> Vec<Op> {
        let mut edited = VirtualServer::new(id(3));
        edited.scheduler = Scheduler::Lc;
        let mut heavier = real_server(2);
        heavier.weight = Weight::new(7).unwrap();
        vec![
            add(4),
            add_real_server(4, 9),
            Op::EditVirtualServer {
                virtual_server: edited,
            },
            Op::EditRealServer {
                virtual_server: id(2),
                real_server: heavier,
            },
            Op::DeleteRealServer {
                virtual_server: id(2),
                endpoint: real_server(1).endpoint,
            },
            Op::DeleteVirtualServer { id: id(2) },
            Op::SetSetting {
                setting: Setting::DropEntry,
                value: 3,
            },
            Op::SetTimeouts {
                timeouts: Timeouts {
                    tcp: Duration::from_secs(7),
                    ..Timeouts::default()
                },
            },
            Op::StartSyncDaemon {
                daemon: SyncDaemon {
                    role: SyncRole::Backup,
                    interface: "lo".to_owned(),
                    sync_id: 1,
                    max_length: None,
                    group: None,
                    port: None,
                    ttl: None,
                },
            },
            Op::StopSyncDaemon {
                role: SyncRole::Backup,
            },
            Op::Zero { id: Some(id(1)) },
            Op::Flush,
            add(2),
        ]
    }

    #[test]
    fn whatever_a_batch_did_is_taken_back_when_its_last_op_is_refused() {
        let ops = every_kind();
        for length in 0..=ops.len() {
            let mut rules = some_rules();
            let mut batch = ops[..length].to_vec();
            batch.push(Op::DeleteVirtualServer { id: id(99) });
            assert_eq!(
                rules.apply_all(&batch),
                Err((length, OpError::VirtualServerMissing { id: id(99) }))
            );
            assert_eq!(rules, some_rules(), "after {length} ops");
            // What is found by identity is in its place too.
            for port in 1..=3 {
                assert_eq!(rules.rule(&id(port)), some_rules().rule(&id(port)));
            }
            assert_eq!(rules.rule(&id(4)), None);
            rules.apply_all(&ops).unwrap();
            assert_eq!(rules.rules().len(), 1);
        }
    }
}
