//! What the network task does with what it read: feeding the dataplane.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use tracing::{info, warn};
use xvs_control::wire::{Code, HookChoice, Problem};
use xvs_dataplane::{Attachment, Hook, Mac, NeighbourKey, Prefix, Route};
use xvs_net::{AddressSpec, ChangedNeighbours, Changes, Host, HostError, Kept, Neighbour};
use xvs_types::Rule;

use super::{
    Placed, Placement, Report, addresses,
    placement::{check, place},
    view::{View, mac, prefix, route},
};
use crate::worker::{Ended, Worker};

/// The dataplane's view of the host, and the means to keep it up to date.
pub(super) struct Feed {
    host: Host,
    worker: Worker,
    placement: Placement,
    view: View,
    rules: Vec<Rule>,
    routes: BTreeMap<IpAddr, Option<Route>>,
    neighbours: BTreeMap<NeighbourKey, Known>,
    /// Links on which XDP was our choice and failed, by index: not tried again until told to.
    without_xdp: BTreeSet<u32>,
    drivers: BTreeMap<String, Option<String>>,
    placed: Vec<Placed>,
    /// What is not as it should be, by subject; a subject that is well again is overwritten.
    warnings: BTreeMap<&'static str, Vec<String>>,
}

/// A neighbour that is kept resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    /// The addresses of frames to it: source and destination.
    resolved: Option<(Mac, Mac)>,
    /// The kernel does not keep it by itself: it must be asked for now and then.
    ask_again: bool,
}

impl Feed {
    pub(super) fn new(host: Host, worker: Worker, placement: Placement) -> Self {
        Self {
            host,
            worker,
            placement,
            view: View::default(),
            rules: Vec::new(),
            routes: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            without_xdp: BTreeSet::new(),
            drivers: BTreeMap::new(),
            placed: Vec::new(),
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
            self.rules_changed().await?;
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
        let (rules, destinations) = self
            .worker
            .call(|keeper| {
                let destinations = keeper.dataplane().destinations();
                (keeper.state().rules.rules().to_vec(), destinations)
            })
            .await?;
        self.rules = rules;
        self.follow_destinations(&destinations).await?;
        self.follow_local_addresses().await?;
        self.neighbours(&ChangedNeighbours::default()).await?;
        self.attach().await
    }

    /// Moves the datapath to where `placement` says, or answers why not and leaves it where it was.
    pub(super) async fn place(
        &mut self,
        placement: Placement,
    ) -> Result<Result<(), Problem>, Ended> {
        if let Err(problem) = check(&self.view, &placement) {
            return Ok(Err(problem));
        }
        let before = std::mem::replace(&mut self.placement, placement);
        self.without_xdp.clear();
        self.attach().await?;
        let failures = self.warnings.get("links").cloned().unwrap_or_default();
        if failures.is_empty() {
            return Ok(Ok(()));
        }
        self.placement = before;
        self.attach().await?;
        Ok(Err(Problem::new(
            Code::HookUnsupported,
            failures.join("; "),
        )
        .with_hint("the datapath stays where it was")))
    }

    /// What is known, for the status.
    pub(super) fn report(&self) -> Report {
        Report {
            links: self.placed.clone(),
            warnings: self.warnings.values().flatten().cloned().collect(),
        }
    }

    /// Whether connections may need neighbours: while there is any virtual server.
    pub(super) fn needs_neighbours(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Keeps the neighbours that the dataplane needs resolved, and tells it those that `changed` or
    /// are new.
    pub(super) async fn neighbours(&mut self, changed: &ChangedNeighbours) -> Result<(), Ended> {
        let needed = self
            .worker
            .call(|keeper| keeper.dataplane().neighbours())
            .await?;
        let needed: BTreeSet<NeighbourKey> = needed.into_iter().collect();
        let dropped: Vec<NeighbourKey> = self
            .neighbours
            .extract_if(.., |key, _known| !needed.contains(key))
            .map(|(key, _known)| key)
            .collect();
        for key in dropped {
            self.report_failure(self.host.unmanage_neighbour(key.ifindex, key.address).await);
        }
        let mut told = Vec::new();
        for key in needed {
            let new = !self.neighbours.contains_key(&key);
            let named = xvs_net::NeighbourKey {
                ifindex: key.ifindex,
                address: key.address,
            };
            if !new && !changed.contains(&named) {
                continue;
            }
            let ask_again = match self.neighbours.get(&key) {
                Some(known) => known.ask_again,
                None => self.keep(key).await,
            };
            let resolved = self.resolve(key).await;
            let known = Known {
                resolved,
                ask_again,
            };
            let before = self.neighbours.insert(key, known);
            if before.is_none_or(|before| before.resolved != resolved) {
                told.push((key, resolved));
            }
        }
        let unresolved = self
            .neighbours
            .iter()
            .filter(|(_, known)| known.resolved.is_none());
        let lines = unresolved
            .map(|(key, _)| {
                let link = self.view.link(key.ifindex);
                let link = link.map_or("a link that is gone", |link| &link.name);
                format!("`{}` does not answer on `{link}`", key.address)
            })
            .collect();
        // Every new neighbour is silent for a moment: this is for the status, not for the log.
        self.warnings.insert("neighbours", lines);
        if told.is_empty() {
            return Ok(());
        }
        self.worker
            .call(move |keeper| {
                for (key, resolved) in told {
                    keeper.dataplane().set_neighbour(key, resolved);
                }
            })
            .await
    }

    /// Asks again for the neighbours that the kernel does not keep resolved by itself.
    pub(super) async fn ask_for_neighbours_again(&mut self) {
        let asked: Vec<NeighbourKey> = self
            .neighbours
            .iter()
            .filter(|(_, known)| known.ask_again)
            .map(|(key, _)| *key)
            .collect();
        for key in asked {
            let ask_again = self.keep(key).await;
            if let Some(known) = self.neighbours.get_mut(&key) {
                known.ask_again = ask_again;
            }
        }
    }

    /// Takes off their links what xvs added.
    pub(super) async fn remove_addresses(&mut self) -> Result<(), Ended> {
        let added = self
            .worker
            .call(|keeper| keeper.state().added_addresses.clone())
            .await?;
        for one in added {
            self.remove(one).await?;
        }
        Ok(())
    }

    async fn read(&mut self, changes: &Changes) -> Result<(), HostError> {
        if changes.links || self.view.links.is_empty() {
            self.view.links = self.host.links().await?;
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
        Ok(())
    }

    async fn follow_destinations(&mut self, destinations: &[IpAddr]) -> Result<(), Ended> {
        let wanted: BTreeSet<IpAddr> = destinations.iter().copied().collect();
        self.routes.retain(|known, _route| wanted.contains(known));
        let mut told = Vec::new();
        for destination in wanted {
            if self.routes.contains_key(&destination) {
                continue;
            }
            let found = match self.host.route_to(destination).await {
                Ok(answer) => Some(route(&answer)),
                Err(HostError::Unreachable { .. }) => None,
                Err(error) => {
                    warn!(%error, "a route is not known");
                    None
                }
            };
            self.routes.insert(destination, found);
            told.push((destination, found));
        }
        let unreachable = self.routes.iter().filter(|(_, route)| route.is_none());
        let lines = unreachable
            .map(|(destination, _)| format!("no route leads to real server `{destination}`"))
            .collect();
        self.note_all("routes", lines);
        if told.is_empty() {
            return Ok(());
        }
        self.worker
            .call(move |keeper| {
                for (destination, route) in told {
                    keeper.dataplane().set_route(destination, route);
                }
            })
            .await
    }

    async fn follow_local_addresses(&mut self) -> Result<(), Ended> {
        let added = self
            .worker
            .call(|keeper| keeper.state().added_addresses.clone())
            .await?;
        let plan = addresses::plan(&self.rules, &self.routes, &self.view, &added);
        if plan == addresses::AddressPlan::default() {
            return Ok(());
        }
        for one in plan.remove {
            self.remove(one).await?;
        }
        let mut failures = Vec::new();
        for one in plan.add {
            // On disk first: an address that is added is never forgotten.
            let recorded = one.clone();
            let written = self
                .worker
                .call(move |keeper| {
                    keeper.change_settings(|state| state.added_addresses.push(recorded))
                })
                .await?;
            if let Err(error) = written {
                failures.push(error.to_string());
                continue;
            }
            let spec = AddressSpec::host(one.ifindex, one.address);
            match self.host.add_address(&spec).await {
                Ok(_change) => {
                    info!(address = %one.address, link = one.ifindex, "added a local address");
                }
                Err(error) => failures.push(error.to_string()),
            }
        }
        self.note_all("addresses", failures);
        // The dataplane must know them as local before the first connection.
        match self.host.addresses().await {
            Ok(addresses) => self.view.addresses = addresses,
            Err(error) => self.note("network", Some(error.to_string())),
        }
        match self.host.local_prefixes().await {
            Ok(prefixes) => self.view.local_prefixes = prefixes,
            Err(error) => self.note("network", Some(error.to_string())),
        }
        let prefixes: Vec<Prefix> = self.view.local_prefixes.iter().map(prefix).collect();
        self.worker
            .call(move |keeper| keeper.dataplane().set_local_prefixes(&prefixes))
            .await
    }

    async fn remove(&mut self, one: crate::state::AddedAddress) -> Result<(), Ended> {
        let spec = AddressSpec::host(one.ifindex, one.address);
        match self.host.remove_address(&spec).await {
            Ok(_change) => {
                info!(address = %one.address, link = one.ifindex, "removed a local address");
            }
            Err(error) => {
                // It stays in the file, and is tried again with the next change.
                self.note("addresses", Some(error.to_string()));
                return Ok(());
            }
        }
        let written = self
            .worker
            .call(move |keeper| {
                keeper.change_settings(|state| state.added_addresses.retain(|other| *other != one))
            })
            .await?;
        self.report_failure(written);
        Ok(())
    }

    async fn attach(&mut self) -> Result<(), Ended> {
        let mut placed = self.place_now();
        let settled = self.warnings.get("links").is_none_or(Vec::is_empty);
        if placed == self.placed && settled {
            return Ok(());
        }
        let mut failures = self.try_to_attach(&placed).await?;
        if !failures.is_empty() && self.placement.hook == HookChoice::Auto {
            // The choice was ours, so it may be another one: what tcx cannot do, nothing can.
            let attached = self.attached().await?;
            let failed = placed.iter().map(|one| &one.attachment);
            self.without_xdp.extend(
                failed
                    .filter(|one| one.hook != Hook::Tcx && !attached.contains(&one.ifindex))
                    .map(|one| one.ifindex),
            );
            placed = self.place_now();
            failures = self.try_to_attach(&placed).await?;
        }
        for one in placed.iter().filter(|one| !self.placed.contains(one)) {
            let Attachment { name, hook, .. } = &one.attachment;
            info!(link = %name, %hook, reason = %one.reason, "the datapath runs");
        }
        self.placed = placed;
        self.note_all("links", failures);
        Ok(())
    }

    fn place_now(&self) -> Vec<Placed> {
        let mut placed = place(&self.view, &self.rules, &self.placement, &self.drivers);
        for one in &mut placed {
            if self.without_xdp.contains(&one.attachment.ifindex) {
                one.reason = format!("{}; but {} failed, so tcx", one.reason, one.attachment.hook);
                one.attachment.hook = Hook::Tcx;
            }
        }
        placed
    }

    async fn try_to_attach(&self, placed: &[Placed]) -> Result<Vec<String>, Ended> {
        let wanted: Vec<Attachment> = placed.iter().map(|one| one.attachment.clone()).collect();
        self.worker
            .call(move |keeper| keeper.dataplane().attach(&wanted))
            .await
    }

    async fn attached(&self) -> Result<BTreeSet<u32>, Ended> {
        let status = self
            .worker
            .call(|keeper| keeper.dataplane().status())
            .await?;
        Ok(status.attachments.iter().map(|one| one.ifindex).collect())
    }

    /// Has a neighbour kept resolved; answers whether it must be asked for again.
    async fn keep(&self, key: NeighbourKey) -> bool {
        match self.host.manage_neighbour(key.ifindex, key.address).await {
            Ok(Kept::Managed | Kept::Static) => false,
            Ok(_probed) => true,
            Err(error) => {
                warn!(%error, "a neighbour is not kept resolved");
                true
            }
        }
    }

    /// The addresses of frames to a neighbour; none while it is unresolved.
    async fn resolve(&self, key: NeighbourKey) -> Option<(Mac, Mac)> {
        let source = self.view.link(key.ifindex)?.mac?;
        let found = self.host.neighbour(key.ifindex, key.address).await;
        let destination = match found {
            Ok(found) => found.as_ref().and_then(Neighbour::usable_mac)?,
            Err(error) => {
                warn!(%error, "a neighbour is not known");
                return None;
            }
        };
        Some((mac(source), mac(destination)))
    }

    fn report_failure<T, E: std::fmt::Display>(&self, result: Result<T, E>) {
        if let Err(error) = result {
            warn!(%error, "the network could not be changed");
        }
    }

    fn note(&mut self, subject: &'static str, line: Option<String>) {
        self.note_all(subject, line.into_iter().collect());
    }

    /// Makes `lines` all that is wrong about `subject`, and logs those that are new.
    fn note_all(&mut self, subject: &'static str, lines: Vec<String>) {
        let before = self.warnings.insert(subject, lines.clone());
        let before = before.unwrap_or_default();
        for line in lines.iter().filter(|line| !before.contains(line)) {
            warn!("{line}");
        }
    }
}
