//! The trait that the director drives: the real dataplane and the simulated one behind it.

use std::net::IpAddr;

use xvs_types::{
    ConnectionListing, Op, OpError, RealServer, ServerScope, Settings, SyncDaemon, Timeouts,
    VirtualServer, VirtualServerListing,
};

use crate::{Attachment, ConnectionFilter, DataplaneStatus, Mac, NeighbourKey, Prefix, Route};

/// What happens to a list of ops when one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    /// Nothing is applied; the result names the op that was refused.
    AllOrNothing,
    /// The others are applied, as `ipvsadm -R` does.
    OneByOne,
}

/// A dataplane.
///
/// Everything is called from one thread, and nothing waits: no call takes longer than its work.
pub trait Dataplane: Send {
    /// Applies ops in order. The answer has one result an op; with [`Atomicity::AllOrNothing`] and a
    /// refused op it ends with that op's error and nothing was changed.
    fn apply(&mut self, ops: &[Op], atomicity: Atomicity) -> Vec<Result<(), OpError>>;

    /// The rules in the order in which they were added (real servers too: oldest first).
    fn rules(&self) -> Vec<(VirtualServer, Vec<RealServer>)>;

    /// Virtual and real servers with counts, as far as `scope` wants them, in the order in which
    /// virtual servers were added.
    fn list(&mut self, scope: &ServerScope) -> Vec<VirtualServerListing>;

    /// Every virtual and real server with all its counts.
    fn virtual_servers(&mut self) -> Vec<VirtualServerListing> {
        self.list(&ServerScope::default())
    }

    /// Calls `visit` for each connection that `filter` matches, until it answers `false`.
    fn connections(
        &mut self,
        filter: &ConnectionFilter,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    );

    /// Calls `visit` for each connection that `filter` matches from `cursor` on, until it answers
    /// `false`. Answers the cursor to go on from; none at the end. The first cursor is 0, others are
    /// answers of this function.
    ///
    /// A listing in pages is no snapshot: what comes or goes between two pages may be missed or seen
    /// twice, as in the kernel's `/proc/net/ip_vs_conn`. This default counts its way to the cursor;
    /// a dataplane that can jump there should.
    fn connections_from(
        &mut self,
        filter: &ConnectionFilter,
        cursor: u64,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Option<u64> {
        let mut place = 0;
        let mut stopped = false;
        self.connections(filter, &mut |connection| {
            place += 1;
            if place <= cursor {
                return true;
            }
            stopped = !visit(connection);
            !stopped
        });
        stopped.then_some(place)
    }

    /// Ends the connections that `filter` matches: the next packet is as if they had never been.
    /// Answers how many.
    fn kill(&mut self, filter: &ConnectionFilter) -> u64;

    /// The settings of the kernel's names.
    fn settings(&self) -> Settings;

    /// The timeouts in force.
    fn timeouts(&self) -> Timeouts;

    /// The sync daemons that were asked for.
    fn sync_daemons(&self) -> Vec<SyncDaemon>;

    /// Makes `wanted` the links that carry the datapath. Answers what could not be attached or
    /// detached, a line each, naming the link; what can be done is done.
    fn attach(&mut self, wanted: &[Attachment]) -> Vec<String>;

    /// Says which addresses are local to this host: only they open connections, unless a virtual
    /// server is `anywhere`.
    fn set_local_prefixes(&mut self, prefixes: &[Prefix]);

    /// Says which ports of a local address (`--laddr`) the host keeps for connections of its own, first
    /// and last; none where the address was not the host's before.
    fn set_kept_ports(&mut self, local_address: IpAddr, kept: Option<(u16, u16)>) {
        let _unused = (local_address, kept);
    }

    /// Says by which link routing rules bring packets that the firewall has seen, one hop older; none
    /// while there is no virtual server of a firewall mark. While there is a link, packets open
    /// connections there alone.
    fn set_brought_by(&mut self, link: Option<u32>) {
        let _unused = link;
    }

    /// Addresses whose routes the dataplane needs: real servers.
    fn destinations(&self) -> Vec<IpAddr>;

    /// Says how the kernel routes to `destination`; none when it does not.
    fn set_route(&mut self, destination: IpAddr, route: Option<Route>);

    /// Says that all routes which changed were told: connections on a way that was left take the new one. Not
    /// with each, for a gateway that is left may be that of many.
    fn routes_are_told(&mut self) {}

    /// Neighbours whose link-layer addresses the dataplane needs: on-link real servers and gateways,
    /// and those of clients that connections were opened for.
    fn neighbours(&mut self) -> Vec<NeighbourKey>;

    /// Whether [`Dataplane::neighbours`] may answer another set than it did last. This default always
    /// says so; a dataplane that knows better should.
    fn neighbours_changed(&mut self) -> bool {
        true
    }

    /// Says the link-layer address of a neighbour, with that of the link that frames to it leave by:
    /// (source, destination); none while it is unresolved.
    fn set_neighbour(&mut self, neighbour: NeighbourKey, resolved: Option<(Mac, Mac)>);

    /// Says that routes changed: what the datapath learned about the way to clients is learned anew.
    fn forget_client_routes(&mut self);

    /// What must be done about every second: the heartbeat, expiry, folding counters, rates.
    fn housekeep(&mut self);

    /// The last call: the daemon ends in good order. With `keep`, everything stays pinned and goes on
    /// forwarding; else it is detached and its pins are removed. Answers what could not be undone, a
    /// line each.
    fn finish(&mut self, keep: bool) -> Vec<String>;

    /// What the dataplane says of itself.
    fn status(&mut self) -> DataplaneStatus;
}
