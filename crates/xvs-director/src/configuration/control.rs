//! Changing the configuration while the daemon runs: reload, apply, confirm, plan.
//!
//! Every change takes the same way, one after the other: read and judge the whole file, then put it into
//! force. A file that is refused changes nothing. What waits for its confirmation is taken back by a
//! timer here, so that an operator who has locked himself out needs to do nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    task::{AbortHandle, spawn_blocking},
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};
use xvs_conf::{Config, Stance};
use xvs_control::wire::{
    Code, ConfigurationPlan, ConfigurationRequest, ConfigurationStatus, EventKind, Problem,
};
use xvs_notify::{Notifier, Settings};

use super::{InForce, LoadError, Loaded, Parts, Source, unmet::unmet};
use crate::{
    bfd::BfdSessions,
    checks::ChecksThread,
    events::Events,
    lvs::LvsSettings,
    vrrp::{Plan, VrrpService},
};

/// The changes of the configuration. Clones are handles to the same.
#[derive(Clone)]
pub(crate) struct Control {
    in_force: InForce,
    bfd: BfdSessions,
    checks: ChecksThread,
    vrrp: VrrpService,
    lvs: LvsSettings,
    events: Events,
    notifier: Notifier,
    /// Held while the configuration changes.
    changing: Arc<tokio::sync::Mutex<()>>,
    told: Arc<Mutex<Told>>,
}

/// What the status tells beside the configuration.
#[derive(Default)]
struct Told {
    /// What is not in force as the file says.
    warnings: Vec<String>,
    waiting: Option<Waiting>,
}

/// A configuration that is taken back unless it is confirmed.
struct Waiting {
    before: Option<Arc<Loaded>>,
    until: Instant,
    timer: AbortHandle,
}

impl Control {
    /// Takes over what is in force and puts it to the checks.
    pub(crate) fn new(
        in_force: InForce,
        bfd: BfdSessions,
        checks: ChecksThread,
        vrrp: VrrpService,
        lvs: LvsSettings,
        events: Events,
        notifier: Notifier,
    ) -> Self {
        Self {
            in_force,
            bfd,
            checks,
            vrrp,
            lvs,
            events,
            notifier,
            changing: Arc::default(),
            told: Arc::default(),
        }
    }

    /// Puts what the daemon starts with to its parts. Without a configuration, what the virtual routers
    /// of the last daemon left on the host is cleared away.
    pub(crate) async fn start(&self) -> Result<(), Problem> {
        let _changing = self.changing.lock().await;
        match self.in_force.loaded() {
            Some(loaded) => {
                let config = Arc::clone(&loaded.config);
                self.put(Some(loaded)).await?;
                if config.global.lvs_flush {
                    self.warn_of(self.lvs.flush(&config).await?);
                }
                Ok(())
            }
            None => {
                self.vrrp
                    .configure(&Config::default(), Plan::default())
                    .await
            }
        }
    }

    /// What is in force.
    pub(crate) fn status(&self) -> ConfigurationStatus {
        let told = self.lock();
        let now = Instant::now();
        let mut status = ConfigurationStatus {
            confirm_within_seconds: told
                .waiting
                .as_ref()
                .map(|waiting| waiting.until.saturating_duration_since(now).as_secs()),
            warnings: told.warnings.clone(),
            ..ConfigurationStatus::default()
        };
        if let Some(loaded) = self.in_force.loaded() {
            status.file = Some(loaded.source.file.clone());
            status.strict = loaded.source.stance == Stance::Strict;
            status.counted.clone_from(&loaded.counted);
            status.findings.clone_from(&loaded.findings);
        }
        status
    }

    /// Reads the file in force again.
    pub(crate) async fn reload(&self) -> Result<ConfigurationStatus, Problem> {
        let _changing = self.changing.lock().await;
        self.nothing_waits()?;
        let Some(loaded) = self.in_force.loaded() else {
            return Err(Problem::new(
                Code::Conflict,
                "the daemon was started without a configuration, so there is none to reload",
            )
            .with_hint("put one into force by `xvs apply FILE`, or start with `xvs run -f FILE`"));
        };
        let loaded = self.load(loaded.source.clone()).await?;
        let file = loaded.source.file.clone();
        self.put(Some(loaded)).await?;
        self.tell(format!("`{file}` was reloaded"));
        Ok(self.status())
    }

    /// Puts another file into force.
    pub(crate) async fn apply(
        &self,
        request: ConfigurationRequest,
    ) -> Result<ConfigurationStatus, Problem> {
        let _changing = self.changing.lock().await;
        self.nothing_waits()?;
        let confirm = request.confirm_seconds;
        let loaded = self.load(source(request)).await?;
        let file = loaded.source.file.clone();
        let before = self.in_force.loaded();
        self.put(Some(loaded)).await?;
        match confirm {
            None => self.tell(format!("`{file}` is in force")),
            Some(seconds) => {
                self.tell(format!(
                    "`{file}` is in force, for {seconds} s unless it is confirmed"
                ));
                self.wait_for_confirmation(before, Duration::from_secs(u64::from(seconds)));
            }
        }
        Ok(self.status())
    }

    /// Keeps what waits for its confirmation.
    pub(crate) async fn confirm(&self) -> Result<ConfigurationStatus, Problem> {
        let _changing = self.changing.lock().await;
        let Some(waiting) = self.take_waiting() else {
            return Err(Problem::new(
                Code::Conflict,
                "no configuration waits to be confirmed; one that was not confirmed in time is \
                 taken back",
            ));
        };
        waiting.timer.abort();
        self.tell("the configuration was confirmed".to_owned());
        Ok(self.status())
    }

    /// What another file would change.
    pub(crate) async fn plan(
        &self,
        request: ConfigurationRequest,
    ) -> Result<ConfigurationPlan, Problem> {
        let loaded = self.load(source(request)).await?;
        VrrpService::plan(&loaded.config)?;
        let planned = self.checks.plan(Arc::clone(&loaded.config)).await?;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Ok(ConfigurationPlan {
            ops: planned.ops,
            new_checkers: count(planned.new_checkers),
            gone_checkers: count(planned.gone_checkers),
            findings: loaded.findings.clone(),
        })
    }

    /// The one place where the configuration changes.
    async fn put(&self, loaded: Option<Arc<Loaded>>) -> Result<(), Problem> {
        let config = loaded
            .as_ref()
            .map_or_else(Arc::<Config>::default, |loaded| Arc::clone(&loaded.config));
        // Refused before anything has changed.
        let virtual_routers = VrrpService::plan(&config)?;
        self.bfd.configure(&config).await?;
        // What the checks tell of the new configuration goes where it says. Who leaves with the old one
        // is told of there too: jobs that wait go on.
        let (settings, mut warnings) = notifications(&config);
        self.notifier.reload(settings).await;
        warnings.extend(self.checks.configure(Arc::clone(&config)).await?);
        warnings.extend(unmet(&config));
        warnings.extend(virtual_routers.notes);
        // After the virtual servers, so that whoever becomes master has them.
        self.vrrp.configure(&config, virtual_routers.plan).await?;
        warnings.extend(self.lvs.configure(&config).await?);
        self.in_force.replace(loaded);
        self.lock().warnings.clear();
        self.warn_of(warnings);
        Ok(())
    }

    /// Logs what is not as the file says, and keeps it for the status.
    fn warn_of(&self, warnings: Vec<String>) {
        for warning in &warnings {
            warn!("configuration: {warning}");
        }
        self.lock().warnings.extend(warnings);
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a file where that holds nobody up.
    async fn load(&self, source: Source) -> Result<Arc<Loaded>, Problem> {
        let loaded = spawn_blocking(move || source.load()).await;
        let result = match loaded {
            Ok(result) => result,
            Err(panicked) => {
                return Err(Problem::new(
                    Code::Internal,
                    format!("reading the configuration failed: {panicked}"),
                ));
            }
        };
        match result {
            Ok(loaded) => Ok(Arc::new(loaded)),
            Err(refused) => {
                let problem = problem(&refused);
                self.events
                    .tell(EventKind::Configuration, problem.message.clone());
                Err(problem)
            }
        }
    }

    fn nothing_waits(&self) -> Result<(), Problem> {
        let told = self.lock();
        if told.waiting.is_none() {
            return Ok(());
        }
        Err(Problem::new(
            Code::Conflict,
            "the configuration in force waits to be confirmed",
        )
        .with_hint("`xvs confirm` keeps it; else it is taken back when its time is over"))
    }

    fn wait_for_confirmation(&self, before: Option<Arc<Loaded>>, within: Duration) {
        let until = Instant::now() + within;
        let control = self.clone();
        let timer = tokio::spawn(async move {
            sleep_until(until).await;
            control.take_back().await;
        });
        let mut told = self.lock();
        told.waiting = Some(Waiting {
            before,
            until,
            timer: timer.abort_handle(),
        });
    }

    /// Puts the configuration before into force again; nothing when it was confirmed meanwhile.
    async fn take_back(&self) {
        let _changing = self.changing.lock().await;
        let Some(waiting) = self.take_waiting() else {
            return;
        };
        match self.put(waiting.before).await {
            Ok(()) => self.tell("the configuration was not confirmed and is taken back".to_owned()),
            Err(problem) => error!(%problem, "the configuration is not taken back"),
        }
    }

    fn take_waiting(&self) -> Option<Waiting> {
        let mut told = self.lock();
        told.waiting.take()
    }

    fn tell(&self, line: String) {
        info!("{line}");
        self.events.tell(EventKind::Configuration, line);
    }
}

/// Where notifications go, as `config` says, and what of it cannot be.
pub(crate) fn notifications(config: &Config) -> (Settings, Vec<String>) {
    let host = nix::unistd::gethostname().unwrap_or_default();
    Settings::from_config(&config.global, &host.to_string_lossy())
}

fn source(request: ConfigurationRequest) -> Source {
    Source {
        parts: Parts::default(),
        file: request.file,
        config_id: request.config_id,
        stance: if request.strict {
            Stance::Strict
        } else {
            Stance::Compatible
        },
    }
}

fn problem(error: &LoadError) -> Problem {
    let problem = Problem::new(Code::ConfigurationRefused, error.to_string());
    problem.with_hint("nothing has changed")
}
