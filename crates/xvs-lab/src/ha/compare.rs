//! `xvs lab ha --rounds N`: what a takeover takes, xvs beside keepalived, in one run.
//!
//! A takeover takes as long as the RFC says, less the age of the master's last advertisement: pairs can
//! only be compared when that age is the same. So each event comes at a phase between two
//! advertisements that the client hears, and the rounds go evenly over all phases, the same for each
//! pair. What a takeover takes beyond the time that is due is told as well: that is the software's.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    LAB,
    adverts::Adverts,
    director::Director,
    plan::{Place, Plan, VIP},
    probe::{Probe, milliseconds},
};
use crate::{HaArgs, Host, LabError, Topology, interrupt};

/// What a machine that is busy may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Everybody has taken the place that is his before the next event.
const SETTLE: Duration = Duration::from_millis(400);

/// What happens to the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Happening {
    /// Its switch port goes down: the host is dead.
    HostDeath,
    /// `kill -9` of the daemon with all its processes.
    Kill,
    /// SIGTERM: it releases.
    Stop,
}

impl Happening {
    pub(super) const ALL: [Self; 3] = [Self::HostDeath, Self::Kill, Self::Stop];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::HostDeath => "host death",
            Self::Kill => "kill -9",
            Self::Stop => "SIGTERM",
        }
    }
}

/// Which daemons: the master's, the taker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Pair {
    pub(super) master: &'static str,
    pub(super) taker: &'static str,
}

const XVS: &str = "xvs";
const KEEPALIVED: &str = "keepalived";

impl Pair {
    pub(super) const BOTH_XVS: Self = Self::new(XVS, XVS);
    pub(super) const BOTH_KEEPALIVED: Self = Self::new(KEEPALIVED, KEEPALIVED);
    const ALL: [Self; 4] = [
        Self::BOTH_XVS,
        Self::BOTH_KEEPALIVED,
        Self::new(KEEPALIVED, XVS),
        Self::new(XVS, KEEPALIVED),
    ];

    const fn new(master: &'static str, taker: &'static str) -> Self {
        Self { master, taker }
    }
}

/// One takeover, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Takeover {
    pub(super) pair: Pair,
    pub(super) happening: Happening,
    /// From the event to the first answer of the taker.
    pub(super) taken_ms: f64,
    /// From when the taker was due to its first answer: nobody can be faster than 0.
    pub(super) beyond_ms: f64,
    /// The longest time in which nobody answered.
    pub(super) outage_ms: f64,
}

/// Measures every pair; whatever happens, nothing of it is left.
pub(super) fn measure(arguments: &HaArgs, rounds: u32) -> Result<Vec<Takeover>, LabError> {
    let plan = Plan::of(arguments);
    let mut bench = Bench::build(plan, arguments.hook.name())?;
    let mut takeovers = Vec::new();
    for pair in Pair::ALL {
        bench.run(pair)?;
        for round in 0..rounds {
            let phase = (f64::from(round) + 0.5) / f64::from(rounds);
            for happening in Happening::ALL {
                interrupt::check()?;
                takeovers.push(bench.takeover(pair, happening, phase)?);
            }
        }
    }
    bench.topology.down()?;
    Ok(takeovers)
}

struct Bench {
    plan: Plan,
    directors: [Director; 2],
    switch: Host,
    probe: Probe,
    adverts: Adverts,
    hook: &'static str,
    topology: Topology,
}

impl Bench {
    fn build(plan: Plan, hook: &'static str) -> Result<Self, LabError> {
        let topology = Topology::named(LAB)?;
        let switch = topology.host("switch")?;
        let connect = |place: &Place| -> Result<Host, LabError> {
            let host = topology.host(place.name)?;
            topology.link((&host, "eth0"), (&switch, place.name))?;
            host.address("eth0", &format!("{}/24", place.address))?;
            host.sysctl("net.ipv4.ip_default_ttl", &place.ttl.to_string())?;
            Ok(host)
        };
        let client = connect(&plan.client)?;
        let director = |number: usize| -> Result<Director, LabError> {
            let place = &plan.directors[number];
            Director::new(place, connect(place)?, false, &plan.virtual_router(place))
        };
        let directors = [director(0)?, director(1)?];
        let ports = [&plan.client, &plan.directors[0], &plan.directors[1]].map(|one| one.name);
        switch.bridge("bridge", &ports)?;
        Ok(Self {
            probe: Probe::start(&client)?,
            adverts: Adverts::listen(&client, address_of(&plan.client)?)?,
            plan,
            directors,
            switch,
            hook,
            topology,
        })
    }

    /// Goes over to another pair of daemons.
    fn run(&mut self, pair: Pair) -> Result<(), LabError> {
        let kinds = [pair.master, pair.taker].map(|kind| kind == KEEPALIVED);
        for (director, keepalived) in self.directors.iter_mut().zip(kinds) {
            director.change(keepalived)?;
        }
        for director in &mut self.directors {
            director.start(&self.topology, self.hook)?;
        }
        self.wait_for_answers(0)
    }

    fn takeover(
        &mut self,
        pair: Pair,
        happening: Happening,
        phase: f64,
    ) -> Result<Takeover, LabError> {
        let master = address_of(&self.plan.directors[0])?;
        let heard = self.adverts.next(master, PATIENCE);
        let heard = heard.ok_or_else(|| timed_out("an advertisement of director1"))?;
        let at = heard.at + self.plan.interval().mul_f64(phase);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        match happening {
            Happening::HostDeath => self.port("down")?,
            Happening::Kill => self.directors[0].kill()?,
            Happening::Stop => self.directors[0].stop()?,
        }
        self.wait_for_answers(1)?;
        let first = self
            .probe
            .first_answer(start, self.plan.directors[1].ttl)
            .ok_or_else(|| timed_out("an answer of director2"))?;
        let last = self.adverts.last(master, first);
        let last = last.ok_or_else(|| timed_out("an advertisement of director1"))?;
        let wait = match last.priority {
            0 => self.plan.skew(),
            _ => self.plan.master_down(),
        };
        let outage_ms = self.probe.longest_gap(start);
        match happening {
            Happening::HostDeath => self.port("up")?,
            Happening::Kill | Happening::Stop => {
                self.directors[0].start(&self.topology, self.hook)?;
            }
        }
        self.wait_for_answers(0)?;
        thread::sleep(SETTLE);
        let due = last.at + wait;
        // A probe can be answered before what the client heard last is due only by less than its pace.
        let beyond = first.saturating_duration_since(due);
        Ok(Takeover {
            pair,
            happening,
            taken_ms: milliseconds(first - start),
            beyond_ms: milliseconds(beyond),
            outage_ms,
        })
    }

    fn port(&self, state: &str) -> Result<(), LabError> {
        let name = self.plan.directors[0].name;
        self.switch.ip(&["link", "set", name, state])
    }

    /// Waits until a director answers the probe, and it alone.
    fn wait_for_answers(&self, number: usize) -> Result<(), LabError> {
        let ttl = self.plan.directors[number].ttl;
        if self.probe.wait_for(ttl, PATIENCE)? {
            return Ok(());
        }
        Err(timed_out(&format!(
            "an answer of director{} for {VIP}",
            number + 1
        )))
    }
}

fn address_of(place: &Place) -> Result<Ipv4Addr, LabError> {
    let not_parsed = |error| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    let parsed = place.address.parse().map_err(not_parsed);
    parsed.map_err(LabError::system("read an address of the plan"))
}

fn timed_out(what: &str) -> LabError {
    LabError::TimedOut {
        what: what.to_owned(),
        limit: PATIENCE,
        hint: String::new(),
    }
}
