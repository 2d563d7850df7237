//! The virtual routers as a part of the daemon: configured, followed, asked, stopped.
//!
//! They start with the first configuration that has some and end with the last. What they tell goes to
//! the log, to listeners of events and to notifications; what happened last is kept for the status.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{Mutex, mpsc::UnboundedReceiver, watch},
    task::{JoinHandle, spawn_blocking},
};
use tracing::{error, info, warn};
use xvs_conf::{Config, config::Notification as Wanted};
use xvs_control::wire::{Code, EventKind, Problem, VrrpStatus, VrrpTransition};
use xvs_notify::Notifier;
use xvs_vrrp::{CommandError, Event, Name, Notification, Priority, Severity, Subject};

use super::{
    Converted, Died, Plan, Report, RouterError, Routers, RoutersEnded, convert, left::LeftFile,
    status, trackers::Trackers,
};
use crate::{bfd::BfdSessions, events::Events};

/// Transitions that are kept of each virtual router.
const KEPT: usize = 16;

/// The virtual routers of the daemon. Clones are handles to the same.
#[derive(Clone)]
pub(crate) struct VrrpService {
    /// Where the next daemon finds who was master.
    folder: PathBuf,
    events: Events,
    notifier: Notifier,
    bfd: BfdSessions,
    running: Arc<Mutex<Option<Running>>>,
    died: watch::Sender<Option<Died>>,
}

struct Running {
    routers: Routers,
    plan: Arc<Plan>,
    trackers: Trackers,
    told: Arc<std::sync::Mutex<Told>>,
    follower: JoinHandle<()>,
}

/// What the follower of reports shares with the status and with reloads.
#[derive(Default)]
pub(super) struct Told {
    /// The last transitions of each virtual router, the oldest first.
    pub(super) transitions: HashMap<Name, VecDeque<VrrpTransition>>,
    /// Whom to notify of each virtual router and sync group, those of earlier configurations too: who
    /// leaves is told of as it was configured.
    routers: HashMap<String, Wanted>,
    groups: HashMap<String, Wanted>,
}

impl VrrpService {
    /// Without virtual routers.
    pub(crate) fn new(
        folder: PathBuf,
        events: Events,
        notifier: Notifier,
        bfd: BfdSessions,
    ) -> Self {
        Self {
            bfd,
            folder,
            events,
            notifier,
            running: Arc::default(),
            died: watch::Sender::default(),
        }
    }

    /// Resolves when a thread of the virtual routers ended though nobody stopped it.
    pub(crate) async fn died(&self) -> Died {
        let mut deaths = self.died.subscribe();
        let found = deaths.wait_for(Option::is_some).await;
        match found.as_deref() {
            Ok(Some(died)) => *died,
            // The sender is this service's own.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// What `config` asks for, or why it cannot be.
    pub(crate) fn plan(config: &Config) -> Result<Converted, Problem> {
        convert(config).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Problem::new(Code::ConfigurationRefused, lines.join("; "))
                .with_hint("nothing has changed")
        })
    }

    /// Brings the virtual routers to what `config` says, from which `plan` was made.
    pub(crate) async fn configure(&self, config: &Config, plan: Plan) -> Result<(), Problem> {
        let mut slot = self.running.lock().await;
        let wanted = !plan.is_empty();
        let plan = Arc::new(plan);
        match slot.as_mut() {
            None if wanted => *slot = Some(self.start(config, plan)?),
            // They start to clear away what the last daemon left, and end.
            None if LeftFile::of(&self.folder).exists() => {
                self.start(config, plan)?.stop(false).await?;
            }
            None => {}
            Some(running) => {
                running.know(config);
                running.routers.reload(Plan::clone(&plan))?;
                running.trackers.follow(config, &running.routers);
                running.plan = plan;
                if !wanted && let Some(running) = slot.take() {
                    running.stop(false).await?;
                }
            }
        }
        Ok(())
    }

    /// The virtual routers as they are now.
    pub(crate) async fn status(&self) -> Result<VrrpStatus, Problem> {
        let slot = self.running.lock().await;
        let Some(running) = slot.as_ref() else {
            return Ok(VrrpStatus::default());
        };
        let found = running.routers.status().await?;
        let told = running.told.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(status::status(&found, &running.plan, &told))
    }

    /// Makes a master hand over.
    pub(crate) async fn failover(&self, router: &str) -> Result<(), Problem> {
        match self.running.lock().await.as_ref() {
            Some(running) => Ok(running.routers.failover(router).await?),
            None => Err(unknown(router)),
        }
    }

    /// Sets a priority in place of the configured one, or takes it back.
    pub(crate) async fn set_priority(
        &self,
        router: &str,
        priority: Option<u8>,
    ) -> Result<(), Problem> {
        let priority = match priority.map(Priority::new) {
            Some(None) => {
                let range = "a priority is 1 to 255";
                return Err(Problem::new(Code::BadRequest, range));
            }
            Some(Some(priority)) => Some(priority),
            None => None,
        };
        match self.running.lock().await.as_ref() {
            Some(running) => Ok(running.routers.set_priority(router, priority).await?),
            None => Err(unknown(router)),
        }
    }

    /// Ends the virtual routers; with `keep` nothing is sent and the host keeps what it holds.
    pub(crate) async fn stop(&self, keep: bool) -> Result<(), RoutersEnded> {
        match self.running.lock().await.take() {
            Some(running) => running.stop(keep).await,
            None => Ok(()),
        }
    }

    fn start(&self, config: &Config, plan: Arc<Plan>) -> Result<Running, Problem> {
        let (routers, reports) =
            Routers::start(Plan::clone(&plan), &self.folder).map_err(|error| {
                let text = format!("virtual routers cannot be started: {error}");
                Problem::new(Code::Internal, text)
            })?;
        let told: Arc<std::sync::Mutex<Told>> = Arc::default();
        let follower = Follower {
            events: self.events.clone(),
            notifier: self.notifier.clone(),
            told: Arc::clone(&told),
            died: self.died.clone(),
        };
        let mut running = Running {
            routers,
            plan,
            trackers: Trackers::new(self.bfd.follow()),
            told,
            follower: tokio::spawn(follower.follow(reports)),
        };
        running.know(config);
        running.trackers.follow(config, &running.routers);
        Ok(running)
    }
}

impl Running {
    /// Learns whom to notify.
    fn know(&self, config: &Config) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for instance in &config.instances {
            let wanted = instance.notification.clone();
            told.routers.insert(instance.name.clone(), wanted);
        }
        for group in &config.sync_groups {
            let wanted = group.notification.clone();
            told.groups.insert(group.name.clone(), wanted);
        }
    }

    /// Waits until the host is as it should be and everybody was told.
    async fn stop(self, keep: bool) -> Result<(), RoutersEnded> {
        let Self {
            routers, follower, ..
        } = self;
        let stopped = spawn_blocking(move || routers.stop(keep)).await;
        let followed = follower.await;
        match (stopped, followed) {
            (Ok(stopped), Ok(())) => stopped,
            _ => Err(RoutersEnded),
        }
    }
}

/// The task that hears what virtual routers tell.
struct Follower {
    events: Events,
    notifier: Notifier,
    told: Arc<std::sync::Mutex<Told>>,
    died: watch::Sender<Option<Died>>,
}

impl Follower {
    async fn follow(self, mut reports: UnboundedReceiver<Report>) {
        while let Some(report) = reports.recv().await {
            self.log(&report);
            match &report {
                Report::Log {
                    router,
                    event: Event::StateEntered { state, reason },
                } => self.keep(router, state.to_string(), reason.to_string()),
                Report::Notify(notification) => self.notify(notification),
                Report::Died(died) => {
                    self.died.send_replace(Some(*died));
                }
                Report::Log { .. } | Report::Trouble(_) => {}
            }
        }
    }

    fn log(&self, report: &Report) {
        // What is notified was logged as the state that was entered.
        if matches!(report, Report::Notify(_)) {
            return;
        }
        let line = report.to_string();
        match report.severity() {
            Severity::Info => info!("{line}"),
            Severity::Warning => warn!("{line}"),
        }
        self.events.tell(EventKind::Vrrp, line);
    }

    fn keep(&self, router: &Name, state: String, reason: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let transitions = told.transitions.entry(router.clone()).or_default();
        if transitions.len() == KEPT {
            transitions.pop_front();
        }
        transitions.push_back(VrrpTransition {
            at_ms: now_ms(),
            state,
            reason,
        });
    }

    fn notify(&self, notification: &Notification) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = match &notification.subject {
            Subject::Group(name) => told.groups.get(name.as_str()),
            Subject::Router(name) => told.routers.get(name.as_str()),
        };
        match wanted {
            Some(wanted) => {
                let event = xvs_notify::Event::vrrp(notification, wanted);
                self.notifier.send(event);
            }
            None => error!(?notification, "nobody knows whom to notify, which is a bug"),
        }
    }
}

impl From<RoutersEnded> for Problem {
    fn from(ended: RoutersEnded) -> Self {
        Self::new(Code::Internal, ended.to_string())
    }
}

impl From<RouterError> for Problem {
    fn from(error: RouterError) -> Self {
        match error {
            RouterError::Command(command) => Self::new(Code::Conflict, command.to_string()),
            RouterError::Ended(ended) => ended.into(),
        }
    }
}

fn unknown(router: &str) -> Problem {
    let router = router.into();
    RouterError::Command(CommandError::UnknownRouter { router }).into()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
