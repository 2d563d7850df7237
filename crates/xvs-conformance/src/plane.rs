//! A dataplane and what the daemon around it would know: routes, neighbours, local addresses.

use xvs_dataplane::{Atomicity, Bpf, ConnectionFilter, Dataplane, Mac};
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
        let link = self.has_marks().then_some(Network::BROUGHT_BY);
        self.dataplane.set_brought_by(link);
        for destination in self.dataplane.destinations() {
            let route = self.network.route(destination);
            self.dataplane.set_route(destination, route);
        }
        for neighbour in self.dataplane.neighbours() {
            let resolved = self.network.resolve(neighbour.ifindex, neighbour.address);
            self.dataplane.set_neighbour(neighbour, resolved);
        }
    }

    fn has_marks(&self) -> bool {
        let rules = self.dataplane.rules();
        rules.iter().any(|(server, _)| server.id.vip().is_none())
    }

    /// The frame in which routing rules bring a packet with this mark to the dataplane; none where it
    /// goes on to the host. They bring what is for this host and has the mark, or the address, of a
    /// virtual server.
    pub(crate) fn brought(&self, mark: u32, frame: &[u8]) -> Option<Vec<u8>> {
        let destination = self.network.destination(frame)?;
        let is_wanted = |id: &VirtualServerId| match id {
            VirtualServerId::Mark { mark: own, .. } => *own == mark,
            VirtualServerId::Address { endpoint, .. } => endpoint.address == destination,
        };
        let rules = self.dataplane.rules();
        let wanted = rules.iter().any(|(server, _)| is_wanted(&server.id));
        if !(wanted && self.has_marks() && self.network.is_local(destination)) {
            return None;
        }
        forwarded(frame)
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

/// A frame as the host forwards it into the link of the routing rules, one hop older; none where it has
/// no hop left.
fn forwarded(frame: &[u8]) -> Option<Vec<u8>> {
    let mut frame = frame.to_vec();
    let Mac(own) = Network::BROUGHT_MAC;
    frame.get_mut(..6)?.copy_from_slice(&own);
    frame.get_mut(6..12)?.copy_from_slice(&own);
    let is_v6 = frame.get(12..14)? == [0x86, 0xdd];
    let hops = frame.get_mut(if is_v6 { 21 } else { 22 })?;
    *hops = hops.checked_sub(1).filter(|left| *left > 0)?;
    if !is_v6 {
        let sum = frame.get(24..26)?;
        let sum = u16::from_be_bytes([*sum.first()?, *sum.get(1)?]);
        // The time to live is the high byte of its word (RFC 1141).
        let (sum, carry) = sum.overflowing_add(0x0100);
        let sum = sum + u16::from(carry);
        frame.get_mut(24..26)?.copy_from_slice(&sum.to_be_bytes());
    }
    Some(frame)
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
