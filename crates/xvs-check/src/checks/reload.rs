//! A configuration comes in: at the start, and again at every reload.
//!
//! What stands in both keeps its state: virtual and real servers by their names, checkers by all that
//! they are. A failed real server stays out, a checker keeps its next run, and a running check goes on.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Checks, Outbox, Release};
use crate::{
    CheckerConfig, CheckerId, RealServerConfig, Subject, VirtualServerConfig,
    checker::{Checker, Schedule},
    event::What,
    pool::Pool,
    server::Server,
    service::Service,
};

impl<P: PartialEq> Checks<P> {
    /// Takes a configuration in place of the one before, at first of none.
    ///
    /// What is new starts; `spread` picks a part of a warmup. What is gone leaves with its
    /// notifications, by the names of the old configuration: handle the actions before forgetting its
    /// scripts.
    pub fn configure(
        &mut self,
        configs: Vec<VirtualServerConfig<P>>,
        now: Instant,
        spread: &mut dyn FnMut(Duration) -> Duration,
    ) {
        let mut old: HashMap<Arc<str>, Service> = HashMap::new();
        let mut order = Vec::new();
        for service in self.services.drain(..) {
            order.push(Arc::clone(&service.name));
            old.insert(Arc::clone(&service.name), service);
        }
        let mut checkers = Checkers {
            before: std::mem::take(&mut self.probes),
            after: HashMap::new(),
            next_id: self.next_id,
        };
        let mut gone = Vec::new();
        let mut services = Vec::with_capacity(configs.len());
        for config in configs {
            let before = old.remove(&config.name);
            services.push(self.service(config, before, &mut checkers, &mut gone));
        }
        for mut service in order.into_iter().filter_map(|name| old.remove(&name)) {
            service.log(None, What::VirtualServerRemoved, &mut self.outbox);
            gone.extend(
                service
                    .servers
                    .iter()
                    .flat_map(|server| server.checkers.clone()),
            );
            service.end(Release::Everything, true, &mut self.outbox);
        }
        for checker in gone {
            forget(&checker, &mut self.deadlines, &mut self.outbox);
        }
        self.services = services;
        self.probes = checkers.after;
        self.next_id = checkers.next_id;
        self.find_places();
        self.suspend_or_activate(now, spread);
        self.outbox.flush();
    }

    /// The service of `config`, with what `before` knows; new ones are started.
    fn service(
        &mut self,
        config: VirtualServerConfig<P>,
        before: Option<Service>,
        checkers: &mut Checkers<P>,
        gone: &mut Vec<Checker>,
    ) -> Service {
        let is_new = before.is_none();
        let (pool, has_quorum, announced, mut old) = match before {
            Some(before) => (
                before.pool,
                before.has_quorum,
                before.announced,
                before.servers,
            ),
            None => (Pool::default(), false, None, Vec::new()),
        };
        let mut service = Service {
            name: config.name,
            rules: config.rules,
            servers: Vec::with_capacity(config.real_servers.len()),
            quorum: config.quorum,
            sorry: config.sorry_server,
            alpha: config.alpha,
            omega: config.omega,
            ha_suspend: config.ha_suspend,
            has_quorum,
            announced,
            pool,
        };
        for real_server in config.real_servers {
            let known = old.iter().position(|one| one.name == real_server.name);
            let before = known.map(|place| old.remove(place));
            let was = before.as_ref().map(|one| (one.alive(), one.weight()));
            let server = server(real_server, before, checkers, gone);
            let weight = server.weight();
            if let Some((alive, from)) = was
                && from != weight
            {
                let (from, to) = (from.get(), weight.get());
                let what = What::Weight { from, to, alive };
                service.log(Some(&server.name), what, &mut self.outbox);
            }
            let alive = server.alive();
            service.servers.push(server);
            if was.is_some_and(|(was_alive, _)| was_alive != alive) {
                service.announce_server(service.servers.len() - 1, &mut self.outbox);
            }
        }
        if is_new {
            service.start(self.announce_servers, &mut self.outbox);
            return service;
        }
        for mut server in old {
            service.log(Some(&server.name), What::Removed, &mut self.outbox);
            if server.alive() && server.announce(false) {
                let subject = Subject::RealServer(Arc::clone(&server.name));
                service.notify(subject, false, &mut self.outbox);
            }
            gone.extend(server.checkers);
        }
        service.fill(&mut self.outbox);
        service.weigh(&mut self.outbox);
        service
    }

    fn find_places(&mut self) {
        self.places.clear();
        for (service_at, service) in self.services.iter().enumerate() {
            for (server_at, server) in service.servers.iter().enumerate() {
                for (checker_at, checker) in server.checkers.iter().enumerate() {
                    let place = (service_at, server_at, checker_at);
                    self.places.insert(checker.id, place);
                }
            }
        }
    }
}

/// What is known of probes over a reload.
struct Checkers<P> {
    before: HashMap<CheckerId, P>,
    after: HashMap<CheckerId, P>,
    next_id: u64,
}

impl<P: PartialEq> Checkers<P> {
    /// The checker of `config`: the same one of `old`, or a new one.
    fn find(&mut self, config: CheckerConfig<P>, old: &mut Vec<Checker>) -> Checker {
        let same = old.iter().position(|one| {
            one.kind == config.kind
                && one.timing == config.timing
                && one.urls == config.urls
                && one.fast_recovery == config.fast_recovery
                && self.before.get(&one.id) == Some(&config.probe)
        });
        let mut checker = match same {
            Some(place) => old.remove(place),
            None => {
                let id = CheckerId(self.next_id);
                self.next_id += 1;
                let mut checker = Checker::new(id, config.kind, config.timing, config.alpha);
                checker.urls = config.urls;
                checker.fast_recovery = config.fast_recovery;
                checker
            }
        };
        // Decides about words alone.
        checker.log_all_failures = config.log_all_failures;
        self.after.insert(checker.id, config.probe);
        checker
    }
}

fn server<P: PartialEq>(
    config: RealServerConfig<P>,
    before: Option<Server>,
    checkers: &mut Checkers<P>,
    gone: &mut Vec<Checker>,
) -> Server {
    let (mut old, announced) = match before {
        Some(before) => (before.checkers, before.announced),
        None => (Vec::new(), None),
    };
    let found: Vec<Checker> = config
        .checkers
        .into_iter()
        .map(|checker| checkers.find(checker, &mut old))
        .collect();
    gone.extend(old);
    let mut server = Server {
        name: config.name,
        config: config.server,
        inhibit: config.inhibit_on_failure,
        checkers: found,
        announced,
    };
    // Who starts in the pool counts as known to be up; who waits for alpha is not known yet.
    if server.announced.is_none() && server.alive() {
        server.announced = Some(true);
    }
    server
}

fn forget(
    checker: &Checker,
    deadlines: &mut std::collections::BTreeSet<(Instant, CheckerId)>,
    outbox: &mut Outbox,
) {
    match checker.schedule {
        Schedule::Resting => {}
        Schedule::Running(_) => outbox.cancel(checker.id),
        Schedule::Waiting(at) => {
            deadlines.remove(&(at, checker.id));
        }
    }
}
