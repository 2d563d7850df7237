//! Settings of the host that the datapath needs: each is written down before it is changed, and given
//! back when it is not needed any more, at the latest at a clean stop.

use tracing::warn;
use xvs_net::{Restored, Sysctl, SysctlRecord};

use super::feed::Feed;
use crate::worker::Ended;

impl Feed {
    /// Sets a setting that has another value; `otherwise` says what is not so good where that fails.
    pub(super) async fn change_setting(
        &mut self,
        sysctl: Sysctl,
        value: i64,
        otherwise: &str,
    ) -> Result<(), Ended> {
        let before = match sysctl.value() {
            Ok(before) => before,
            Err(error) => {
                // Without IPv6, or in a container that shows no such setting.
                warn!(%error, "{otherwise}");
                return Ok(());
            }
        };
        let after = value.to_string();
        if before == after {
            return Ok(());
        }
        let record = SysctlRecord {
            sysctl: sysctl.clone(),
            before,
            after,
        };
        let written = self
            .worker
            .call(move |keeper| keeper.change_settings(|state| state.changed_settings.push(record)))
            .await?;
        // What cannot be written down is not changed, for nobody would give it back.
        let set = written.map_err(|error| error.to_string()).and_then(|()| {
            let set = sysctl.set(value);
            set.map_err(|error| error.to_string())
        });
        if let Err(error) = set {
            warn!(%error, "{otherwise}");
        }
        Ok(())
    }

    /// Gives every setting back that nobody else set since.
    pub(super) async fn restore_settings(&mut self) -> Result<(), Ended> {
        self.restore_where(|_sysctl| true).await
    }

    /// Gives one setting back, unless somebody else set it since.
    pub(super) async fn restore_setting(&mut self, one: &Sysctl) -> Result<(), Ended> {
        self.restore_where(|sysctl| sysctl == one).await
    }

    async fn restore_where(&mut self, chosen: impl Fn(&Sysctl) -> bool) -> Result<(), Ended> {
        let records = self
            .worker
            .call(|keeper| keeper.state().changed_settings.clone())
            .await?;
        if !records.iter().any(|record| chosen(&record.sysctl)) {
            return Ok(());
        }
        let mut left = Vec::new();
        // The last change first: one setting may have been changed twice.
        for record in records.into_iter().rev() {
            if !chosen(&record.sysctl) {
                left.push(record);
                continue;
            }
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
