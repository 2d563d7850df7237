//! What the server needs of the daemon behind it.

use std::future::Future;

use tokio::sync::broadcast;
use xvs_types::{ServerScope, Settings, SyncDaemon, Timeouts, VirtualServerListing};

use crate::wire::{
    Batch, BatchOutcome, ChecksStatus, ConfigurationPlan, ConfigurationRequest,
    ConfigurationStatus, ConnectionPage, ConnectionQuery, Event, HookSetting, InterfaceSetting,
    Problem, Status, StopRequest, VrrpFailover, VrrpPriority, VrrpStatus,
};

/// The daemon as the API sees it: one function a route.
///
/// Clones are handles to the same daemon. Each function answers when what it asked for is done; a
/// [`Problem`] is sent to the client as it is.
pub trait Director: Clone + Send + Sync + 'static {
    /// What the daemon says of itself.
    fn status(&self) -> impl Future<Output = Result<Status, Problem>> + Send;

    /// Virtual and real servers with counts, as far as `scope` wants them, in the order in which
    /// virtual servers were added.
    fn virtual_servers(
        &self,
        scope: ServerScope,
    ) -> impl Future<Output = Result<Vec<VirtualServerListing>, Problem>> + Send;

    /// Applies a batch of ops.
    fn apply(&self, batch: Batch) -> impl Future<Output = Result<BatchOutcome, Problem>> + Send;

    /// At most `most` connections that `query` matches, from `cursor` on; 0 is the beginning.
    /// The limit of the query is the caller's to keep.
    fn connections(
        &self,
        query: ConnectionQuery,
        cursor: u64,
        most: usize,
    ) -> impl Future<Output = Result<ConnectionPage, Problem>> + Send;

    /// How many connections `query` matches.
    fn count_connections(
        &self,
        query: ConnectionQuery,
    ) -> impl Future<Output = Result<u64, Problem>> + Send;

    /// Ends the connections that `query` matches; answers how many.
    fn kill_connections(
        &self,
        query: ConnectionQuery,
    ) -> impl Future<Output = Result<u64, Problem>> + Send;

    /// The settings of the kernel's names.
    fn settings(&self) -> impl Future<Output = Result<Settings, Problem>> + Send;

    /// The timeouts in force.
    fn timeouts(&self) -> impl Future<Output = Result<Timeouts, Problem>> + Send;

    /// The sync daemons that were asked for.
    fn sync_daemons(&self) -> impl Future<Output = Result<Vec<SyncDaemon>, Problem>> + Send;

    /// Where on its links the datapath shall run.
    fn hook(&self) -> impl Future<Output = Result<HookSetting, Problem>> + Send;

    /// Changes where on its links the datapath runs, now and after a restart.
    fn set_hook(
        &self,
        setting: HookSetting,
    ) -> impl Future<Output = Result<HookSetting, Problem>> + Send;

    /// The links that shall carry the datapath.
    fn interfaces(&self) -> impl Future<Output = Result<InterfaceSetting, Problem>> + Send;

    /// Changes the links that carry the datapath, now and after a restart.
    fn set_interfaces(
        &self,
        setting: InterfaceSetting,
    ) -> impl Future<Output = Result<InterfaceSetting, Problem>> + Send;

    /// Makes the daemon end; answers before it is gone.
    fn stop(&self, request: StopRequest) -> impl Future<Output = Result<(), Problem>> + Send;

    /// What health checks have found.
    fn checks(&self) -> impl Future<Output = Result<ChecksStatus, Problem>> + Send;

    /// The virtual routers as they are now.
    fn vrrp(&self) -> impl Future<Output = Result<VrrpStatus, Problem>> + Send;

    /// Makes a virtual router that is master hand over.
    fn vrrp_failover(
        &self,
        request: VrrpFailover,
    ) -> impl Future<Output = Result<(), Problem>> + Send;

    /// Sets a priority in place of the configured one, or takes it back.
    fn vrrp_priority(
        &self,
        request: VrrpPriority,
    ) -> impl Future<Output = Result<(), Problem>> + Send;

    /// What happens from now on. A receiver that is too slow loses the oldest.
    fn events(&self) -> broadcast::Receiver<Event>;

    /// The configuration in force.
    fn configuration(&self) -> impl Future<Output = Result<ConfigurationStatus, Problem>> + Send;

    /// Puts another configuration into force, for good or until it is not confirmed in time.
    fn apply_configuration(
        &self,
        request: ConfigurationRequest,
    ) -> impl Future<Output = Result<ConfigurationStatus, Problem>> + Send;

    /// Keeps the configuration that waits for its confirmation.
    fn confirm_configuration(
        &self,
    ) -> impl Future<Output = Result<ConfigurationStatus, Problem>> + Send;

    /// What another configuration would change.
    fn plan_configuration(
        &self,
        request: ConfigurationRequest,
    ) -> impl Future<Output = Result<ConfigurationPlan, Problem>> + Send;

    /// Reads the file of the configuration again.
    fn reload_configuration(
        &self,
    ) -> impl Future<Output = Result<ConfigurationStatus, Problem>> + Send;
}
