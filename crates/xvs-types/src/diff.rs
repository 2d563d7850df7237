//! How one rule base becomes another.
//!
//! The one place that knows the order of changes: what is new is added before anything goes, and a
//! real server is quiesced before it is deleted, so that no client meets a virtual server without
//! real servers on the way.

use std::collections::BTreeMap;

use crate::{Op, RealServer, VirtualServer, VirtualServerId, Weight};

/// A virtual server with its real servers, in the order in which they were added.
pub type Rule = (VirtualServer, Vec<RealServer>);

/// The ops that turn the rules `old` into `new`: adds and edits first, then quiescing, then deletes.
///
/// Applied to `old`, the result has the virtual and real servers of `new`. What is in both with the
/// same settings is not touched, so its counters and connections stay.
#[must_use]
pub fn diff(old: &[Rule], new: &[Rule]) -> Vec<Op> {
    let before: BTreeMap<VirtualServerId, &Rule> =
        old.iter().map(|rule| (rule.0.id, rule)).collect();
    let after: BTreeMap<VirtualServerId, &Rule> =
        new.iter().map(|rule| (rule.0.id, rule)).collect();
    let mut ops = Vec::new();
    for (virtual_server, real_servers) in new {
        match before.get(&virtual_server.id) {
            None => {
                ops.push(Op::AddVirtualServer {
                    virtual_server: virtual_server.clone(),
                });
                ops.extend(real_servers.iter().map(|real_server| Op::AddRealServer {
                    virtual_server: virtual_server.id,
                    real_server: *real_server,
                }));
            }
            Some((old_server, old_real_servers)) => {
                if old_server != virtual_server {
                    ops.push(Op::EditVirtualServer {
                        virtual_server: virtual_server.clone(),
                    });
                }
                real_server_ops(virtual_server.id, old_real_servers, real_servers, &mut ops);
            }
        }
    }
    for (virtual_server, _) in old {
        if !after.contains_key(&virtual_server.id) {
            ops.push(Op::DeleteVirtualServer {
                id: virtual_server.id,
            });
        }
    }
    ops
}

fn real_server_ops(id: VirtualServerId, old: &[RealServer], new: &[RealServer], ops: &mut Vec<Op>) {
    for real_server in new {
        match old
            .iter()
            .find(|other| other.endpoint == real_server.endpoint)
        {
            None => ops.push(Op::AddRealServer {
                virtual_server: id,
                real_server: *real_server,
            }),
            Some(other) if other != real_server => ops.push(Op::EditRealServer {
                virtual_server: id,
                real_server: *real_server,
            }),
            Some(_) => {}
        }
    }
    let gone: Vec<&RealServer> = old
        .iter()
        .filter(|other| !new.iter().any(|kept| kept.endpoint == other.endpoint))
        .collect();
    for real_server in &gone {
        if real_server.weight != Weight::QUIESCED {
            ops.push(Op::EditRealServer {
                virtual_server: id,
                real_server: RealServer {
                    weight: Weight::QUIESCED,
                    ..**real_server
                },
            });
        }
    }
    ops.extend(gone.iter().map(|real_server| Op::DeleteRealServer {
        virtual_server: id,
        endpoint: real_server.endpoint,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, Scheduler};

    fn rule(port: u16, servers: &[u16]) -> Rule {
        let vip = Endpoint::new("192.0.2.1".parse().unwrap(), port);
        let servers = servers
            .iter()
            .map(|port| RealServer::new(Endpoint::new("10.0.0.1".parse().unwrap(), *port)))
            .collect();
        (VirtualServer::new(VirtualServerId::tcp(vip)), servers)
    }

    #[test]
    fn equal_rules_need_no_op() {
        assert_eq!(diff(&[rule(80, &[1, 2])], &[rule(80, &[1, 2])]), []);
    }

    #[test]
    fn a_replacement_comes_in_before_the_old_server_is_quiesced_and_deleted() {
        let ops = diff(&[rule(80, &[1])], &[rule(80, &[2])]);
        assert!(matches!(ops[0], Op::AddRealServer { .. }));
        assert!(matches!(
            ops[1],
            Op::EditRealServer { real_server, .. } if real_server.weight == Weight::QUIESCED
        ));
        assert!(matches!(ops[2], Op::DeleteRealServer { .. }));
        assert_eq!(ops.len(), 3);
    }

    #[test]
    fn a_new_virtual_server_is_added_before_the_old_one_goes() {
        let ops = diff(&[rule(80, &[1])], &[rule(81, &[1])]);
        assert!(matches!(ops[0], Op::AddVirtualServer { .. }));
        assert!(matches!(ops[1], Op::AddRealServer { .. }));
        assert!(matches!(ops[2], Op::DeleteVirtualServer { .. }));
    }

    #[test]
    fn an_edit_leaves_real_servers_alone() {
        let mut edited = rule(80, &[1, 2]);
        edited.0.scheduler = Scheduler::Rr;
        let ops = diff(&[rule(80, &[1, 2])], &[edited]);
        assert_eq!(ops.len(), 1);
        assert!(matches!(ops[0], Op::EditVirtualServer { .. }));
    }
}
