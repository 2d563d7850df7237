//! Thousands of seeded runs of two to five directors on a link that loses, delays, reorders and
//! splits, among crashes, restarts, stalls, faults, reloads and commands.
//!
//! After every step of the virtual clock four things must hold:
//! - on a link that has been whole, loss-free and undisturbed for a while, two masters last no longer
//!   than an advertisement takes to be sent and answered;
//! - on such a link somebody is master within the master down interval;
//! - addresses are held exactly while master, and a sync group is never apart;
//! - notifications are exactly the transitions, in their order.

mod disturbances;
mod rules;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use xvs_vrrp::{
    Action, Event, Ingress, Link, Name, NotifyKind, Received, State, Subject, TrackerStatus,
    Transmit, Vrrp,
};
use xvs_wire::vrrp::GROUP_V4;

use crate::bench::{INTERFACE, ms};
use rules::{Dice, Rules};

/// How many seeds each test runs.
const RUNS: u64 = 1_000;
/// Disturbances of one run.
const DISTURBANCES: usize = 25;
/// The longest way over the link.
const DELAY: Duration = Duration::from_millis(4);

fn address(who: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 0, u8::try_from(who + 1).unwrap())
}

/// One director, its host, and what the host was told to do.
struct Director {
    vrrp: Vrrp,
    alive: bool,
    /// Not run until then.
    stalled_until: Option<Instant>,
    link_up: bool,
    fatal_up: bool,
    /// Which side of a split link it is on.
    side: u64,
    /// The addresses that its host holds.
    holds: BTreeSet<Name>,
    /// The state last notified for each router or group.
    notified: BTreeMap<String, NotifyKind>,
    /// Entered states not yet notified.
    entered: Vec<(Name, State)>,
    /// Packets that wait for a stalled process.
    socket: Vec<Vec<u8>>,
}

impl Director {
    fn healthy(&self) -> bool {
        self.alive && self.link_up && self.fatal_up && self.stalled_until.is_none()
    }

    fn masters(&self) -> impl Iterator<Item = Name> {
        let running = self.alive;
        self.vrrp
            .status()
            .filter(move |status| running && status.state == State::Master)
            .map(|status| status.name)
    }
}

type Packet = (Reverse<Instant>, u64, usize, usize, Vec<u8>);

struct Simulation {
    seed: u64,
    dice: Dice,
    rules: Rules,
    now: Instant,
    directors: Vec<Director>,
    /// Packets on their way: when they arrive, a serial number, from, to, bytes.
    flying: BinaryHeap<Packet>,
    serial: u64,
    /// One packet in so many is lost.
    loss: Option<u64>,
    /// Since when nothing has disturbed the link.
    quiet_since: Instant,
    /// Since when each router has had two masters, or none.
    doubled: BTreeMap<Name, Instant>,
    missing: BTreeMap<Name, Instant>,
    transitions: u64,
    /// How often a successor went on as master.
    resumed: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let rules = Rules::draw(&mut dice);
        let now = Instant::now();
        let mut simulation = Self {
            seed,
            dice,
            now,
            directors: Vec::new(),
            flying: BinaryHeap::new(),
            serial: 0,
            loss: None,
            quiet_since: now,
            doubled: BTreeMap::new(),
            missing: BTreeMap::new(),
            transitions: 0,
            resumed: 0,
            rules,
        };
        for who in 0..simulation.rules.directors {
            let director = simulation.boot(who);
            simulation.directors.push(director);
        }
        for who in 0..simulation.rules.directors {
            simulation.report(who);
        }
        simulation
    }

    fn boot(&mut self, who: usize) -> Director {
        let config = self.rules.config(who, &mut self.dice);
        Director {
            vrrp: Vrrp::new(&config),
            alive: true,
            stalled_until: None,
            link_up: true,
            fatal_up: true,
            side: 0,
            holds: BTreeSet::new(),
            notified: BTreeMap::new(),
            entered: Vec::new(),
            socket: Vec::new(),
        }
    }

    /// Tells a director about its link and trackers.
    fn report(&mut self, who: usize) {
        let director = &mut self.directors[who];
        let link = Link {
            up: director.link_up,
            v4: Some(address(who)),
            v6: None,
        };
        let fatal = if director.fatal_up {
            TrackerStatus::Up
        } else {
            TrackerStatus::Down
        };
        director.vrrp.handle_link(self.now, INTERFACE, link);
        director.vrrp.handle_tracker(self.now, "fatal", fatal);
        self.collect(who);
    }

    /// Carries out what a director asks for, and checks its notifications.
    fn collect(&mut self, who: usize) {
        while let Some(action) = self.directors[who].vrrp.poll_action() {
            match action {
                Action::Advertise { transmit, .. } => self.send(who, &transmit),
                Action::TakeAddresses { router, .. } => {
                    self.directors[who].holds.insert(router);
                }
                Action::ReleaseAddresses { router } => {
                    self.directors[who].holds.remove(&router);
                }
                Action::Log {
                    router,
                    event: Event::StateEntered { state, .. },
                } => {
                    self.transitions += 1;
                    self.directors[who].entered.push((router, state));
                }
                Action::Notify(notification) => {
                    self.note(who, &notification.subject, notification.kind);
                }
                Action::Announce { .. } | Action::Log { .. } => {}
            }
        }
        let director = &self.directors[who];
        assert!(
            director.entered.is_empty(),
            "{}: not notified: {:?}",
            self.seed,
            director.entered
        );
        if self.rules.grouped {
            let states: Vec<State> = director.vrrp.status().map(|status| status.state).collect();
            assert_eq!(states[0], states[1], "seed {}: a group apart", self.seed);
        }
        let masters: BTreeSet<Name> = director
            .vrrp
            .status()
            .filter(|status| status.state == State::Master)
            .map(|status| status.name)
            .collect();
        assert_eq!(
            director.holds, masters,
            "seed {}: held addresses",
            self.seed
        );
        for status in director
            .vrrp
            .status()
            .filter(|status| status.state != State::Init)
        {
            let kind = director.notified.get(status.name.as_str()).copied();
            assert_eq!(kind, Some(kind_of(status.state)), "seed {}", self.seed);
        }
    }

    fn note(&mut self, who: usize, subject: &Subject, kind: NotifyKind) {
        let seed = self.seed;
        let director = &mut self.directors[who];
        if kind == NotifyKind::MasterRxLowerPriority {
            return;
        }
        let name = match subject {
            Subject::Group(name) => name.to_string(),
            Subject::Router(name) => {
                let (entered, state) = director.entered.remove(0);
                assert_eq!((&entered, kind_of(state)), (name, kind), "seed {seed}");
                name.to_string()
            }
        };
        let before = director.notified.insert(name, kind);
        assert_ne!(before, Some(kind), "seed {seed}: the same twice");
    }

    fn send(&mut self, from: usize, transmit: &Transmit) {
        let Transmit::V4 {
            destination,
            datagram,
        } = transmit
        else {
            panic!("an IPv6 packet of an IPv4 router");
        };
        if !self.directors[from].link_up {
            return;
        }
        for to in 0..self.directors.len() {
            let reaches = *destination == GROUP_V4 || *destination == address(to);
            let lost = self.loss.is_some_and(|loss| self.dice.one_in(loss));
            if to == from || !reaches || lost {
                continue;
            }
            // Without an order of its own every packet may overtake the one before.
            let nanoseconds = self.dice.below(u64::try_from(DELAY.as_nanos()).unwrap());
            let arrival = self.now + Duration::from_nanos(nanoseconds);
            self.serial += 1;
            self.flying
                .push((Reverse(arrival), self.serial, from, to, datagram.clone()));
        }
    }

    fn deliver(&mut self, from: usize, to: usize, datagram: Vec<u8>) {
        let (sender, receiver) = (&self.directors[from], &self.directors[to]);
        if sender.side != receiver.side || !receiver.link_up || !receiver.alive {
            return;
        }
        if receiver.stalled_until.is_some() {
            self.directors[to].socket.push(datagram);
            return;
        }
        self.receive(to, &datagram);
    }

    fn receive(&mut self, to: usize, datagram: &[u8]) {
        let received = Received {
            interface: INTERFACE,
            packet: Ingress::V4 { datagram },
        };
        self.directors[to].vrrp.handle_packet(self.now, &received);
        self.collect(to);
    }

    /// Lets virtual time pass until `end`.
    fn run_until(&mut self, end: Instant) {
        loop {
            let timer = self
                .directors
                .iter()
                .enumerate()
                .filter(|(_, director)| director.alive)
                .filter_map(|(who, director)| {
                    let due = director
                        .stalled_until
                        .or_else(|| director.vrrp.poll_timeout());
                    Some((due?, who))
                })
                .min();
            let packet = self.flying.peek().map(|(Reverse(at), ..)| *at);
            match (timer, packet) {
                (_, Some(at)) if at <= end && timer.is_none_or(|(due, _)| at <= due) => {
                    self.now = at;
                    if let Some((_, _, from, to, datagram)) = self.flying.pop() {
                        self.deliver(from, to, datagram);
                    }
                }
                (Some((due, who)), _) if due <= end => {
                    self.now = self.now.max(due);
                    self.wake(who);
                }
                _ => break,
            }
            self.check();
        }
        self.now = end;
        self.check();
    }

    fn wake(&mut self, who: usize) {
        let stalled = self.directors[who].stalled_until.take().is_some();
        if stalled {
            self.disturbed();
        }
        // The worse order now and then: timers first, though packets are waiting.
        let timers_first = stalled && self.dice.one_in(2);
        if timers_first {
            self.directors[who].vrrp.handle_timeout(self.now);
            self.collect(who);
        }
        for datagram in std::mem::take(&mut self.directors[who].socket) {
            self.receive(who, &datagram);
        }
        self.directors[who].vrrp.handle_timeout(self.now);
        self.collect(who);
    }

    fn disturbed(&mut self) {
        self.quiet_since = self.now;
    }

    fn check(&mut self) {
        let whole = self.loss.is_none()
            && self
                .directors
                .iter()
                .filter(|director| director.alive)
                .all(|director| director.side == 0 && director.stalled_until.is_none());
        if !whole {
            self.disturbed();
        }
        let names: &[&str] = if self.rules.grouped {
            &["VI_51", "VI_52"]
        } else {
            &["VI_51"]
        };
        // An advertisement goes out, is lost to nobody, and is answered.
        let may_double = self.rules.greatest_interval() + DELAY * 3;
        let may_miss = self.rules.greatest_down_interval() + DELAY;
        let healthy = self.directors.iter().any(Director::healthy);
        for name in names.iter().map(|name| Name::from(*name)) {
            let masters = self
                .directors
                .iter()
                .filter(|director| director.link_up)
                .filter(|director| director.masters().any(|master| master == name))
                .count();
            track(&mut self.doubled, &name, masters > 1, self.now);
            track(&mut self.missing, &name, masters == 0 && healthy, self.now);
            for (since, bound, what) in [
                (self.doubled.get(&name), may_double, "two masters"),
                (self.missing.get(&name), may_miss, "no master"),
            ] {
                if let Some(since) = since {
                    let lasted = self.now - *since.max(&self.quiet_since);
                    assert!(
                        lasted <= bound,
                        "seed {}: {what} for {lasted:?}, {:?}",
                        self.seed,
                        self.rules
                    );
                }
            }
        }
    }

    /// The link is whole again, and everybody runs.
    fn heal(&mut self) {
        self.loss = None;
        for director in &mut self.directors {
            director.side = 0;
        }
        self.disturbed();
    }

    /// Transitions and resumptions of one run.
    fn run(mut self) -> (u64, u64) {
        for _ in 0..DISTURBANCES {
            self.disturb();
            let pause = self.rules.greatest_down_interval() * 3;
            let length = self.dice.below(u64::try_from(pause.as_micros()).unwrap());
            self.run_until(self.now + Duration::from_micros(length));
        }
        self.heal();
        for who in 0..self.directors.len() {
            if !self.directors[who].alive {
                self.restart(who, &[]);
            }
            self.directors[who].link_up = true;
            self.directors[who].fatal_up = true;
            self.report_unless_stalled(who);
        }
        // Longer than every wait there is, a preempt delay included.
        self.run_until(self.now + self.rules.greatest_down_interval() * 6 + ms(50));
        let masters: usize = self.directors.iter().map(|d| d.masters().count()).sum();
        let expected = if self.rules.grouped { 2 } else { 1 };
        assert_eq!(masters, expected, "seed {}: masters at the end", self.seed);
        (self.transitions, self.resumed)
    }
}

fn track(since: &mut BTreeMap<Name, Instant>, name: &Name, holds: bool, now: Instant) {
    if holds {
        since.entry(name.clone()).or_insert(now);
    } else {
        since.remove(name);
    }
}

fn kind_of(state: State) -> NotifyKind {
    match state {
        State::Backup => NotifyKind::Backup,
        State::Fault => NotifyKind::Fault,
        State::Master => NotifyKind::Master,
        State::Stopped => NotifyKind::Stop,
        State::Init => panic!("nothing is notified for a router that waits"),
    }
}

fn run_seeds(first: u64) {
    let (mut transitions, mut resumed) = (0, 0);
    for seed in first..first + RUNS {
        let (more_transitions, more_resumed) = Simulation::new(seed).run();
        transitions += more_transitions;
        resumed += more_resumed;
    }
    // The runs must have had something to decide.
    assert!(transitions > RUNS * 20, "only {transitions} transitions");
    assert!(resumed > RUNS / 10, "only {resumed} resumed");
}

#[test]
fn elections_are_safe_and_live_in_a_thousand_runs() {
    run_seeds(0);
}

#[test]
fn elections_are_safe_and_live_in_another_thousand_runs() {
    run_seeds(1_000_000);
}

#[test]
fn elections_are_safe_and_live_in_a_third_thousand_runs() {
    run_seeds(2_000_000);
}
