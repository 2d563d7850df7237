//! Local addresses of FULLNAT: written down, added, removed.

use tracing::info;
use xvs_dataplane::Prefix;
use xvs_net::AddressSpec;

use super::{addresses, feed::Feed, view::prefix};
use crate::{state::AddedAddress, worker::Ended};

impl Feed {
    /// Adds the local addresses that the rules need and removes those of ours that they need no more.
    pub(super) async fn follow_local_addresses(&mut self) -> Result<(), Ended> {
        let added = self
            .worker
            .call(|keeper| keeper.state().added_addresses.clone())
            .await?;
        self.keep_ports_of_the_host(&added).await?;
        let rules = self.footprint.with_local_addresses();
        let plan = addresses::plan(rules, &self.routes, &self.view, &added);
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

    async fn remove(&mut self, one: AddedAddress) -> Result<(), Ended> {
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

    /// Takes off their links what xvs added, and gives back the settings that it changed.
    pub(super) async fn undo(&mut self) -> Result<(), Ended> {
        let added = self
            .worker
            .call(|keeper| keeper.state().added_addresses.clone())
            .await?;
        for one in added {
            self.remove(one).await?;
        }
        if let Err(error) = self.host.bring_no_more().await
            && (self.brought.is_some() || self.view.brings)
        {
            self.note("marks", Some(error.to_string()));
        }
        self.restore_settings().await
    }
}
