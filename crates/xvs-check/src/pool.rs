//! From the rules that were sent to those that are wanted.

use std::collections::{HashMap, HashSet};

use xvs_types::{Endpoint, ForwardingMethod, Op, RealServer, Rule, VirtualServer, VirtualServerId};

/// The rules of one virtual server as they were sent: one, or one for each entry of its group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    sent: Vec<Rule>,
}

impl Pool {
    /// Brings every rule to these settings and these real servers, appending ops.
    ///
    /// New rules and real servers come first, in the order in which they are wanted; what is not
    /// wanted leaves after them.
    pub(crate) fn bring_to(
        &mut self,
        rules: &[VirtualServer],
        servers: &[RealServer],
        ops: &mut Vec<Op>,
    ) {
        for rule in rules {
            let servers = of_rule(&rule.id, servers);
            match self.sent.iter_mut().find(|(sent, _)| sent.id == rule.id) {
                Some((sent, sent_servers)) => {
                    if sent != rule {
                        sent.clone_from(rule);
                        let virtual_server = rule.clone();
                        ops.push(Op::EditVirtualServer { virtual_server });
                    }
                    real_servers(rule.id, sent_servers, servers, ops);
                }
                None => {
                    let virtual_server = rule.clone();
                    ops.push(Op::AddVirtualServer { virtual_server });
                    let mut sent_servers = Vec::new();
                    real_servers(rule.id, &mut sent_servers, servers, ops);
                    self.sent.push((rule.clone(), sent_servers));
                }
            }
        }
        let (kept, gone) = std::mem::take(&mut self.sent)
            .into_iter()
            .partition(|(sent, _)| rules.iter().any(|rule| rule.id == sent.id));
        self.sent = kept;
        for (rule, servers) in gone {
            delete(rule.id, &servers, ops);
        }
    }

    /// Takes every rule away, real servers first.
    pub(crate) fn clear(&mut self, ops: &mut Vec<Op>) {
        for (rule, servers) in self.sent.drain(..) {
            delete(rule.id, &servers, ops);
        }
    }

    /// Takes every rule away with its real servers in one op.
    pub(crate) fn drop_rules(&mut self, ops: &mut Vec<Op>) {
        let ids = self.sent.drain(..).map(|(rule, _)| rule.id);
        ops.extend(ids.map(|id| Op::DeleteVirtualServer { id }));
    }

    /// Forgets what was sent and leaves it where it is.
    pub(crate) fn forget(&mut self) {
        self.sent.clear();
    }
}

fn real_servers(
    id: VirtualServerId,
    sent: &mut Vec<RealServer>,
    wanted: Vec<RealServer>,
    ops: &mut Vec<Op>,
) {
    let before: HashMap<Endpoint, &RealServer> =
        sent.iter().map(|one| (one.endpoint, one)).collect();
    for server in &wanted {
        let op = match before.get(&server.endpoint) {
            None => Op::AddRealServer {
                virtual_server: id,
                real_server: *server,
            },
            Some(one) if *one != server => Op::EditRealServer {
                virtual_server: id,
                real_server: *server,
            },
            Some(_) => continue,
        };
        ops.push(op);
    }
    let after: HashSet<Endpoint> = wanted.iter().map(|one| one.endpoint).collect();
    let gone = sent.iter().filter(|one| !after.contains(&one.endpoint));
    ops.extend(gone.map(|one| Op::DeleteRealServer {
        virtual_server: id,
        endpoint: one.endpoint,
    }));
    *sent = wanted;
}

fn delete(id: VirtualServerId, servers: &[RealServer], ops: &mut Vec<Op>) {
    ops.extend(servers.iter().map(|one| Op::DeleteRealServer {
        virtual_server: id,
        endpoint: one.endpoint,
    }));
    ops.push(Op::DeleteVirtualServer { id });
}

/// `servers` as they are behind `id`: but for NAT their port is that of the rule, and of two that
/// become the same the first one stays.
fn of_rule(id: &VirtualServerId, servers: &[RealServer]) -> Vec<RealServer> {
    let mut seen = HashSet::with_capacity(servers.len());
    let with_port = |server: &RealServer| {
        let mut server = *server;
        let translates = matches!(
            server.method,
            ForwardingMethod::Nat | ForwardingMethod::FullNat
        );
        if !translates || server.endpoint.port == 0 {
            server.endpoint.port = id.port();
        }
        server
    };
    servers
        .iter()
        .map(with_port)
        .filter(|server| seen.insert(server.endpoint))
        .collect()
}
