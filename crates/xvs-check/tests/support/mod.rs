//! Configurations in few words, and a world of servers on a virtual clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use xvs_check::{
    Action, CheckerConfig, Checks, Kind, Outcome, Quorum, RealServerConfig, Share, SorryServer,
    Timing, VirtualServerConfig,
};
use xvs_types::{
    Endpoint, ForwardingMethod, Op, RealServer, Rules, Scheduler, VirtualServer, VirtualServerId,
    Weight,
};

/// What a probe must know here: the port of its server.
pub(crate) type Probe = u16;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn virtual_server(servers: Vec<RealServerConfig<Probe>>) -> VirtualServerConfig<Probe> {
    let mut rule = VirtualServer::new(VirtualServerId::tcp("10.98.0.100:80".parse().unwrap()));
    rule.scheduler = Scheduler::Rr;
    VirtualServerConfig {
        name: "[10.98.0.100]:tcp:80".into(),
        rules: vec![rule],
        real_servers: servers,
        quorum: Quorum::default(),
        sorry_server: None,
        alpha: false,
        omega: false,
        ha_suspend: false,
    }
}

pub(crate) fn nat(port: u16, weight: u32) -> RealServer {
    let mut server = RealServer::new(Endpoint::new("127.0.0.1".parse().unwrap(), port));
    server.method = ForwardingMethod::Nat;
    server.weight = Weight::new(weight).unwrap();
    server
}

pub(crate) fn real_server(port: u16, weight: u32) -> RealServerConfig<Probe> {
    RealServerConfig {
        name: format!("[127.0.0.1]:tcp:{port}").into(),
        server: nat(port, weight),
        inhibit_on_failure: false,
        checkers: vec![checker(port, Kind::Tcp)],
    }
}

pub(crate) fn checker(port: u16, kind: Kind) -> CheckerConfig<Probe> {
    CheckerConfig {
        probe: port,
        timing: Timing {
            delay_loop: SECOND,
            retry: u32::from(!matches!(kind, Kind::Misc(_))),
            delay_before_retry: SECOND,
            warmup: SECOND,
        },
        kind,
        alpha: false,
        urls: 1,
        fast_recovery: false,
        log_all_failures: false,
    }
}

pub(crate) fn sorry(port: u16) -> SorryServer {
    SorryServer {
        server: nat(port, 1),
        inhibit: false,
    }
}

/// Servers that answer at once, a rule base that takes every op, and what was said.
pub(crate) struct World {
    pub(crate) checks: Checks<Probe>,
    pub(crate) rules: Rules,
    pub(crate) now: Instant,
    /// What each server answers; the others fail.
    pub(crate) answers: BTreeMap<Probe, Share>,
    pub(crate) ops: Vec<Op>,
    pub(crate) notified: Vec<String>,
    pub(crate) logged: Vec<String>,
    /// Ports that were checked, with the time.
    pub(crate) runs: Vec<(Instant, Probe)>,
}

impl World {
    pub(crate) fn new(up: &[Probe]) -> Self {
        Self {
            checks: Checks::new(BTreeSet::new(), false),
            rules: Rules::new(),
            now: Instant::now(),
            answers: up.iter().map(|port| (*port, Share::Configured)).collect(),
            ops: Vec::new(),
            notified: Vec::new(),
            logged: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn configure(&mut self, configs: Vec<VirtualServerConfig<Probe>>) {
        self.checks
            .configure(configs, self.now, &mut |_warmup| Duration::ZERO);
        self.act();
    }

    pub(crate) fn up(&mut self, port: Probe) {
        self.answers.insert(port, Share::Configured);
    }

    pub(crate) fn down(&mut self, port: Probe) {
        self.answers.remove(&port);
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.checks.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.checks.handle_timeout(self.now);
            self.act();
        }
        self.now = end;
    }

    /// Does all that is asked for; every batch must fit the rules.
    pub(crate) fn act(&mut self) {
        while let Some(action) = self.checks.poll_action() {
            match action {
                Action::Apply(ops) => {
                    self.rules.apply_all(&ops).unwrap();
                    self.ops.extend(ops);
                }
                Action::Log(event) => self.logged.push(event.to_string()),
                Action::Notify(notification) => self.notified.push(notification.to_string()),
                Action::Run { checker, .. } => {
                    let port = *self.checks.probe(checker).unwrap();
                    self.runs.push((self.now, port));
                    let outcome = match self.answers.get(&port) {
                        Some(share) => Outcome::Success(*share),
                        None => Outcome::Failure("exited with status 1".to_owned()),
                    };
                    self.checks.handle_result(checker, outcome, self.now);
                }
                _ => {}
            }
        }
    }

    #[allow(dead_code, reason = "not every test looks at the pool")]
    /// The real servers of all rules: ports and weights, in the order of adding.
    pub(crate) fn pool(&self) -> Vec<(u16, u32)> {
        let servers = self.rules.rules().iter().flat_map(|(_, servers)| servers);
        servers
            .map(|server| (server.endpoint.port, server.weight.get()))
            .collect()
    }
}

#[allow(dead_code, reason = "not every test has programs")]
pub(crate) fn misc(port: u16) -> CheckerConfig<Probe> {
    checker(port, Kind::Misc(Arc::from("run/m.sh")))
}
