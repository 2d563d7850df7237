//! Neighbours: kept resolved by the kernel, told to the dataplane.

use std::collections::BTreeSet;

use tracing::warn;
use xvs_dataplane::{Mac, NeighbourKey};
use xvs_net::{ChangedNeighbours, Kept, Neighbour};

use super::{feed::Feed, view::mac};
use crate::worker::Ended;

/// A neighbour that is kept resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The addresses of frames to it: source and destination.
    pub(super) resolved: Option<(Mac, Mac)>,
    /// The kernel does not keep it by itself: it must be asked for now and then.
    pub(super) ask_again: bool,
}

impl Feed {
    /// Whether connections may need neighbours: while there is any virtual server.
    pub(super) fn needs_neighbours(&self) -> bool {
        !self.footprint.is_empty()
    }

    /// Keeps the neighbours that the dataplane needs resolved, and tells it those that `changed` or
    /// are new.
    pub(super) async fn neighbours(&mut self, changed: &ChangedNeighbours) -> Result<(), Ended> {
        let asked = !changed.is_empty();
        let needed = self
            .worker
            .call(move |keeper| {
                let dataplane = keeper.dataplane();
                (dataplane.neighbours_changed() || asked).then(|| dataplane.neighbours())
            })
            .await?;
        // Often enough, and with as many neighbours as there may be, this is all that is done.
        let Some(needed) = needed else {
            return Ok(());
        };
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
            .await?;
        self.detect_moves().await
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
}
