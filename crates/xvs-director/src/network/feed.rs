//! What the network task does with what it read: feeding the dataplane.
//!
//! Here are what is known, what is read again and the routes to real servers. Links, neighbours, local
//! addresses and settings lie in the files beside this one.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use tracing::warn;
use xvs_dataplane::{NeighbourKey, Prefix, Route};
use xvs_net::{Brought, ChangedNeighbours, Changes, Host, HostError};
use xvs_types::Family;

use super::{
    Placed, Placement, Report,
    footprint::Footprint,
    kept_ports::PortRange,
    neighbours::Known,
    view::{View, prefix, route},
};
use crate::{
    firewall::Firewall,
    worker::{Ended, Worker},
};

/// How many real servers without a route are named.
const NAMED: usize = 20;

/// The dataplane's view of the host, and the means to keep it up to date.
pub(super) struct Feed {
    pub(super) host: Host,
    pub(super) worker: Worker,
    pub(super) firewall: Firewall,
    pub(super) placement: Placement,
    pub(super) view: View,
    pub(super) footprint: Footprint,
    pub(super) routes: BTreeMap<IpAddr, Option<Route>>,
    /// Real servers to which no route leads.
    unreachable: BTreeSet<IpAddr>,
    pub(super) neighbours: BTreeMap<NeighbourKey, Known>,
    /// Ports of local addresses that the dataplane was told to leave to the host.
    pub(super) kept_ports: BTreeMap<IpAddr, PortRange>,
    /// Links on which XDP was our choice and failed, by index: not tried again until told to.
    pub(super) without_xdp: BTreeSet<u32>,
    /// Links and families whose settings were seen to.
    pub(super) detecting: BTreeSet<(Family, String)>,
    pub(super) drivers: BTreeMap<String, Option<String>>,
    pub(super) placed: Vec<Placed>,
    /// The link by which packets are brought, and what is brought by it.
    pub(super) brought: Option<(u32, Brought)>,
    /// What is not as it should be, by subject; a subject that is well again is overwritten.
    pub(super) warnings: BTreeMap<&'static str, Vec<String>>,
}

impl Feed {
    pub(super) fn new(host: Host, worker: Worker, placement: Placement) -> Self {
        Self {
            host,
            worker,
            firewall: Firewall::start(),
            placement,
            view: View::default(),
            footprint: Footprint::default(),
            routes: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            neighbours: BTreeMap::new(),
            kept_ports: BTreeMap::new(),
            without_xdp: BTreeSet::new(),
            detecting: BTreeSet::new(),
            drivers: BTreeMap::new(),
            placed: Vec::new(),
            brought: None,
            warnings: BTreeMap::new(),
        }
    }

    /// Reads again what changed and brings the dataplane up to it.
    pub(super) async fn follow(&mut self, changes: &Changes) -> Result<(), Ended> {
        if changes.affect_routing() {
            let read = self.read(changes).await;
            self.note("network", read.err().map(|error| error.to_string()));
            let prefixes: Vec<Prefix> = self.view.local_prefixes.iter().map(prefix).collect();
            self.worker
                .call(move |keeper| {
                    keeper.dataplane().set_local_prefixes(&prefixes);
                    keeper.dataplane().forget_client_routes();
                })
                .await?;
            // Every route is asked for again.
            self.routes.clear();
            self.unreachable.clear();
            self.bring_up(true).await?;
        }
        if !changes.neighbours.is_empty() || changes.links {
            let again = if changes.links {
                ChangedNeighbours::All
            } else {
                changes.neighbours.clone()
            };
            self.neighbours(&again).await?;
        }
        Ok(())
    }

    /// Brings the dataplane up to what its present rules need.
    pub(super) async fn rules_changed(&mut self) -> Result<(), Ended> {
        self.bring_up(false).await
    }

    /// Brings the dataplane up to rules that changed, or to all of them where the host did.
    async fn bring_up(&mut self, all: bool) -> Result<(), Ended> {
        let changes = self.worker.call(super::Keeper::take_changes).await?;
        self.firewall.follow(&changes);
        let was_empty = self.footprint.is_empty();
        let shift = self.footprint.take(changes);
        // Which links carry the datapath depends on addresses, and on whether there is anything to do.
        let moves = shift.moves_addresses() || was_empty != self.footprint.is_empty();
        let arrived = if all {
            self.footprint.real_servers()
        } else {
            shift.arrived.into_iter().collect()
        };
        self.follow_destinations(arrived, &shift.left).await?;
        self.follow_local_addresses().await?;
        let brings = self.bring().await?;
        self.neighbours(&ChangedNeighbours::default()).await?;
        let unsettled = self
            .warnings
            .get("links")
            .is_some_and(|lines| !lines.is_empty());
        if all || moves || unsettled || brings {
            self.attach().await?;
            self.tell_of_the_link().await?;
        }
        Ok(())
    }

    /// What is known, for the status.
    pub(super) fn report(&self) -> Report {
        let mut warnings = self.firewall.warnings();
        warnings.extend(self.warnings.values().flatten().cloned());
        Report {
            links: self.placed.clone(),
            warnings,
        }
    }

    /// Reads again what `changes` names of the host.
    pub(super) async fn read(&mut self, changes: &Changes) -> Result<(), HostError> {
        if changes.links || self.view.links.is_empty() {
            let mut links = self.host.links().await?;
            let all = links.len();
            links.retain(|link| ![xvs_net::ENTRY, xvs_net::BROUGHT_BY].contains(&&*link.name));
            self.view.brings = links.len() < all;
            self.view.links = links;
            // A link that went and came again has the kernel's defaults.
            let links = &self.view.links;
            self.detecting
                .retain(|(_family, name)| links.iter().any(|link| link.name == *name));
            self.drivers = self
                .view
                .links
                .iter()
                .map(|link| {
                    // A link that went away meanwhile has no driver; its removal is told next.
                    let driver = xvs_net::driver(&link.name).ok().flatten();
                    (link.name.clone(), driver)
                })
                .collect();
        }
        self.view.addresses = self.host.addresses().await?;
        self.view.local_prefixes = self.host.local_prefixes().await?;
        self.view.routes = self.host.routes().await?;
        let links = &self.view.links;
        self.view
            .routes
            .retain(|route| links.iter().any(|link| link.index == route.ifindex));
        Ok(())
    }

    async fn follow_destinations(
        &mut self,
        arrived: Vec<IpAddr>,
        left: &BTreeSet<IpAddr>,
    ) -> Result<(), Ended> {
        if arrived.is_empty() && left.is_empty() {
            return Ok(());
        }
        for destination in left {
            self.routes.remove(destination);
            self.unreachable.remove(destination);
        }
        let mut told = Vec::with_capacity(arrived.len());
        for destination in arrived {
            let found = match self.host.route_to(destination).await {
                Ok(answer) => Some(route(&answer)),
                Err(HostError::Unreachable { .. }) => None,
                Err(error) => {
                    warn!(%error, "a route is not known");
                    None
                }
            };
            if found.is_none() {
                self.unreachable.insert(destination);
            }
            self.routes.insert(destination, found);
            told.push((destination, found));
        }
        self.note_all("routes", unreachable(&self.unreachable));
        if told.is_empty() {
            return Ok(());
        }
        self.worker
            .call(move |keeper| {
                let dataplane = keeper.dataplane();
                for (destination, route) in told {
                    dataplane.set_route(destination, route);
                }
                dataplane.routes_are_told();
            })
            .await
    }

    pub(super) fn report_failure<T, E: std::fmt::Display>(&self, result: Result<T, E>) {
        if let Err(error) = result {
            warn!(%error, "the network could not be changed");
        }
    }

    pub(super) fn note(&mut self, subject: &'static str, line: Option<String>) {
        self.note_all(subject, line.into_iter().collect());
    }

    /// Makes `lines` all that is wrong about `subject`, and logs those that are new.
    pub(super) fn note_all(&mut self, subject: &'static str, lines: Vec<String>) {
        let before = self.warnings.insert(subject, lines.clone());
        let before = before.unwrap_or_default();
        for line in lines.iter().filter(|line| !before.contains(line)) {
            warn!("{line}");
        }
    }
}

/// A line for each real server to which no route leads, as far as a reader wants to go.
fn unreachable(addresses: &BTreeSet<IpAddr>) -> Vec<String> {
    let named = addresses.iter().take(NAMED);
    let mut lines: Vec<String> = named
        .map(|address| format!("no route leads to real server `{address}`"))
        .collect();
    if addresses.len() > NAMED {
        let more = addresses.len() - NAMED;
        lines.push(format!("no route leads to {more} more real servers"));
    }
    lines
}
