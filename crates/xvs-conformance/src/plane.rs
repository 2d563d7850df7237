//! A dataplane and what the daemon around it would know: routes, neighbours, local addresses.

use xvs_dataplane::{Atomicity, Bpf, ConnectionFilter, Dataplane};
use xvs_ipvsadm::{Backend, BackendError};
use xvs_types::{
    ConnectionListing, Op, OpError, SyncDaemon, Timeouts, VirtualServerId, VirtualServerListing,
};

use crate::Network;

/// The dataplane and its network.
pub(crate) struct Plane {
    pub(crate) dataplane: Bpf,
    pub(crate) network: Network,
}

impl Plane {
    pub(crate) fn new(dataplane: Bpf, network: &Network) -> Self {
        Self {
            dataplane,
            network: network.clone(),
        }
    }

    /// Begins anew, without rules and connections.
    pub(crate) fn begin(&mut self, network: &Network) {
        self.dataplane.reset();
        self.network = network.clone();
        self.route();
    }

    /// Tells the dataplane what it needs to know of the network, as the daemon does.
    pub(crate) fn follow(&mut self) {
        for destination in self.dataplane.destinations() {
            let route = self.network.route(destination);
            self.dataplane.set_route(destination, route);
        }
        for neighbour in self.dataplane.neighbours() {
            let resolved = self.network.resolve(neighbour.ifindex, neighbour.address);
            self.dataplane.set_neighbour(neighbour, resolved);
        }
    }

    /// Makes the routing table what commands have left.
    pub(crate) fn route(&mut self) {
        let prefixes = self.network.local_prefixes();
        self.dataplane.set_local_prefixes(prefixes);
        self.dataplane.set_routes(self.network.routes());
        self.dataplane.forget_client_routes();
        self.follow();
    }
}

impl Backend for Plane {
    fn open(&mut self, _instance: Option<&str>) -> Result<(), BackendError> {
        Ok(())
    }

    fn apply_each(&mut self, ops: &[Op]) -> Result<Vec<Result<(), OpError>>, BackendError> {
        Ok(self.dataplane.apply(ops, Atomicity::OneByOne))
    }

    fn apply_all(&mut self, ops: &[Op]) -> Result<Result<(), (usize, OpError)>, BackendError> {
        let results = self.dataplane.apply(ops, Atomicity::AllOrNothing);
        let refused = results
            .into_iter()
            .enumerate()
            .find_map(|(place, result)| Some((place, result.err()?)));
        Ok(refused.map_or(Ok(()), Err))
    }

    fn virtual_servers(
        &mut self,
        _counters: bool,
    ) -> Result<Vec<VirtualServerListing>, BackendError> {
        Ok(self.dataplane.virtual_servers())
    }

    fn virtual_server(
        &mut self,
        id: &VirtualServerId,
    ) -> Result<Option<VirtualServerListing>, BackendError> {
        let all = self.dataplane.virtual_servers();
        Ok(all.into_iter().find(|listing| listing.config.id == *id))
    }

    fn connections(
        &mut self,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Result<(), BackendError> {
        let all = ConnectionFilter::default();
        self.dataplane.connections(&all, visit);
        Ok(())
    }

    fn timeouts(&mut self) -> Result<Timeouts, BackendError> {
        Ok(self.dataplane.timeouts())
    }

    fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, BackendError> {
        Ok(self.dataplane.sync_daemons())
    }
}
