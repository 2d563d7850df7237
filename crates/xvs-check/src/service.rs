//! One virtual server: its real servers, its quorum, its pool.

use std::{net::IpAddr, sync::Arc};

use serde::Serialize;
use xvs_types::{Endpoint, RealServer, VirtualServer, VirtualServerId, Weight};

use crate::{
    CheckerId, Kind, Notification, Outcome, Quorum, SorryServer, Subject,
    checker::Change,
    checks::{Outbox, Release},
    event::What,
    pool::Pool,
    server::Server,
};

/// The state of a virtual server.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) rules: Vec<VirtualServer>,
    pub(crate) servers: Vec<Server>,
    pub(crate) quorum: Quorum,
    pub(crate) sorry: Option<SorryServer>,
    pub(crate) alpha: bool,
    pub(crate) omega: bool,
    pub(crate) ha_suspend: bool,
    pub(crate) has_quorum: bool,
    /// What was notified last of the quorum; none before anything was.
    pub(crate) announced: Option<bool>,
    pub(crate) pool: Pool,
}

/// A virtual server as its checks see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VirtualServerStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Enough weight is alive.
    pub has_quorum: bool,
    /// The sum of weights that is alive.
    pub alive_weight: u64,
    /// How much must be.
    pub quorum: Quorum,
    /// The sorry server serves.
    pub sorry: bool,
    /// Its real servers.
    pub real_servers: Vec<RealServerStatus>,
}

/// A real server as its checks see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RealServerStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Every checker is content.
    pub alive: bool,
    /// Its weight while it is alive.
    pub weight: u32,
    /// Its checkers.
    pub checkers: Vec<CheckerStatus>,
}

/// A checker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckerStatus {
    /// Which one.
    pub id: CheckerId,
    /// What it is.
    pub kind: Kind,
    /// It is content.
    pub up: bool,
    /// A result is in.
    pub answered: bool,
    /// Failures in a row that were not final.
    pub failures: u32,
}

impl Service {
    /// Takes the result of a checker, by the places of the real server and of the checker in it.
    pub(crate) fn result(
        &mut self,
        place: (usize, usize),
        outcome: Outcome,
        now: std::time::Instant,
        out: &mut Outbox,
    ) {
        let (at, which) = place;
        let was = (self.servers[at].alive(), self.servers[at].weight());
        let server = &mut self.servers[at];
        let name = Arc::clone(&server.name);
        let checker = &mut server.checkers[which];
        let kind = checker.kind.clone();
        let tells_all = checker.log_all_failures && checker.up;
        let change = checker.result(matches!(outcome, Outcome::Success(_)), now);
        match outcome {
            Outcome::Success(share) => {
                checker.share = share;
                if matches!(change, Change::Up | Change::StillUp) {
                    self.log(Some(&name), What::CheckSucceeded { kind }, out);
                }
            }
            Outcome::Failure(reason) => {
                let what = match change {
                    Change::Down { retries } => Some(What::CheckFailed {
                        kind,
                        retries,
                        reason,
                    }),
                    _ => tells_all.then_some(What::CheckFailedOnce { kind, reason }),
                };
                if let Some(what) = what {
                    self.log(Some(&name), what, out);
                }
            }
        }
        let first_failure = matches!(change, Change::Down { .. });
        self.after(at, was, first_failure, out);
    }

    /// What follows for the real server at `at`, which was alive or not and had a weight.
    pub(crate) fn after(&mut self, at: usize, was: (bool, Weight), failed: bool, out: &mut Outbox) {
        let server = &mut self.servers[at];
        let name = Arc::clone(&server.name);
        let (alive, weight) = (server.alive(), server.weight());
        if alive == was.0 {
            if alive && weight != was.1 {
                let what = What::Weight {
                    from: was.1.get(),
                    to: weight.get(),
                    alive,
                };
                self.log(Some(&name), what, out);
            } else if failed && server.announce(false) {
                // It never was in, as after alpha; that it does not work is news all the same.
                self.notify(Subject::RealServer(name), false, out);
                return;
            } else {
                return;
            }
        } else {
            self.announce_server(at, out);
        }
        self.fill(out);
        self.weigh(out);
    }

    /// Says that the real server at `at` came or went.
    pub(crate) fn announce_server(&mut self, at: usize, out: &mut Outbox) {
        let server = &self.servers[at];
        let (name, alive) = (Arc::clone(&server.name), server.alive());
        let what = match (alive, server.inhibit) {
            (true, true) => What::Enabled,
            (true, false) => What::Added,
            (false, true) => What::Disabled,
            (false, false) => What::Removed,
        };
        self.log(Some(&name), what, out);
        if self.servers[at].announce(alive) {
            self.notify(Subject::RealServer(name), alive, out);
        }
    }

    /// Sends the pool of a new service and says whether its quorum is there.
    pub(crate) fn start(&mut self, announce_servers: bool, out: &mut Outbox) {
        let sum = self.sum();
        self.has_quorum = sum >= self.quorum.gained_at();
        self.fill(out);
        if announce_servers {
            for at in 0..self.servers.len() {
                if self.servers[at].announced == Some(true) {
                    let name = Arc::clone(&self.servers[at].name);
                    self.notify(Subject::RealServer(name), true, out);
                }
            }
        }
        if self.has_quorum {
            self.log(None, What::QuorumGained(self.quorum, sum), out);
            self.announce_quorum(true, sum, out);
        } else if !self.alpha {
            self.log(None, What::StartedWithoutQuorum(self.quorum, sum), out);
            self.announce_quorum(false, sum, out);
        }
        if !self.has_quorum && self.sorry.is_some() {
            self.log_sorry(What::SorryAdded, out);
        }
    }

    /// Compares the sum of weights with the quorum and does what follows.
    pub(crate) fn weigh(&mut self, out: &mut Outbox) {
        let sum = self.sum();
        let gained = !self.has_quorum && sum >= self.quorum.gained_at();
        let lost = self.has_quorum && (sum == 0 || sum < self.quorum.lost_below());
        if !gained && !lost {
            return;
        }
        self.has_quorum = gained;
        let (what, sorry) = if gained {
            (What::QuorumGained(self.quorum, sum), What::SorryRemoved)
        } else {
            (What::QuorumLost(self.quorum, sum), What::SorryAdded)
        };
        self.log(None, what, out);
        if self.sorry.is_some() {
            self.log_sorry(sorry, out);
        }
        self.fill(out);
        self.announce_quorum(gained, sum, out);
    }

    /// Brings the dataplane to what the states ask for.
    pub(crate) fn fill(&mut self, out: &mut Outbox) {
        let wanted = self.wanted();
        self.pool.bring_to(&self.rules, &wanted, out.ops());
    }

    /// Ends the service; `notify` tells scripts what goes away.
    pub(crate) fn end(&mut self, release: Release, notify: bool, out: &mut Outbox) {
        for at in 0..self.servers.len() {
            let server = &self.servers[at];
            let (name, alive) = (Arc::clone(&server.name), server.alive());
            let inhibited = server.inhibit && !alive;
            self.log(Some(&name), What::ShutDown { inhibited }, out);
            if notify && alive && self.servers[at].announce(false) {
                self.notify(Subject::RealServer(name), false, out);
            }
        }
        if notify && self.has_quorum {
            self.announce_quorum(false, 0, out);
        }
        match release {
            Release::Everything => self.pool.clear(out.ops()),
            Release::Nothing => self.pool.forget(),
            Release::Rules => self.pool.drop_rules(out.ops()),
        }
    }

    /// Writes a line about it, or about one of its real servers.
    pub(crate) fn log(&self, real_server: Option<&Arc<str>>, what: What, out: &mut Outbox) {
        out.log(&self.name, real_server, what);
    }

    pub(crate) fn notify(&self, subject: Subject, up: bool, out: &mut Outbox) {
        out.notify(Notification {
            subject,
            virtual_server: Arc::clone(&self.name),
            up,
        });
    }

    /// The sum of weights that is alive.
    pub(crate) fn sum(&self) -> u64 {
        self.servers.iter().map(Server::counts).sum()
    }

    /// The address whose absence suspends its checks.
    pub(crate) fn suspending_address(&self) -> Option<IpAddr> {
        match self.rules.as_slice() {
            [rule] if self.ha_suspend => rule.id.vip(),
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> VirtualServerStatus {
        VirtualServerStatus {
            name: Arc::clone(&self.name),
            has_quorum: self.has_quorum,
            alive_weight: self.sum(),
            quorum: self.quorum,
            sorry: self.sorry.is_some() && !self.has_quorum,
            real_servers: self.servers.iter().map(server_status).collect(),
        }
    }

    /// What the dataplane should have, the sorry server last.
    fn wanted(&self) -> Vec<RealServer> {
        let Some(sorry) = self.sorry else {
            return self.servers.iter().filter_map(Server::in_pool).collect();
        };
        if !self.has_quorum {
            return self.while_sorry(sorry);
        }
        let mut wanted: Vec<RealServer> = self.servers.iter().filter_map(Server::in_pool).collect();
        if sorry.inhibit {
            wanted.push(RealServer {
                weight: Weight::QUIESCED,
                ..sorry.server
            });
        }
        wanted
    }

    /// The sorry server, and at weight 0 the real servers that never leave.
    fn while_sorry(&self, sorry: SorryServer) -> Vec<RealServer> {
        let resting = self.servers.iter().filter(|server| server.inhibit);
        let resting = resting.map(|server| RealServer {
            weight: Weight::QUIESCED,
            ..server.config
        });
        std::iter::once(sorry.server).chain(resting).collect()
    }

    fn announce_quorum(&mut self, up: bool, sum: u64, out: &mut Outbox) {
        if self.announced.replace(up) != Some(up) {
            self.notify(Subject::Quorum(sum), up, out);
        }
    }

    fn log_sorry(&self, what: What, out: &mut Outbox) {
        if let Some(sorry) = self.sorry {
            let name = sorry_name(
                self.rules.first().map(|rule| rule.id),
                sorry.server.endpoint,
            );
            self.log(Some(&name), what, out);
        }
    }
}

/// The sorry server as keepalived writes it: `[10.0.0.9]:tcp:80`.
fn sorry_name(id: Option<VirtualServerId>, endpoint: Endpoint) -> Arc<str> {
    let (address, port) = (endpoint.address, endpoint.port);
    match id {
        Some(VirtualServerId::Address { protocol, .. }) => {
            let protocol = protocol.to_string().to_lowercase();
            format!("[{address}]:{protocol}:{port}").into()
        }
        _ => format!("[{address}]:{port}").into(),
    }
}

fn server_status(server: &Server) -> RealServerStatus {
    RealServerStatus {
        name: Arc::clone(&server.name),
        alive: server.alive(),
        weight: server.weight().get(),
        checkers: server
            .checkers
            .iter()
            .map(|checker| CheckerStatus {
                id: checker.id,
                kind: checker.kind.clone(),
                up: checker.up,
                answered: checker.answered(),
                failures: checker.failures(),
            })
            .collect(),
    }
}
