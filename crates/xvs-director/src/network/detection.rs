//! Settings with which the kernel notices within seconds that a neighbour moved.
//!
//! The kernel keeps the neighbours of the datapath resolved, also while no daemon runs, but with its
//! defaults it looks for one that moved without a word only after a minute. What the settings are is
//! `xvs-net`'s; here each is written down before it is changed, and given back at a clean stop.

use tracing::warn;
use xvs_net::{Restored, SysctlRecord, quick_detection};
use xvs_types::Family;

use super::feed::Feed;
use crate::worker::Ended;

impl Feed {
    /// Sets what is not set yet, for every link and family with a neighbour of the datapath.
    pub(super) async fn detect_moves(&mut self) -> Result<(), Ended> {
        let places: Vec<(Family, String)> = self
            .neighbours
            .keys()
            .filter_map(|key| {
                let link = self.view.link(key.ifindex)?;
                Some((Family::of(key.address), link.name.clone()))
            })
            .collect();
        for (family, link) in places {
            if !self.detecting.insert((family, link.clone())) {
                continue;
            }
            for (sysctl, value) in quick_detection(family, &link).unwrap_or_default() {
                let before = match sysctl.value() {
                    Ok(before) => before,
                    Err(error) => {
                        // Without IPv6, or in a container that shows no such setting.
                        warn!(%error, "a moved neighbour is noticed later");
                        continue;
                    }
                };
                let after = value.to_string();
                if before == after {
                    continue;
                }
                let record = SysctlRecord {
                    sysctl: sysctl.clone(),
                    before,
                    after,
                };
                let written = self
                    .worker
                    .call(move |keeper| {
                        keeper.change_settings(|state| state.changed_settings.push(record))
                    })
                    .await?;
                // What cannot be written down is not changed, for nobody would give it back.
                let set = written.map_err(|error| error.to_string()).and_then(|()| {
                    let set = sysctl.set(value);
                    set.map_err(|error| error.to_string())
                });
                if let Err(error) = set {
                    warn!(%error, "a moved neighbour is noticed later");
                }
            }
        }
        Ok(())
    }

    /// Gives every setting back that nobody else set since.
    pub(super) async fn restore_settings(&mut self) -> Result<(), Ended> {
        let records = self
            .worker
            .call(|keeper| keeper.state().changed_settings.clone())
            .await?;
        let mut left = Vec::new();
        // The last change first: one setting may have been changed twice.
        for record in records.into_iter().rev() {
            match record.restore() {
                Ok(Restored::Back | Restored::Gone) => {}
                Ok(kept) => warn!(setting = %record.sysctl, ?kept, "a setting is not given back"),
                Err(error) => {
                    warn!(%error, "a setting is not given back");
                    left.push(record);
                }
            }
        }
        left.reverse();
        let written = self
            .worker
            .call(move |keeper| keeper.change_settings(|state| state.changed_settings = left))
            .await?;
        if let Err(error) = written {
            warn!(%error, "settings that were given back stay in the file");
        }
        Ok(())
    }
}
