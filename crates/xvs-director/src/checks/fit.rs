//! Ops of the checks, fitted to the rules as they are.
//!
//! The checks know what they sent and not what others did: a daemon before this one left rules, an
//! operator added, changed or cleared some with `ipvsadm`. An op means "let it be so": what is so
//! already is left out, what is there otherwise is edited, what should be there and is not is added.

use std::collections::{HashMap, HashSet};

use xvs_types::{Endpoint, Op, RealServer, Rule, Rules, VirtualServer, VirtualServerId};

/// What the checks want in their virtual servers.
pub(crate) type Wanted = HashMap<VirtualServerId, Rule>;

/// Fits `ops` to `rules`. `wanted` has what the virtual servers of the ops are after them.
///
/// A virtual server that is added though it is there becomes the checks' own: real servers that they
/// do not want leave, last of all.
pub(crate) fn fit(rules: &Rules, ops: &[Op], wanted: &Wanted) -> Vec<Op> {
    let mut fitting = Fitting {
        rules,
        wanted,
        present: HashMap::new(),
        ops: Vec::with_capacity(ops.len()),
    };
    let mut taken_over = Vec::new();
    for op in ops {
        match op {
            Op::AddVirtualServer { virtual_server } => {
                if fitting.virtual_server(virtual_server) {
                    taken_over.push(virtual_server.id);
                }
            }
            Op::EditVirtualServer { virtual_server } => {
                fitting.virtual_server(virtual_server);
            }
            Op::AddRealServer {
                virtual_server,
                real_server,
            }
            | Op::EditRealServer {
                virtual_server,
                real_server,
            } => fitting.real_server(*virtual_server, *real_server),
            Op::DeleteRealServer {
                virtual_server,
                endpoint,
            } => fitting.delete_real_server(*virtual_server, *endpoint),
            Op::DeleteVirtualServer { id } => fitting.delete_virtual_server(*id),
            other => fitting.ops.push(other.clone()),
        }
    }
    for id in taken_over {
        fitting.only_wanted(id);
    }
    fitting.ops
}

/// A virtual server as it is after the ops so far; none when it is not there.
type Present = Option<(VirtualServer, Vec<RealServer>)>;

struct Fitting<'a> {
    rules: &'a Rules,
    wanted: &'a Wanted,
    present: HashMap<VirtualServerId, Present>,
    ops: Vec<Op>,
}

impl Fitting<'_> {
    fn present(&mut self, id: VirtualServerId) -> &mut Present {
        self.present
            .entry(id)
            .or_insert_with(|| self.rules.rule(&id).cloned())
    }

    /// Makes the virtual server so; answers whether it was there.
    fn virtual_server(&mut self, virtual_server: &VirtualServer) -> bool {
        let virtual_server = virtual_server.clone();
        match self.present(virtual_server.id) {
            None => {
                *self.present(virtual_server.id) = Some((virtual_server.clone(), Vec::new()));
                self.ops.push(Op::AddVirtualServer { virtual_server });
                false
            }
            Some((present, _)) => {
                if *present != virtual_server {
                    present.clone_from(&virtual_server);
                    self.ops.push(Op::EditVirtualServer { virtual_server });
                }
                true
            }
        }
    }

    fn real_server(&mut self, id: VirtualServerId, real_server: RealServer) {
        if self.present(id).is_none() {
            // Somebody cleared it away, with all its real servers.
            let Some((virtual_server, real_servers)) = self.wanted.get(&id) else {
                return;
            };
            self.virtual_server(virtual_server);
            for one in real_servers {
                self.real_server(id, *one);
            }
            return;
        }
        let Some((_, present)) = self.present(id) else {
            return;
        };
        let endpoint = real_server.endpoint;
        match present.iter_mut().find(|one| one.endpoint == endpoint) {
            None => {
                present.push(real_server);
                self.ops.push(Op::AddRealServer {
                    virtual_server: id,
                    real_server,
                });
            }
            Some(one) if *one != real_server => {
                *one = real_server;
                self.ops.push(Op::EditRealServer {
                    virtual_server: id,
                    real_server,
                });
            }
            Some(_) => {}
        }
    }

    fn delete_real_server(&mut self, id: VirtualServerId, endpoint: Endpoint) {
        let Some((_, present)) = self.present(id) else {
            return;
        };
        let before = present.len();
        present.retain(|one| one.endpoint != endpoint);
        if present.len() < before {
            self.ops.push(Op::DeleteRealServer {
                virtual_server: id,
                endpoint,
            });
        }
    }

    fn delete_virtual_server(&mut self, id: VirtualServerId) {
        if self.present(id).take().is_some() {
            self.ops.push(Op::DeleteVirtualServer { id });
        }
    }

    /// Takes real servers away that nobody wants.
    fn only_wanted(&mut self, id: VirtualServerId) {
        let Some((_, wanted)) = self.wanted.get(&id) else {
            return;
        };
        let Some((_, present)) = self.present(id) else {
            return;
        };
        let gone: Vec<Endpoint> = present
            .iter()
            .map(|one| one.endpoint)
            .filter(|endpoint| wanted.iter().all(|one| one.endpoint != *endpoint))
            .collect();
        for endpoint in gone {
            self.delete_real_server(id, endpoint);
        }
    }
}

/// Takes out of `ops` what would delete a virtual server that moves: one in `ids`, which another entry of
/// the configuration has from now on. Its real servers are deleted right before it.
pub(crate) fn keep_moved(ops: &mut Vec<Op>, ids: &[VirtualServerId]) {
    let ids: HashSet<&VirtualServerId> = ids.iter().collect();
    let gone: Vec<(usize, VirtualServerId)> = ops
        .iter()
        .enumerate()
        .filter_map(|(place, op)| Some((place, deleted(op)?)))
        .filter(|(_, id)| ids.contains(id))
        .collect();
    for (place, id) in gone.into_iter().rev() {
        let is_its = |op: &Op| matches!(op, Op::DeleteRealServer { virtual_server, .. } if *virtual_server == id);
        let others = ops[..place].iter().rposition(|op| !is_its(op));
        let first = others.map_or(0, |other| other + 1);
        ops.drain(first..=place);
    }
}

/// Keeps up with what `ops` want.
pub(crate) fn note(wanted: &mut Wanted, ops: &[Op]) {
    for op in ops {
        match op {
            Op::AddVirtualServer { virtual_server } | Op::EditVirtualServer { virtual_server } => {
                wanted
                    .entry(virtual_server.id)
                    .or_insert_with(|| (virtual_server.clone(), Vec::new()))
                    .0
                    .clone_from(virtual_server);
            }
            Op::DeleteVirtualServer { id } => {
                wanted.remove(id);
            }
            Op::AddRealServer {
                virtual_server,
                real_server,
            }
            | Op::EditRealServer {
                virtual_server,
                real_server,
            } => {
                if let Some((_, servers)) = wanted.get_mut(virtual_server) {
                    servers.retain(|one| one.endpoint != real_server.endpoint);
                    servers.push(*real_server);
                }
            }
            Op::DeleteRealServer {
                virtual_server,
                endpoint,
            } => {
                if let Some((_, servers)) = wanted.get_mut(virtual_server) {
                    servers.retain(|one| one.endpoint != *endpoint);
                }
            }
            _ => {}
        }
    }
}

/// The virtual server that `op` changes; none for what concerns all.
fn id_of(op: &Op) -> Option<VirtualServerId> {
    match op {
        Op::AddRealServer { virtual_server, .. }
        | Op::DeleteRealServer { virtual_server, .. }
        | Op::EditRealServer { virtual_server, .. } => Some(*virtual_server),
        Op::AddVirtualServer { virtual_server } | Op::EditVirtualServer { virtual_server } => {
            Some(virtual_server.id)
        }
        Op::DeleteVirtualServer { id } => Some(*id),
        _ => None,
    }
}

/// The virtual server that `op` deletes, if it does.
pub(crate) fn deleted(op: &Op) -> Option<VirtualServerId> {
    match op {
        Op::DeleteVirtualServer { id } => Some(*id),
        _ => None,
    }
}

/// What `op` is about, for messages.
pub(crate) fn subject(op: &Op) -> String {
    match (id_of(op), op) {
        (
            Some(id),
            Op::AddRealServer { real_server, .. } | Op::EditRealServer { real_server, .. },
        ) => format!("{id} real server {}", real_server.endpoint),
        (Some(id), Op::DeleteRealServer { endpoint, .. }) => format!("{id} real server {endpoint}"),
        (Some(id), _) => id.to_string(),
        (None, op) => format!("{op:?}"),
    }
}

/// The virtual servers that `ops` touch, as they are wanted.
pub(crate) fn touched(wanted: &Wanted, ops: &[Op]) -> Wanted {
    let mut touched = Wanted::new();
    for id in ops.iter().filter_map(id_of) {
        if let (Some(rule), false) = (wanted.get(&id), touched.contains_key(&id)) {
            touched.insert(id, rule.clone());
        }
    }
    touched
}

#[cfg(test)]
mod tests {
    use xvs_types::{Scheduler, Weight};

    use super::*;

    fn id() -> VirtualServerId {
        VirtualServerId::tcp("192.0.2.1:80".parse().unwrap())
    }

    fn server(last: u8) -> RealServer {
        RealServer::new(format!("10.0.0.{last}:80").parse().unwrap())
    }

    fn add() -> Op {
        Op::AddVirtualServer {
            virtual_server: VirtualServer::new(id()),
        }
    }

    fn add_server(last: u8) -> Op {
        Op::AddRealServer {
            virtual_server: id(),
            real_server: server(last),
        }
    }

    fn delete_server(last: u8) -> Op {
        Op::DeleteRealServer {
            virtual_server: id(),
            endpoint: server(last).endpoint,
        }
    }

    /// The rules after `before`, and what becomes of them by `ops`.
    fn after(before: &[Op], ops: &[Op]) -> (Vec<Op>, Rules) {
        let mut rules = Rules::new();
        rules.apply_all(before).unwrap();
        let mut wanted = Wanted::new();
        note(&mut wanted, &[add(), add_server(1), add_server(2)]);
        note(&mut wanted, ops);
        let fitted = fit(&rules, ops, &touched(&wanted, ops));
        rules.apply_all(&fitted).unwrap();
        (fitted, rules)
    }

    #[test]
    fn an_empty_table_gets_the_ops_as_they_are() {
        let ops = [add(), add_server(1), add_server(2)];
        assert_eq!(after(&[], &ops).0, ops);
    }

    #[test]
    fn rules_of_the_daemon_before_are_taken_over_and_strangers_leave_last() {
        let mut other = VirtualServer::new(id());
        other.scheduler = Scheduler::Rr;
        let before = [
            Op::AddVirtualServer {
                virtual_server: other,
            },
            add_server(9),
            add_server(1),
        ];
        let (fitted, _) = after(&before, &[add(), add_server(1), add_server(2)]);
        let edit = Op::EditVirtualServer {
            virtual_server: VirtualServer::new(id()),
        };
        assert_eq!(fitted, [edit, add_server(2), delete_server(9)]);
    }

    #[test]
    fn what_an_operator_added_stays_while_the_checks_go_on() {
        let before = [add(), add_server(1), add_server(2), add_server(9)];
        let (fitted, rules) = after(&before, &[delete_server(1)]);
        assert_eq!(fitted, [delete_server(1)]);
        assert!(rules.real_server(&id(), server(9).endpoint).is_some());
    }

    #[test]
    fn a_cleared_table_gets_the_whole_virtual_server_back() {
        let (fitted, _) = after(&[], &[delete_server(2), add_server(3)]);
        assert_eq!(fitted, [add(), add_server(1), add_server(3)]);
        assert_eq!(after(&[], &[delete_server(2)]).0, []);
    }

    #[test]
    fn a_virtual_server_that_moves_to_another_entry_is_not_deleted() {
        let other = VirtualServerId::tcp("192.0.2.2:80".parse().unwrap());
        let stays = [add(), add_server(1), Op::DeleteVirtualServer { id: other }];
        let [first, second, third] = stays.clone();
        let delete = Op::DeleteVirtualServer { id: id() };
        let mut ops = vec![
            first,
            second,
            delete_server(1),
            delete_server(2),
            delete,
            third,
        ];
        keep_moved(&mut ops, &[id()]);
        assert_eq!(ops, stays);
        keep_moved(&mut ops, &[]);
        assert_eq!(ops, stays);
    }

    #[test]
    fn an_edit_of_a_missing_real_server_adds_it() {
        let mut heavier = server(1);
        heavier.weight = Weight::new(7).unwrap();
        let edit = Op::EditRealServer {
            virtual_server: id(),
            real_server: heavier,
        };
        let (fitted, _) = after(&[add()], std::slice::from_ref(&edit));
        let add_heavier = Op::AddRealServer {
            virtual_server: id(),
            real_server: heavier,
        };
        assert_eq!(fitted, [add_heavier]);
        assert_eq!(
            after(&[add(), add_server(1)], std::slice::from_ref(&edit)).0,
            [edit]
        );
    }
}
