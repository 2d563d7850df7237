//! The machine: every virtual server with its checks, and what waits to be done.

mod outbox;
mod reload;

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use self::outbox::Outbox;
use crate::{
    Action, CheckerId, Outcome, VirtualServerStatus, checker::Schedule, event::What,
    service::Service,
};

/// What becomes of the rules when the checks end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Real servers leave one by one, then the virtual servers.
    Everything,
    /// All stay (`--dont-release-ipvs`).
    Nothing,
    /// One op for each rule takes it away with its real servers (`lvs_flush_on_stop`).
    Rules,
}

/// All checks of a director. `P` is what a probe needs to know.
///
/// Take every action out after each input. What an input would do can be seen on a clone.
#[derive(Clone, Debug)]
pub struct Checks<P> {
    services: Vec<Service>,
    probes: HashMap<CheckerId, P>,
    /// Virtual server, real server and checker, by their places.
    places: HashMap<CheckerId, (usize, usize, usize)>,
    deadlines: BTreeSet<(Instant, CheckerId)>,
    addresses: BTreeSet<IpAddr>,
    announce_servers: bool,
    next_id: u64,
    outbox: Outbox,
}

impl<P: PartialEq> Checks<P> {
    /// No check. `addresses` are those of this host, for `ha_suspend`; `rs_init_notifies` tells of
    /// real servers that are up from the start.
    #[must_use]
    pub fn new(addresses: BTreeSet<IpAddr>, rs_init_notifies: bool) -> Self {
        Self {
            services: Vec::new(),
            probes: HashMap::new(),
            places: HashMap::new(),
            deadlines: BTreeSet::new(),
            addresses,
            announce_servers: rs_init_notifies,
            next_id: 0,
            outbox: Outbox::default(),
        }
    }

    /// From here on real servers that are up from the start are told of, or not (`rs_init_notifies`).
    pub fn announce_servers(&mut self, announce: bool) {
        self.announce_servers = announce;
    }

    /// A check has answered. What no running check has asked for is ignored.
    pub fn handle_result(&mut self, checker: CheckerId, outcome: Outcome, now: Instant) {
        let Some(&(service, server, which)) = self.places.get(&checker) else {
            return;
        };
        let service = &mut self.services[service];
        let running = service.servers[server].checkers[which].schedule;
        if !matches!(running, Schedule::Running(_)) {
            return;
        }
        service.result((server, which), outcome, now, &mut self.outbox);
        if let Schedule::Waiting(at) = service.servers[server].checkers[which].schedule {
            self.deadlines.insert((at, checker));
        }
        self.outbox.flush();
    }

    /// Starts every check that is due at `now`; none if none is.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.deadlines.first() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            if let Some(&(service, server, which)) = self.places.get(&id) {
                let checker = &mut self.services[service].servers[server].checkers[which];
                let url = checker.begin(now);
                self.outbox.push(Action::Run { checker: id, url });
            }
        }
    }

    /// The addresses of this host are now these: checks of `ha_suspend` rest or go on.
    ///
    /// `spread` picks a part of a warmup.
    pub fn handle_addresses(
        &mut self,
        addresses: BTreeSet<IpAddr>,
        now: Instant,
        spread: &mut dyn FnMut(Duration) -> Duration,
    ) {
        self.addresses = addresses;
        self.suspend_or_activate(now, spread);
        self.outbox.flush();
    }

    /// Ends all checks. Virtual servers with `omega` tell their scripts.
    pub fn stop(&mut self, release: Release) {
        for (id, _) in self.places.drain() {
            self.outbox.cancel(id);
        }
        self.deadlines.clear();
        self.probes.clear();
        for mut service in std::mem::take(&mut self.services) {
            let notify = service.omega;
            service.end(release, notify, &mut self.outbox);
        }
        self.outbox.flush();
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.outbox.pop()
    }

    /// When [`Checks::handle_timeout`] is wanted next; changed by every input.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// What the probe of a checker needs to know; none when the checker is gone.
    #[must_use]
    pub fn probe(&self, checker: CheckerId) -> Option<&P> {
        self.probes.get(&checker)
    }

    /// The names of a checker's virtual and real server; none when it is gone.
    #[must_use]
    pub fn names(&self, checker: CheckerId) -> Option<(&Arc<str>, &Arc<str>)> {
        let (service, server, _) = self.places.get(&checker)?;
        let service = self.services.get(*service)?;
        Some((&service.name, &service.servers.get(*server)?.name))
    }

    /// When a checker runs next; none while it runs, rests or is gone.
    #[must_use]
    pub fn next_run(&self, checker: CheckerId) -> Option<Instant> {
        let (service, server, which) = *self.places.get(&checker)?;
        match self.services[service].servers[server].checkers[which].schedule {
            Schedule::Waiting(at) => Some(at),
            Schedule::Resting | Schedule::Running(_) => None,
        }
    }

    /// What all checks have found, in the order of the configuration.
    #[must_use]
    pub fn status(&self) -> Vec<VirtualServerStatus> {
        self.services.iter().map(Service::status).collect()
    }

    /// Lets every checker rest or go on, as the host's addresses ask for.
    fn suspend_or_activate(&mut self, now: Instant, spread: &mut dyn FnMut(Duration) -> Duration) {
        for service in &mut self.services {
            let active = service
                .suspending_address()
                .is_none_or(|address| self.addresses.contains(&address));
            for server in &mut service.servers {
                for checker in &mut server.checkers {
                    let resting = checker.schedule == Schedule::Resting;
                    if active != resting {
                        continue;
                    }
                    let what = if active {
                        checker.activate(now, spread);
                        What::Activated
                    } else {
                        match checker.schedule {
                            Schedule::Running(_) => self.outbox.cancel(checker.id),
                            Schedule::Waiting(at) => {
                                self.deadlines.remove(&(at, checker.id));
                            }
                            Schedule::Resting => {}
                        }
                        checker.schedule = Schedule::Resting;
                        What::Suspended
                    };
                    if let Schedule::Waiting(at) = checker.schedule {
                        self.deadlines.insert((at, checker.id));
                    }
                    self.outbox.log(&service.name, Some(&server.name), what);
                }
            }
        }
    }
}
