//! `xvs lab ha`: two directors share a VIP, and one thing after the other breaks.
//!
//! ```text
//!   client --- switch --- director1 (priority 150)   VIP 10.99.0.100, DR
//!                |   +--- director2 (priority 100)
//!                +------- web1, web2, sorry
//! ```
//!
//! A probe asks the VIP each millisecond and tells by the TTL of the answer which director gave it;
//! short and long connections go on beside it. Director 2 can be Debian's keepalived, with VRRP alone.

mod adverts;
mod compare;
mod comparison;
mod director;
mod load;
mod plan;
mod probe;
mod report;

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    HaArgs, HaPeer, Host, LabError, Topology, WebServer, interrupt,
    labs::{Method, Step},
    xvs::Xvs,
};
pub(crate) use comparison::Comparison;
use director::Director;
use load::Load;
use plan::{Place, Plan, VIP};
use probe::{Probe, milliseconds};
pub(crate) use report::HaReport;
use report::Phase;

/// The name of the lab.
pub(crate) const LAB: &str = "lab-ha";
/// What a machine that is busy may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// The silence of a phase before the next: every director is where it should be. No multiple of an
/// interval: a takeover takes less time the older the master's last advertisement is.
const SETTLE: Duration = Duration::from_millis(1_450);

/// Measures takeovers, xvs beside keepalived. Whatever happens, nothing of it is left.
pub(crate) fn compare(arguments: &HaArgs, rounds: u32) -> Result<Comparison, LabError> {
    let takeovers = compare::measure(arguments, rounds)?;
    Ok(Comparison::new(arguments, takeovers))
}

/// Runs the lab. Whatever happens, nothing of it is left.
pub(crate) fn conduct(arguments: &HaArgs) -> Result<HaReport, LabError> {
    let plan = Plan::of(arguments);
    let mut lab = Lab::build(plan, arguments)?;
    let phases = lab.experiment()?;
    let report = HaReport::new(arguments, phases);
    let Lab { topology, .. } = lab;
    topology.down()?;
    Ok(report)
}

struct Lab {
    plan: Plan,
    topology: Topology,
    directors: [Director; 2],
    switch: Host,
    probe: Probe,
    load: Load,
    webs: Vec<(Host, Option<WebServer>)>,
    hook: &'static str,
}

impl Lab {
    fn build(plan: Plan, arguments: &HaArgs) -> Result<Self, LabError> {
        let topology = Topology::named(LAB)?;
        let switch = topology.host("switch")?;
        let mut ports = Vec::new();
        let mut connect = |place: &Place| -> Result<Host, LabError> {
            interrupt::check()?;
            let host = topology.host(place.name)?;
            topology.link((&host, "eth0"), (&switch, place.name))?;
            host.address("eth0", &format!("{}/24", place.address))?;
            ports.push(place.name);
            Ok(host)
        };
        let client = connect(&plan.client)?;
        let mut hosts = Vec::new();
        for place in &plan.directors {
            let host = connect(place)?;
            host.sysctl("net.ipv4.ip_default_ttl", &place.ttl.to_string())?;
            hosts.push(host);
        }
        let mut webs = Vec::new();
        for place in &plan.webs {
            webs.push(connect(place)?);
        }
        switch.bridge("bridge", &ports)?;
        let xvs = Xvs::new(LAB)?;
        let mut servers = Vec::new();
        for (place, host) in plan.webs.iter().zip(webs) {
            interrupt::check()?;
            xvs.take(
                &topology,
                &host,
                &Step::realserver(place.name, Method::Dr, VIP),
            )?;
            let server = WebServer::start(&host, 80)?;
            servers.push((host, Some(server)));
        }
        let directors = [(0, false), (1, arguments.peer == Some(HaPeer::Keepalived))];
        let mut hosts = hosts.into_iter();
        let mut made = Vec::new();
        for (number, keepalived) in directors {
            let (Some(place), Some(host)) = (plan.directors.get(number), hosts.next()) else {
                continue;
            };
            let configuration = plan.configuration(place, keepalived);
            made.push(Director::new(place, host, keepalived, &configuration)?);
        }
        let directors =
            <[Director; 2]>::try_from(made).map_err(|_others| LabError::NoSuchHost {
                host: "director2".to_owned(),
                hosts: "director1".to_owned(),
            })?;
        let mut lab = Self {
            probe: Probe::start(&client)?,
            load: Load::start(&client)?,
            plan,
            topology,
            directors,
            switch,
            webs: servers,
            hook: arguments.hook.name(),
        };
        lab.start(0)?;
        lab.start(1)?;
        lab.wait_for_answers(0)?;
        Ok(lab)
    }

    fn experiment(&mut self) -> Result<Vec<Phase>, LabError> {
        let mut phases = vec![
            self.takeover("director1 is killed (kill -9)", |lab| lab.kill(0))?,
            self.return_of("director1 is started again", |lab| lab.start(0))?,
            self.takeover("the switch port of director1 goes down", |lab| {
                lab.port(0, "down")
            })?,
            self.return_of("the switch port comes up", |lab| lab.port(0, "up"))?,
            self.takeover("director1 is stopped (SIGTERM)", |lab| lab.stop(0))?,
            self.return_of("director1 is started again", |lab| lab.start(0))?,
        ];
        phases.push(self.phase("web1 dies", None, |lab| lab.stop_web(0))?);
        phases.push(self.phase("web2 dies too: the sorry server", None, |lab| {
            lab.stop_web(1)
        })?);
        phases.push(self.phase("web1 and web2 are back", None, |lab| {
            lab.start_web(0)?;
            lab.start_web(1)
        })?);
        Ok(phases)
    }

    /// Director 2 must take over.
    fn takeover(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Self) -> Result<(), LabError>,
    ) -> Result<Phase, LabError> {
        self.phase(what, Some(1), act)
    }

    /// Director 1, of higher priority, must take over again.
    fn return_of(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Self) -> Result<(), LabError>,
    ) -> Result<Phase, LabError> {
        self.phase(what, Some(0), act)
    }

    /// Does something and watches what it costs, until it is settled.
    fn phase(
        &mut self,
        what: &str,
        taker: Option<usize>,
        act: impl FnOnce(&mut Self) -> Result<(), LabError>,
    ) -> Result<Phase, LabError> {
        interrupt::check()?;
        let before = self.load.counts();
        // What is killed is gone after the call; what is started takes its time within it.
        let start = Instant::now();
        act(self)?;
        if let Some(taker) = taker {
            self.wait_for_answers(taker)?;
        } else {
            thread::sleep(self.plan.check_time());
        }
        thread::sleep(SETTLE);
        let ttl = taker
            .and_then(|taker| self.plan.directors.get(taker))
            .map(|place| place.ttl);
        Ok(Phase {
            what: what.to_owned(),
            taken_over_ms: ttl
                .and_then(|ttl| self.probe.first_answer(start, ttl))
                .map(|first| milliseconds(first - start)),
            outage_ms: self.probe.longest_gap(start),
            load: self.load.counts().since(before),
        })
    }

    fn director(&mut self, number: usize) -> Result<&mut Director, LabError> {
        self.directors
            .get_mut(number)
            .ok_or_else(|| LabError::NoSuchHost {
                host: format!("director{}", number + 1),
                hosts: "director1 director2".to_owned(),
            })
    }

    fn start(&mut self, number: usize) -> Result<(), LabError> {
        match self.directors.get_mut(number) {
            Some(director) => director.start(&self.topology, self.hook),
            None => Ok(()),
        }
    }

    fn stop(&mut self, number: usize) -> Result<(), LabError> {
        self.director(number)?.stop()
    }

    fn kill(&mut self, number: usize) -> Result<(), LabError> {
        self.director(number)?.kill()
    }

    fn port(&mut self, number: usize, state: &str) -> Result<(), LabError> {
        let name = self.director(number)?.place.name;
        self.switch.ip(&["link", "set", name, state])
    }

    fn stop_web(&mut self, number: usize) -> Result<(), LabError> {
        match self
            .webs
            .get_mut(number)
            .and_then(|(_host, web)| web.take())
        {
            Some(web) => web.stop(),
            None => Ok(()),
        }
    }

    fn start_web(&mut self, number: usize) -> Result<(), LabError> {
        if let Some((host, web)) = self.webs.get_mut(number) {
            *web = Some(WebServer::start(host, 80)?);
        }
        Ok(())
    }

    /// Waits until a director answers the probe, and it alone.
    fn wait_for_answers(&self, number: usize) -> Result<(), LabError> {
        let Some(place) = self.plan.directors.get(number) else {
            return Ok(());
        };
        if self.probe.wait_for(place.ttl, PATIENCE)? {
            return Ok(());
        }
        Err(LabError::TimedOut {
            what: format!("an answer of director{} for {VIP}", number + 1),
            limit: PATIENCE,
            hint: String::new(),
        })
    }
}
