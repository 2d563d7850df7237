//! A served socket with a daemon behind it that remembers what it was asked.

#![allow(dead_code, reason = "each test crate uses its part")]

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::{broadcast, oneshot};
use xvs_control::{
    Director, Instance, bind, serve,
    wire::{
        Batch, BatchOutcome, ChecksStatus, Code, ConfigurationPlan, ConfigurationRequest,
        ConfigurationStatus, ConnectionPage, ConnectionQuery, Event, HookSetting, InterfaceSetting,
        Problem, Status, StopRequest, VrrpFailover, VrrpPriority, VrrpStatus,
    },
};
use xvs_types::{
    ConnectionListing, ConnectionState, EffectiveMethod, Endpoint, ForwardingMethod, Op, OpError,
    Protocol, ServerScope, Settings, SyncDaemon, Timeouts, VirtualServerListing,
};

/// What the fake was asked, and what it holds.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) batches: Vec<Batch>,
    pub(crate) connections: u64,
    pub(crate) pages: u64,
    pub(crate) scopes: Vec<ServerScope>,
    pub(crate) stops: Vec<StopRequest>,
    pub(crate) settings: Settings,
    pub(crate) timeouts: Timeouts,
    pub(crate) configurations: Vec<ConfigurationRequest>,
    /// Kept, so that a stream of events ends with the fake and not before.
    pub(crate) events: Option<broadcast::Sender<Event>>,
}

#[derive(Clone, Default)]
pub(crate) struct Fake(pub(crate) Arc<Mutex<Memory>>);

impl Director for Fake {
    async fn status(&self) -> Result<Status, Problem> {
        Ok(Status {
            instance: "test".to_owned(),
            ..Status::default()
        })
    }

    async fn virtual_servers(
        &self,
        scope: ServerScope,
    ) -> Result<Vec<VirtualServerListing>, Problem> {
        self.0.lock().unwrap().scopes.push(scope);
        Ok(Vec::new())
    }

    async fn apply(&self, batch: Batch) -> Result<BatchOutcome, Problem> {
        let mut memory = self.0.lock().unwrap();
        memory.batches.push(batch.clone());
        let mut results = Vec::new();
        for op in &batch.ops {
            results.push(match op {
                Op::StopSyncDaemon { .. } => Err(OpError::SyncDaemonMissing),
                Op::SetSetting { setting, value } => memory
                    .settings
                    .set(*setting, *value)
                    .map(|_before| ())
                    .map_err(|refused| OpError::Invalid {
                        reason: refused.to_string(),
                    }),
                Op::SetTimeouts { timeouts } => {
                    memory.timeouts = *timeouts;
                    Ok(())
                }
                _ => Ok(()),
            });
        }
        Ok(BatchOutcome::new(results, batch.atomic))
    }

    async fn connections(
        &self,
        _query: ConnectionQuery,
        cursor: u64,
        most: usize,
    ) -> Result<ConnectionPage, Problem> {
        let mut memory = self.0.lock().unwrap();
        memory.pages += 1;
        let end = memory
            .connections
            .min(cursor + u64::try_from(most).unwrap());
        Ok(ConnectionPage {
            connections: (cursor..end).map(connection).collect(),
            next: (end < memory.connections).then_some(end),
        })
    }

    async fn count_connections(&self, _query: ConnectionQuery) -> Result<u64, Problem> {
        Ok(self.0.lock().unwrap().connections)
    }

    async fn kill_connections(&self, _query: ConnectionQuery) -> Result<u64, Problem> {
        Ok(std::mem::take(&mut self.0.lock().unwrap().connections))
    }

    async fn settings(&self) -> Result<Settings, Problem> {
        Ok(self.0.lock().unwrap().settings.clone())
    }

    async fn timeouts(&self) -> Result<Timeouts, Problem> {
        Ok(self.0.lock().unwrap().timeouts)
    }

    async fn sync_daemons(&self) -> Result<Vec<SyncDaemon>, Problem> {
        Ok(Vec::new())
    }

    async fn hook(&self) -> Result<HookSetting, Problem> {
        Ok(HookSetting::default())
    }

    async fn set_hook(&self, setting: HookSetting) -> Result<HookSetting, Problem> {
        Err(Problem::new(
            Code::HookUnsupported,
            format!("`lo` cannot do {}", setting.hook),
        )
        .with_hint("use `tcx`"))
    }

    async fn interfaces(&self) -> Result<InterfaceSetting, Problem> {
        Ok(InterfaceSetting::default())
    }

    async fn set_interfaces(&self, setting: InterfaceSetting) -> Result<InterfaceSetting, Problem> {
        Ok(setting)
    }

    async fn stop(&self, request: StopRequest) -> Result<(), Problem> {
        self.0.lock().unwrap().stops.push(request);
        Ok(())
    }

    async fn checks(&self) -> Result<ChecksStatus, Problem> {
        Ok(ChecksStatus {
            runs: 7,
            ..ChecksStatus::default()
        })
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.events_sender().subscribe()
    }

    async fn vrrp(&self) -> Result<VrrpStatus, Problem> {
        Ok(VrrpStatus::default())
    }

    async fn vrrp_failover(&self, request: VrrpFailover) -> Result<(), Problem> {
        Err(Problem::new(
            Code::Conflict,
            format!("{} is no master", request.router),
        ))
    }

    async fn vrrp_priority(&self, _request: VrrpPriority) -> Result<(), Problem> {
        Ok(())
    }

    async fn configuration(&self) -> Result<ConfigurationStatus, Problem> {
        let memory = self.0.lock().unwrap();
        Ok(ConfigurationStatus {
            file: memory.configurations.last().map(|one| one.file.clone()),
            ..ConfigurationStatus::default()
        })
    }

    async fn apply_configuration(
        &self,
        request: ConfigurationRequest,
    ) -> Result<ConfigurationStatus, Problem> {
        self.0.lock().unwrap().configurations.push(request);
        self.configuration().await
    }

    async fn confirm_configuration(&self) -> Result<ConfigurationStatus, Problem> {
        Err(Problem::new(
            Code::Conflict,
            "nothing waits to be confirmed",
        ))
    }

    async fn plan_configuration(
        &self,
        _request: ConfigurationRequest,
    ) -> Result<ConfigurationPlan, Problem> {
        Ok(ConfigurationPlan {
            new_checkers: 3,
            ..ConfigurationPlan::default()
        })
    }

    async fn reload_configuration(&self) -> Result<ConfigurationStatus, Problem> {
        self.configuration().await
    }
}

impl Fake {
    /// Where events come from.
    pub(crate) fn events_sender(&self) -> broadcast::Sender<Event> {
        let mut memory = self.0.lock().unwrap();
        memory
            .events
            .get_or_insert_with(|| broadcast::Sender::new(4))
            .clone()
    }
}

fn connection(number: u64) -> ConnectionListing {
    let port = u16::try_from(number % 60_000).unwrap();
    ConnectionListing {
        protocol: Some(Protocol::Tcp),
        client: Endpoint::new("198.51.100.7".parse().unwrap(), port),
        virtual_endpoint: "192.0.2.1:80".parse().unwrap(),
        virtual_server: None,
        real_endpoint: "10.0.0.1:80".parse().unwrap(),
        method: EffectiveMethod::Configured(ForwardingMethod::Nat),
        local: None,
        state: ConnectionState::Established,
        expires: Duration::from_secs(900),
        template: false,
        engine_data: None,
        packets_in: number,
        packets_out: 0,
        bytes_in: 0,
        bytes_out: 0,
    }
}

/// A server on a thread of its own; it ends when this is dropped.
pub(crate) struct Served {
    pub(crate) fake: Fake,
    pub(crate) instance: Instance,
    _directory: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let instance = Instance::new(directory.path(), "test").unwrap();
        std::fs::create_dir(instance.directory()).unwrap();
        let fake = Fake::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = thread::spawn({
            let (fake, socket) = (fake.clone(), instance.socket());
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let (listener, access) = bind(&socket, "no-such-group-here").unwrap();
                    ready.send(()).unwrap();
                    let shutdown = async {
                        let _dropped = stopped.await;
                    };
                    serve(listener, access, fake, shutdown).await;
                });
            }
        });
        is_ready.recv().unwrap();
        Self {
            fake,
            instance,
            _directory: directory,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Sends bytes and reads the answer to its end: for requests that no client of ours would send.
    pub(crate) fn raw(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(self.instance.socket()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
