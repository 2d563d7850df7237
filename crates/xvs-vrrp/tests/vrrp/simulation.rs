//! Thousands of seeded runs of two to five directors on a link that loses, delays, reorders and
//! splits, among crashes, restarts, stalls, faults, reloads and commands.
//!
//! After every step of the virtual clock four things must hold:
//! - on a link that has been whole, loss-free and undisturbed for a while, two masters last no longer
//!   than an advertisement takes to be sent and answered;
//! - on such a link somebody is master within the master down interval;
//! - addresses are held exactly while master, and a sync group is never apart;
//! - notifications are exactly the transitions, in their order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use xvs_vrrp::{
    Action, AdverInterval, AuthenticationConfig, Config, Event, GroupConfig, Ingress, Link, Name,
    NotifyKind, Peer, Preempt, Priority, Received, Resume, RouterConfig, State, Subject, Track,
    TrackWeight, TrackerStatus, Transmit, Transport, Version, VirtualAddresses, Vrid, Vrrp, key,
};
use xvs_wire::vrrp::GROUP_V4;

use crate::bench::{INTERFACE, ms};

/// How many seeds each test runs.
const RUNS: u64 = 1_000;
/// Disturbances of one run.
const DISTURBANCES: usize = 25;
/// The longest way over the link.
const DELAY: Duration = Duration::from_millis(4);

/// A small generator (splitmix64): the same runs on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap())).unwrap()
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// What all directors of a run have in common.
#[derive(Clone, Debug)]
struct Rules {
    version: Version,
    authentication: AuthenticationConfig,
    unicast: bool,
    grouped: bool,
    directors: usize,
    /// What a director's own interval may be, in centiseconds.
    intervals: Vec<u16>,
}

impl Rules {
    fn draw(dice: &mut Dice) -> Self {
        let version_2 = dice.one_in(2);
        let authentication = match (version_2, dice.below(3)) {
            (true, 0) => AuthenticationConfig::Header(key("secret")),
            (true, 1) => AuthenticationConfig::Password(key("secret")),
            _ => AuthenticationConfig::None,
        };
        Self {
            version: if version_2 { Version::V2 } else { Version::V3 },
            authentication,
            unicast: dice.one_in(3),
            grouped: dice.one_in(3),
            directors: 2 + dice.index(4),
            intervals: match (version_2, dice.below(3)) {
                (true, _) => vec![100],
                (false, 0) => vec![10],
                (false, 1) => vec![2],
                (false, _) => vec![10, 50],
            },
        }
    }

    fn greatest_interval(&self) -> Duration {
        Duration::from_millis(u64::from(*self.intervals.iter().max().unwrap()) * 10)
    }

    /// No director waits longer than this.
    fn greatest_down_interval(&self) -> Duration {
        let centiseconds = *self.intervals.iter().max().unwrap();
        AdverInterval::from_centiseconds(centiseconds)
            .unwrap()
            .master_down(self.version, Priority::new(1).unwrap(), 3)
    }

    fn config(&self, who: usize, dice: &mut Dice) -> Config {
        let vrids: &[u8] = if self.grouped { &[51, 52] } else { &[51] };
        let value = u8::try_from(1 + dice.below(254)).unwrap();
        let interval = self.intervals[dice.index(self.intervals.len())];
        let preempt = match dice.below(4) {
            0 => Preempt::Never,
            1 => Preempt::After(self.greatest_interval() * 5),
            _ => Preempt::AtOnce,
        };
        let peers = (0..self.directors)
            .filter(|peer| *peer != who)
            .map(|peer| Peer::new(address(peer).into()));
        let peers: Vec<Peer> = peers.collect();
        let extra = dice.one_in(4);
        let routers: Vec<RouterConfig> = vrids
            .iter()
            .map(|vrid| {
                let mut addresses = vec![Ipv4Addr::new(10, 0, *vrid, 100)];
                if extra {
                    addresses.push(Ipv4Addr::new(10, 0, *vrid, 101));
                }
                let mut config = RouterConfig::new(
                    format!("VI_{vrid}").into(),
                    INTERFACE.into(),
                    Vrid::new(*vrid).unwrap(),
                    VirtualAddresses::v4(addresses),
                );
                config.version = self.version;
                config.authentication = self.authentication;
                config.interval = AdverInterval::from_centiseconds(interval).unwrap();
                config.priority = Priority::new(value).unwrap();
                config.preempt = preempt;
                config.tracks = vec![Track {
                    tracker: "fatal".into(),
                    weight: TrackWeight::FAULT,
                    reverse: false,
                }];
                if !self.grouped {
                    config.tracks.push(Track {
                        tracker: "weighted".into(),
                        weight: TrackWeight::new(-100).unwrap(),
                        reverse: false,
                    });
                }
                if self.unicast {
                    config.transport = Transport::Unicast {
                        peers: peers.clone(),
                        ttl: 255,
                        check_source: true,
                    };
                }
                config
            })
            .collect();
        let groups = if self.grouped {
            vec![GroupConfig {
                name: "SG".into(),
                members: routers.iter().map(|router| router.name.clone()).collect(),
                tracks: vec![],
                tracking_weight: false,
            }]
        } else {
            vec![]
        };
        Config::new(routers, groups).unwrap()
    }
}

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

    /// Something happens.
    fn disturb(&mut self) {
        self.disturbed();
        let who = self.dice.index(self.directors.len());
        if !self.directors[who].alive {
            self.restart(who, &[]);
            return;
        }
        match self.dice.below(12) {
            0 => {
                for director in 0..self.directors.len() {
                    self.directors[director].side = self.dice.below(2);
                }
            }
            1 => self.loss = Some(1 + self.dice.below(10)),
            2 => self.heal(),
            3 => self.crash(who),
            4 => {
                self.directors[who].vrrp.stop(false);
                self.collect(who);
                self.directors[who].alive = false;
                self.directors[who].stalled_until = None;
                self.directors[who].socket.clear();
            }
            5 => {
                self.directors[who].link_up ^= true;
                self.report_unless_stalled(who);
            }
            6 => {
                self.directors[who].fatal_up ^= true;
                self.report_unless_stalled(who);
            }
            7 => {
                let stall = self.rules.greatest_down_interval() * 2;
                let length = self.dice.below(u64::try_from(stall.as_micros()).unwrap());
                let until = self.now + Duration::from_micros(length);
                self.directors[who].stalled_until.get_or_insert(until);
            }
            8 => self.command(who, |vrrp, now, _| {
                let _ = vrrp.failover(now, "VI_51"); // a backup refuses, and nothing happens
            }),
            9 if !self.rules.grouped => self.command(who, |vrrp, now, dice| {
                let value = u8::try_from(1 + dice.below(254)).unwrap();
                vrrp.set_priority(now, "VI_51", Priority::new(value))
                    .unwrap();
            }),
            10 => self.command(who, |vrrp, now, dice| {
                let status = if dice.one_in(2) {
                    TrackerStatus::Up
                } else {
                    TrackerStatus::Down
                };
                vrrp.handle_tracker(now, "weighted", status);
            }),
            _ => {
                let config = self.rules.config(who, &mut self.dice);
                self.command(who, |vrrp, now, _| vrrp.reload(now, &config));
            }
        }
    }

    fn command(&mut self, who: usize, act: impl FnOnce(&mut Vrrp, Instant, &mut Dice)) {
        if self.directors[who].stalled_until.is_none() {
            act(&mut self.directors[who].vrrp, self.now, &mut self.dice);
            self.collect(who);
        }
    }

    fn report_unless_stalled(&mut self, who: usize) {
        // A stalled process hears of its link when it runs again.
        self.directors[who].stalled_until = None;
        self.report(who);
    }

    /// The process dies and says nothing. Half of the time its successor comes soon, and knows of it.
    fn crash(&mut self, who: usize) {
        self.directors[who].alive = false;
        self.directors[who].socket.clear();
        self.directors[who].stalled_until = None;
        if self.dice.one_in(2) {
            let tenths = u32::try_from(self.dice.below(40)).unwrap();
            let age = self.rules.greatest_interval() * tenths / 10;
            self.run_until(self.now + age);
            let resume: Vec<_> = self.directors[who]
                .vrrp
                .snapshot()
                .map(|resume| (resume, age))
                .collect();
            self.resumed += u64::from(self.restart(who, &resume));
        }
    }

    /// A new process on the same host, told what was noted `age` ago; whether it went on as master.
    fn restart(&mut self, who: usize, resume: &[(Resume, Duration)]) -> bool {
        let fresh = self.boot(who);
        let old = &self.directors[who];
        self.directors[who] = Director {
            side: old.side,
            link_up: old.link_up,
            fatal_up: old.fatal_up,
            // What the predecessor left on the host is still there.
            holds: old.holds.clone(),
            ..fresh
        };
        self.directors[who].vrrp.resume_master(self.now, resume);
        self.disturbed();
        self.report(who);
        self.directors[who].masters().count() > 0
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
