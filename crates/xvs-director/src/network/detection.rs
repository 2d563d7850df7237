//! Settings with which the kernel notices within seconds that a neighbour moved.
//!
//! The kernel keeps the neighbours of the datapath resolved, also while no daemon runs, but with its
//! defaults it looks for one that moved without a word only after a minute. What the settings are is
//! `xvs-net`'s.

use xvs_net::quick_detection;
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
                self.change_setting(sysctl, value, "a moved neighbour is noticed later")
                    .await?;
            }
        }
        Ok(())
    }
}
