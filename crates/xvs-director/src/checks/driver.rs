//! The driver of the machine: it runs what the machine asks for and tells it what came of it.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, Hasher, RandomState},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
};
use tracing::warn;
use xvs_check::{Action, CheckerId, Checks, Outcome, Release, Share};
use xvs_conf::config::CheckKind;
use xvs_probe::{Failure, Probe, Report, Success};
use xvs_types::Op;

use super::{
    Message, Planned, addresses,
    alarm::Alarm,
    effects::{Effect, Effects},
    fit::keep_moved,
    limits::Limits,
    report, session,
    teller::Teller,
    translate::{self, Translated},
};
use crate::{bfd::SessionStates, network::Network, worker::Worker};

/// Results that are taken at once before the machine's actions are carried out.
const RESULTS: usize = 1024;

/// What the machine is run with.
pub(crate) type Machine = Checks<Arc<Probe>>;

/// The machine and all around it.
pub(crate) struct Driver {
    pub(super) machine: Machine,
    pub(super) running: HashMap<CheckerId, AbortHandle>,
    pub(super) last: HashMap<CheckerId, Last>,
    /// Checks that have run.
    pub(super) runs: u64,
    /// The most that a check began after it was due.
    pub(super) latest_start: Duration,
    /// It had a configuration.
    configured: bool,
    limits: Limits,
    effects: Effects,
    /// What BFD_CHECKs listen to.
    sessions: watch::Receiver<SessionStates>,
    results: mpsc::UnboundedSender<(CheckerId, Report)>,
    answers: mpsc::UnboundedReceiver<(CheckerId, Report)>,
    /// Followed while a virtual server suspends its checks.
    addresses: Option<watch::Receiver<BTreeSet<IpAddr>>>,
    alarm: Alarm,
    chance: Chance,
}

/// What a checker found last.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) at: Instant,
    pub(super) latency: Duration,
    /// Why it failed; none for a success.
    pub(super) failure: Option<String>,
}

impl Driver {
    /// Starts the tasks beside the machine; within a runtime.
    pub(crate) fn start(
        worker: Worker,
        network: Network,
        sessions: watch::Receiver<SessionStates>,
        teller: Teller,
    ) -> Self {
        let (results, answers) = mpsc::unbounded_channel();
        Self {
            machine: Checks::new(BTreeSet::new(), false),
            running: HashMap::new(),
            last: HashMap::new(),
            runs: 0,
            latest_start: Duration::ZERO,
            configured: false,
            limits: Limits::of_this_process(),
            effects: Effects::start(worker, network, teller),
            sessions,
            results,
            answers,
            addresses: None,
            alarm: Alarm::new(),
            chance: Chance::new(),
        }
    }

    /// Drives the machine until it is stopped, or nobody can ask it any more.
    pub(crate) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        let mut answers = Vec::with_capacity(RESULTS);
        loop {
            self.act();
            let due = self.machine.poll_timeout();
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(Message::Configure(translated, answer)) => {
                        self.configure(translated, answer).await;
                    }
                    Some(Message::Plan(translated, answer)) => self.plan(translated, answer),
                    Some(Message::Status(answer)) => {
                        let _gone = answer.send(report::status(&self));
                    }
                    Some(Message::Stop(release, done)) => {
                        self.stop(release).await;
                        let _gone = done.send(());
                        return;
                    }
                    None => return,
                },
                _count = self.answers.recv_many(&mut answers, RESULTS) => {
                    for (checker, report) in answers.drain(..) {
                        self.result(checker, report);
                    }
                }
                () = self.alarm.at(due) => self.timeout(),
                changed = changed(&mut self.addresses) => {
                    let chance = &mut self.chance;
                    let mut spread = |warmup| chance.part_of(warmup);
                    self.machine.handle_addresses(changed, Instant::now(), &mut spread);
                }
            }
        }
    }

    /// Takes a configuration; it is answered when it is in force, and no check waits for that.
    async fn configure(&mut self, translated: Translated, answer: oneshot::Sender<Vec<String>>) {
        let Translated {
            virtual_servers,
            names,
            warnings,
        } = translated;
        self.follow_addresses(virtual_servers.iter().any(|one| one.ha_suspend))
            .await;
        let announce = names.config().global.rs_init_notifies;
        self.machine.announce_servers(announce);
        let ids = translate::ids(&virtual_servers);
        self.effects.send(Effect::Names(Arc::new(names)));
        let chance = &mut self.chance;
        let mut spread = |warmup| chance.part_of(warmup);
        self.machine
            .configure(virtual_servers, Instant::now(), &mut spread);
        self.configured = true;
        self.act_with(|ops| keep_moved(ops, &ids));
        self.effects.send(Effect::OwnNoOthers(ids));
        self.effects.send(Effect::Settled(warnings, answer));
        self.last.retain(|id, _| self.machine.probe(*id).is_some());
    }

    /// Answers what a configuration would change: the machine is tried on a copy.
    fn plan(&self, translated: Translated, answer: oneshot::Sender<Planned>) {
        let mut copy = self.machine.clone();
        let ids = translate::ids(&translated.virtual_servers);
        let at_once = |_warmup| Duration::ZERO;
        copy.configure(translated.virtual_servers, Instant::now(), &mut { at_once });
        let mut ops: Vec<Op> = Vec::new();
        while let Some(action) = copy.poll_action() {
            if let Action::Apply(more) = action {
                ops.extend(more);
            }
        }
        keep_moved(&mut ops, &ids);
        let (before, after) = (checkers(&self.machine), checkers(&copy));
        let planned = Planned {
            ops,
            new_checkers: after.difference(&before).count(),
            gone_checkers: before.difference(&after).count(),
        };
        self.effects.send(Effect::Fit(planned, ids, answer));
    }

    async fn stop(&mut self, release: Release) {
        self.machine.stop(release);
        self.act();
        // Without a configuration the rules are those of operators, whoever put them there once.
        if self.configured && release != Release::Nothing {
            self.effects.send(Effect::OwnNoOthers(Vec::new()));
        }
        let (done, settled) = oneshot::channel();
        self.effects.send(Effect::Settled(Vec::new(), done));
        // What could not be undone is in the log.
        let _refused = settled.await;
    }

    /// Carries out all that the machine asks for.
    fn act(&mut self) {
        self.act_with(|_ops| {});
    }

    /// Carries out all that the machine asks for; `change` sees ops first.
    fn act_with(&mut self, change: impl Fn(&mut Vec<Op>)) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Run { checker, url } => self.begin(checker, url),
                Action::Cancel(checker) => {
                    if let Some(task) = self.running.remove(&checker) {
                        task.abort();
                    }
                }
                Action::Apply(mut ops) => {
                    change(&mut ops);
                    self.effects.send(Effect::Apply(ops));
                }
                Action::Log(event) => self.effects.send(Effect::Log(event)),
                Action::Notify(notification) => self.effects.send(Effect::Notify(notification)),
                other => warn!(?other, "an action of the checks is not known here"),
            }
        }
    }

    fn begin(&mut self, checker: CheckerId, url: usize) {
        let Some(probe) = self.machine.probe(checker).map(Arc::clone) else {
            return;
        };
        let results = self.results.clone();
        let limits = self.limits.clone();
        let sessions = self.sessions.clone();
        let told = self.last.get(&checker).map(|last| last.failure.is_none());
        let task = tokio::spawn(async move {
            let report = match &probe.kind {
                CheckKind::Bfd(check) => session::next(sessions, &check.instance, told).await,
                kind => {
                    let _turn = match limits.now(kind) {
                        Some(turn) => Some(turn),
                        None => limits.turn(kind).await,
                    };
                    xvs_probe::run(&probe, url).await
                }
            };
            // The driver has ended when nobody takes it.
            let _ended = results.send((checker, report));
        });
        self.running.insert(checker, task.abort_handle());
    }

    fn result(&mut self, checker: CheckerId, report: Report) {
        if self.running.remove(&checker).is_none() {
            return;
        }
        self.runs += 1;
        let now = Instant::now();
        let failure = report.result.as_ref().err().map(Failure::to_string);
        self.last.insert(
            checker,
            Last {
                at: now,
                latency: report.latency,
                failure,
            },
        );
        let outcome = match report.result {
            Ok(Success::Plain) => Outcome::Success(Share::Configured),
            Ok(Success::WeightAdded(added)) => Outcome::Success(Share::Add(added)),
            Ok(Success::WeightSet(weight)) => Outcome::Success(Share::Set(weight)),
            Err(failure) => Outcome::Failure(failure.to_string()),
        };
        self.machine.handle_result(checker, outcome, now);
    }

    fn timeout(&mut self) {
        let now = Instant::now();
        if let Some(due) = self.machine.poll_timeout() {
            self.latest_start = self.latest_start.max(now.saturating_duration_since(due));
        }
        self.machine.handle_timeout(now);
    }

    /// Begins or ends following the host's addresses, as the configuration needs them.
    async fn follow_addresses(&mut self, needed: bool) {
        if !needed {
            self.addresses = None;
        } else if self.addresses.is_none() {
            self.addresses = Some(addresses::follow());
            match addresses::now().await {
                Ok(now) => {
                    let chance = &mut self.chance;
                    let mut spread = |warmup| chance.part_of(warmup);
                    self.machine
                        .handle_addresses(now, Instant::now(), &mut spread);
                }
                Err(error) => warn!(%error, "the host's addresses are not known yet"),
            }
        }
    }
}

fn checkers(machine: &Machine) -> BTreeSet<CheckerId> {
    machine
        .status()
        .iter()
        .flat_map(|one| &one.real_servers)
        .flat_map(|one| &one.checkers)
        .map(|one| one.id)
        .collect()
}

/// The next change of the addresses; never when nobody follows them.
async fn changed(addresses: &mut Option<watch::Receiver<BTreeSet<IpAddr>>>) -> BTreeSet<IpAddr> {
    if let Some(receiver) = addresses
        && receiver.changed().await.is_ok()
    {
        return receiver.borrow_and_update().clone();
    }
    std::future::pending().await
}

/// A generator of chance for warmups (xorshift, Marsaglia 2003); nothing secret hangs on it.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        // The standard library seeds its hashers from the system's randomness.
        Self(RandomState::new().build_hasher().finish() | 1)
    }

    /// A part of `whole`, from nothing to all of it.
    fn part_of(&mut self, whole: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let [first, second, ..] = self.0.to_be_bytes();
        let share = u32::from(u16::from_be_bytes([first, second]));
        whole.saturating_mul(share) / 65_536
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warmups_are_spread_over_their_whole_length() {
        let whole = Duration::from_secs(60);
        let mut chance = Chance::new();
        let parts: Vec<Duration> = (0..1000).map(|_| chance.part_of(whole)).collect();
        assert!(parts.iter().all(|part| *part < whole));
        for tenth in 0..10 {
            let (from, to) = (whole * tenth / 10, whole * (tenth + 1) / 10);
            let here = parts.iter().filter(|part| (from..to).contains(part));
            assert!((40..200).contains(&here.count()), "{tenth}");
        }
    }
}
