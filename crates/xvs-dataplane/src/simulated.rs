//! A dataplane without packets, for tests and for trying the daemon without eBPF.
//!
//! It takes ops as the real one does, remembers what it is told about the host, and holds the
//! connections that are put into it by hand. A clone is a second hold on the same dataplane, so a
//! test can look at what the daemon does.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use xvs_types::{
    ConnectionListing, Counters, EffectiveMethod, Op, OpError, Rates, RealServer,
    RealServerListing, Rules, ServerScope, Settings, SyncDaemon, Timeouts, VirtualServer,
    VirtualServerListing,
};

use crate::{
    Atomicity, Attachment, AttachmentStatus, ConnectionFilter, Dataplane, DataplaneStatus, Hook,
    Mac, NeighbourKey, Prefix, Route,
};

/// The simulated dataplane.
#[derive(Clone, Debug, Default)]
pub struct Simulated(Arc<Mutex<SimulatedState>>);

/// What a [`Simulated`] holds and was told.
#[derive(Debug, Default)]
pub struct SimulatedState {
    /// The rule base.
    pub rules: Rules,
    /// The connections, put in by hand.
    pub connections: Vec<ConnectionListing>,
    /// The links that carry it.
    pub attachments: Vec<Attachment>,
    /// Hooks that links, by name, cannot do.
    pub unable: BTreeSet<(String, Hook)>,
    /// The error of every op from now on, as from a kernel that refuses.
    pub failing: Option<OpError>,
    /// What is local to the host.
    pub local_prefixes: Vec<Prefix>,
    /// Routes by destination.
    pub routes: BTreeMap<IpAddr, Option<Route>>,
    /// Neighbours of clients, put in by hand as if connections had been opened.
    pub client_neighbours: BTreeSet<NeighbourKey>,
    /// Resolved neighbours: source and destination address.
    pub resolved: BTreeMap<NeighbourKey, Option<(Mac, Mac)>>,
    /// How often routes to clients were forgotten.
    pub forgotten: u64,
    /// How often the second's work was done.
    pub housekept: u64,
    /// What [`Dataplane::finish`] was told.
    pub finished: Option<bool>,
}

impl Simulated {
    /// A dataplane without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it holds, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, SimulatedState> {
        // Nothing here leaves the state half changed, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dataplane for Simulated {
    fn apply(&mut self, ops: &[Op], atomicity: Atomicity) -> Vec<Result<(), OpError>> {
        let mut state = self.state();
        if let Some(error) = state.failing.clone() {
            return match atomicity {
                Atomicity::AllOrNothing => vec![Err(error)],
                Atomicity::OneByOne => ops.iter().map(|_op| Err(error.clone())).collect(),
            };
        }
        match atomicity {
            Atomicity::OneByOne => ops.iter().map(|op| state.rules.apply(op)).collect(),
            Atomicity::AllOrNothing => match state.rules.apply_all(ops) {
                Ok(()) => ops.iter().map(|_op| Ok(())).collect(),
                Err((place, error)) => {
                    let mut results = vec![Ok(()); place];
                    results.push(Err(error));
                    results
                }
            },
        }
    }

    fn rules(&self) -> Vec<(VirtualServer, Vec<RealServer>)> {
        self.state().rules.rules().to_vec()
    }

    fn list(&mut self, scope: &ServerScope) -> Vec<VirtualServerListing> {
        let state = self.state();
        match &scope.only {
            Some(id) => state.rules.rule(id).map(listing).into_iter().collect(),
            None => state.rules.rules().iter().map(listing).collect(),
        }
    }

    fn connections(
        &mut self,
        filter: &ConnectionFilter,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) {
        let state = self.state();
        let matching = state.connections.iter().filter(|one| filter.matches(one));
        for connection in matching {
            if !visit(connection.clone()) {
                break;
            }
        }
    }

    fn kill(&mut self, filter: &ConnectionFilter) -> u64 {
        self.state()
            .connections
            .extract_if(.., |connection| filter.matches(connection))
            .fold(0, |count, _ended| count + 1)
    }

    fn settings(&self) -> Settings {
        self.state().rules.settings().clone()
    }

    fn timeouts(&self) -> Timeouts {
        self.state().rules.timeouts()
    }

    fn sync_daemons(&self) -> Vec<SyncDaemon> {
        self.state().rules.sync_daemons().to_vec()
    }

    fn attach(&mut self, wanted: &[Attachment]) -> Vec<String> {
        let mut state = self.state();
        let (able, unable): (Vec<_>, Vec<_>) = wanted
            .iter()
            .cloned()
            .partition(|one| !state.unable.contains(&(one.name.clone(), one.hook)));
        state.attachments = able;
        unable
            .iter()
            .map(|one| format!("`{}` cannot do {}", one.name, one.hook))
            .collect()
    }

    fn set_local_prefixes(&mut self, prefixes: &[Prefix]) {
        self.state().local_prefixes = prefixes.to_vec();
    }

    fn destinations(&self) -> Vec<IpAddr> {
        let state = self.state();
        let addresses: BTreeSet<IpAddr> = state
            .rules
            .rules()
            .iter()
            .flat_map(|(_virtual_server, real_servers)| real_servers)
            .map(|real_server| real_server.endpoint.address)
            .collect();
        addresses.into_iter().collect()
    }

    fn set_route(&mut self, destination: IpAddr, route: Option<Route>) {
        self.state().routes.insert(destination, route);
    }

    fn neighbours(&mut self) -> Vec<NeighbourKey> {
        let destinations = self.destinations();
        let state = self.state();
        let behind_routes = destinations.into_iter().filter_map(|destination| {
            let route = (*state.routes.get(&destination)?)?;
            (!route.local).then(|| NeighbourKey {
                ifindex: route.ifindex,
                address: route.gateway.unwrap_or(destination),
            })
        });
        let all: BTreeSet<NeighbourKey> = behind_routes
            .chain(state.client_neighbours.iter().copied())
            .collect();
        all.into_iter().collect()
    }

    fn set_neighbour(&mut self, neighbour: NeighbourKey, resolved: Option<(Mac, Mac)>) {
        self.state().resolved.insert(neighbour, resolved);
    }

    fn forget_client_routes(&mut self) {
        let mut state = self.state();
        state.forgotten += 1;
        state.client_neighbours.clear();
    }

    fn housekeep(&mut self) {
        self.state().housekept += 1;
    }

    fn finish(&mut self, keep: bool) -> Vec<String> {
        let mut state = self.state();
        state.finished = Some(keep);
        if !keep {
            state.attachments.clear();
        }
        Vec::new()
    }

    fn status(&mut self) -> DataplaneStatus {
        let attachments = self
            .state()
            .attachments
            .iter()
            .map(|attachment| AttachmentStatus {
                ifindex: attachment.ifindex,
                name: attachment.name.clone(),
                hook: attachment.hook,
                attached_by: "simulation".to_owned(),
            })
            .collect();
        DataplaneStatus {
            attachments,
            ..DataplaneStatus::default()
        }
    }
}

fn listing((config, real_servers): &(VirtualServer, Vec<RealServer>)) -> VirtualServerListing {
    VirtualServerListing {
        config: config.clone(),
        counters: Counters::default(),
        rates: Rates::default(),
        real_servers: real_servers
            .iter()
            .rev()
            .map(|real_server| RealServerListing {
                config: *real_server,
                effective: EffectiveMethod::Configured(real_server.method),
                active: 0,
                inactive: 0,
                persistent: 0,
                counters: Counters::default(),
                rates: Rates::default(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use xvs_types::{ConnectionState, ForwardingMethod, Protocol};

    use super::*;

    fn with_connections(count: u16) -> Simulated {
        let simulated = Simulated::new();
        simulated.state().connections = (0..count)
            .map(|port| ConnectionListing {
                protocol: Some(Protocol::Tcp),
                client: xvs_types::Endpoint::new("198.51.100.7".parse().unwrap(), port),
                virtual_endpoint: "192.0.2.1:80".parse().unwrap(),
                virtual_server: None,
                real_endpoint: "10.0.0.1:80".parse().unwrap(),
                method: EffectiveMethod::Configured(ForwardingMethod::Nat),
                local: None,
                state: ConnectionState::Established,
                expires: Duration::from_secs(1),
                template: false,
                engine_data: None,
                packets_in: 0,
                packets_out: 0,
                bytes_in: 0,
                bytes_out: 0,
            })
            .collect();
        simulated
    }

    #[test]
    fn pages_of_any_size_list_every_connection_once() {
        for size in [1, 3, 10, 11] {
            let mut simulated = with_connections(10);
            let mut ports = Vec::new();
            let mut cursor = Some(0);
            while let Some(from) = cursor {
                let mut room = size;
                cursor = simulated.connections_from(
                    &ConnectionFilter::default(),
                    from,
                    &mut |connection| {
                        ports.push(connection.client.port);
                        room -= 1;
                        room > 0
                    },
                );
            }
            assert_eq!(ports, (0..10).collect::<Vec<u16>>(), "pages of {size}");
        }
    }

    #[test]
    fn a_filter_by_address_ignores_ports() {
        let mut simulated = with_connections(4);
        let other = ConnectionFilter {
            virtual_address: Some("192.0.2.2".parse().unwrap()),
            ..ConnectionFilter::default()
        };
        assert_eq!(simulated.kill(&other), 0);
        let real = ConnectionFilter {
            real_address: Some("10.0.0.1".parse().unwrap()),
            ..ConnectionFilter::default()
        };
        assert_eq!(simulated.kill(&real), 4);
    }
}
