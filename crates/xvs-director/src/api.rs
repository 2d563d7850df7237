//! The API's side of the daemon: each route as jobs for the dataplane's thread and requests to the
//! network task.

use std::{sync::Arc, time::Instant};

use tokio::sync::{broadcast, mpsc};
use xvs_control::{
    Director,
    wire::{
        Batch, BatchOutcome, ChecksStatus, Code, ConfigurationPlan, ConfigurationRequest,
        ConfigurationStatus, ConnectionPage, ConnectionQuery, Event, HookSetting, InterfaceSetting,
        LinkStatus, Problem, Status, StopRequest, TableFill, VrrpFailover, VrrpPriority,
        VrrpStatus,
    },
};
use xvs_dataplane::{Atomicity, ConnectionFilter, TableStatus};
use xvs_types::{Endpoint, ServerScope, Settings, SyncDaemon, Timeouts, VirtualServerListing};

use crate::{
    checks::ChecksThread,
    configuration::Control,
    events::Events,
    network::{Network, Placement},
    state::{State, StateError},
    vrrp::VrrpService,
    worker::{Ended, Worker},
};

/// What does not change while the daemon runs.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) instance: String,
    pub(crate) netns: Option<String>,
    pub(crate) keep: bool,
    pub(crate) started: Instant,
    /// What went wrong while the last daemon's rules were taken up.
    pub(crate) warnings: Vec<String>,
}

/// The daemon behind the API.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) worker: Worker,
    pub(crate) network: Network,
    pub(crate) checks: ChecksThread,
    pub(crate) configuration: Control,
    pub(crate) vrrp: VrrpService,
    pub(crate) events: Events,
    pub(crate) identity: Arc<Identity>,
    pub(crate) stop: mpsc::Sender<StopRequest>,
}

impl Director for Api {
    async fn status(&self) -> Result<Status, Problem> {
        let (dataplane, placement, added, virtual_servers, real_servers) = self
            .worker
            .call(|keeper| {
                let dataplane = keeper.dataplane().status();
                let state = keeper.state();
                let rules = state.rules.rules();
                let real_servers: usize = rules.iter().map(|(_, servers)| servers.len()).sum();
                let added: Vec<String> = state
                    .added_addresses
                    .iter()
                    .map(|one| one.address.to_string())
                    .collect();
                (
                    dataplane,
                    placement_of(state),
                    added,
                    rules.len(),
                    real_servers,
                )
            })
            .await?;
        let report = self.network.report().await?;
        let links = report
            .links
            .into_iter()
            .map(|placed| {
                let attached = dataplane
                    .attachments
                    .iter()
                    .find(|one| one.ifindex == placed.attachment.ifindex);
                LinkStatus {
                    ifindex: placed.attachment.ifindex,
                    name: placed.attachment.name,
                    hook: attached.map(|one| one.hook.to_string()),
                    attached_by: attached.map(|one| one.attached_by.clone()),
                    reason: placed.reason,
                }
            })
            .collect();
        let mut warnings = self.identity.warnings.clone();
        warnings.extend(report.warnings);
        warnings.extend(self.configuration.status().warnings);
        Ok(Status {
            instance: self.identity.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            netns: self.identity.netns.clone(),
            uptime_seconds: self.identity.started.elapsed().as_secs(),
            keep: self.identity.keep,
            hook: placement.hook,
            interfaces: placement.interfaces,
            links,
            virtual_servers: count(virtual_servers),
            real_servers: count(real_servers),
            table_v4: fill(dataplane.table_v4),
            table_v6: fill(dataplane.table_v6),
            drops: dataplane.drops,
            events: dataplane.events,
            added_addresses: added,
            warnings,
        })
    }

    async fn virtual_servers(
        &self,
        scope: ServerScope,
    ) -> Result<Vec<VirtualServerListing>, Problem> {
        Ok(self
            .worker
            .call(move |keeper| keeper.dataplane().list(&scope))
            .await?)
    }

    async fn apply(&self, batch: Batch) -> Result<BatchOutcome, Problem> {
        let Batch { ops, atomic } = batch;
        let atomicity = if atomic {
            Atomicity::AllOrNothing
        } else {
            Atomicity::OneByOne
        };
        let results = self
            .worker
            .call(move |keeper| keeper.apply(&ops, atomicity))
            .await?;
        let outcome = BatchOutcome::new(results, atomic);
        if outcome.applied > 0 {
            // The answer means that packets are served: routes, links and addresses included.
            self.network.settle().await?;
        }
        Ok(outcome)
    }

    async fn connections(
        &self,
        query: ConnectionQuery,
        cursor: u64,
        most: usize,
    ) -> Result<ConnectionPage, Problem> {
        let filter = filter(&query);
        Ok(self
            .worker
            .call(move |keeper| {
                let mut connections = Vec::with_capacity(most);
                let next =
                    keeper
                        .dataplane()
                        .connections_from(&filter, cursor, &mut |connection| {
                            connections.push(connection);
                            connections.len() < most
                        });
                ConnectionPage { connections, next }
            })
            .await?)
    }

    async fn count_connections(&self, query: ConnectionQuery) -> Result<u64, Problem> {
        let filter = filter(&query);
        Ok(self
            .worker
            .call(move |keeper| {
                let mut count = 0;
                keeper.dataplane().connections(&filter, &mut |_connection| {
                    count += 1;
                    true
                });
                count
            })
            .await?)
    }

    async fn kill_connections(&self, query: ConnectionQuery) -> Result<u64, Problem> {
        let filter = filter(&query);
        Ok(self
            .worker
            .call(move |keeper| keeper.dataplane().kill(&filter))
            .await?)
    }

    async fn settings(&self) -> Result<Settings, Problem> {
        Ok(self
            .worker
            .call(|keeper| keeper.dataplane().settings())
            .await?)
    }

    async fn timeouts(&self) -> Result<Timeouts, Problem> {
        Ok(self
            .worker
            .call(|keeper| keeper.dataplane().timeouts())
            .await?)
    }

    async fn sync_daemons(&self) -> Result<Vec<SyncDaemon>, Problem> {
        Ok(self
            .worker
            .call(|keeper| keeper.dataplane().sync_daemons())
            .await?)
    }

    async fn hook(&self) -> Result<HookSetting, Problem> {
        let placement = self.placement().await?;
        Ok(HookSetting {
            hook: placement.hook,
        })
    }

    async fn set_hook(&self, setting: HookSetting) -> Result<HookSetting, Problem> {
        let mut placement = self.placement().await?;
        placement.hook = setting.hook;
        self.set_placement(placement).await?;
        self.hook().await
    }

    async fn interfaces(&self) -> Result<InterfaceSetting, Problem> {
        let placement = self.placement().await?;
        Ok(InterfaceSetting {
            interfaces: placement.interfaces,
        })
    }

    async fn set_interfaces(&self, setting: InterfaceSetting) -> Result<InterfaceSetting, Problem> {
        let mut placement = self.placement().await?;
        placement.interfaces = setting.interfaces;
        self.set_placement(placement).await?;
        self.interfaces().await
    }

    async fn checks(&self) -> Result<ChecksStatus, Problem> {
        Ok(self.checks.status().await?)
    }

    async fn vrrp(&self) -> Result<VrrpStatus, Problem> {
        self.vrrp.status().await
    }

    async fn vrrp_failover(&self, request: VrrpFailover) -> Result<(), Problem> {
        self.vrrp.failover(&request.router).await
    }

    async fn vrrp_priority(&self, request: VrrpPriority) -> Result<(), Problem> {
        self.vrrp
            .set_priority(&request.router, request.priority)
            .await
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.events.listen()
    }

    async fn configuration(&self) -> Result<ConfigurationStatus, Problem> {
        Ok(self.configuration.status())
    }

    async fn apply_configuration(
        &self,
        request: ConfigurationRequest,
    ) -> Result<ConfigurationStatus, Problem> {
        self.configuration.apply(request).await
    }

    async fn confirm_configuration(&self) -> Result<ConfigurationStatus, Problem> {
        self.configuration.confirm().await
    }

    async fn plan_configuration(
        &self,
        request: ConfigurationRequest,
    ) -> Result<ConfigurationPlan, Problem> {
        self.configuration.plan(request).await
    }

    async fn reload_configuration(&self) -> Result<ConfigurationStatus, Problem> {
        self.configuration.reload().await
    }

    async fn stop(&self, request: StopRequest) -> Result<(), Problem> {
        self.stop
            .send(request)
            .await
            .map_err(|_ending| Ended.into())
    }
}

impl Api {
    async fn placement(&self) -> Result<Placement, Problem> {
        Ok(self
            .worker
            .call(|keeper| placement_of(keeper.state()))
            .await?)
    }

    /// Moves the datapath first and writes the setting then: one that the links refuse is never in
    /// the file, and one that was moved and not yet written is asked for again by whoever did.
    pub(crate) async fn set_placement(&self, placement: Placement) -> Result<(), Problem> {
        self.network.place(placement.clone()).await??;
        self.worker
            .call(move |keeper| {
                keeper.change_settings(|state| {
                    state.hook = placement.hook;
                    state.interfaces = placement.interfaces;
                })
            })
            .await?
            .map_err(|error: StateError| {
                Problem::new(Code::Internal, error.to_string())
                    .with_hint("the change is in force, but not after a restart")
            })
    }
}

/// Where the datapath shall run, as the state says.
pub(crate) fn placement_of(state: &State) -> Placement {
    Placement {
        hook: state.hook,
        interfaces: state.interfaces.clone(),
    }
}

impl From<Ended> for Problem {
    fn from(_ended: Ended) -> Self {
        Self::new(Code::Stopping, "the daemon is ending")
    }
}

fn filter(query: &ConnectionQuery) -> ConnectionFilter {
    let endpoint = |target: xvs_control::wire::Target| {
        target.port.map(|port| Endpoint::new(target.address, port))
    };
    ConnectionFilter {
        address: None,
        client: query.client,
        protocol: query.proto,
        real_address: query.rs.map(|target| target.address),
        real_server: query.rs.and_then(endpoint),
        state: query.state,
        virtual_address: query.vip.map(|target| target.address),
        virtual_endpoint: query.vip.and_then(endpoint),
    }
}

fn fill(table: TableStatus) -> TableFill {
    TableFill {
        capacity: table.capacity,
        used: table.used,
        overflow: table.overflow,
    }
}

/// A `usize` of Linux has at most 64 bits.
fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
