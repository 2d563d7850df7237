//! `no_accept` stays in force: what refuses packets to addresses is put back when somebody removes it,
//! as `nft flush ruleset` and the reload of many a firewall do.

use std::{net::IpAddr, time::Duration};

use tokio::time::{Instant, sleep_until};
use xvs_net::{RefuseError, Refused, RulesetWatcher};

/// How long removals are gathered: a firewall that is loaded anew makes many.
const GATHER: Duration = Duration::from_millis(20);
/// The least time between two looks, for each runs a program.
const PAUSE: Duration = Duration::from_secs(1);

/// The addresses that the host refuses, and the watch over them.
#[derive(Debug)]
pub(super) struct Refusal {
    table: Refused,
    addresses: Vec<IpAddr>,
    /// While there are addresses.
    watch: Option<RulesetWatcher>,
    /// When to look; none while nothing was removed.
    due: Option<Instant>,
    looked: Option<Instant>,
}

impl Refusal {
    /// Nothing is refused yet.
    pub(super) fn new(table: Refused) -> Self {
        Self {
            table,
            addresses: Vec::new(),
            watch: None,
            due: None,
            looked: None,
        }
    }

    /// What is refused.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Refuses packets to these addresses and no others.
    pub(super) async fn set(&mut self, addresses: Vec<IpAddr>) -> Result<(), RefuseError> {
        // The watch first, so that nothing is removed unseen.
        self.watch = match addresses.as_slice() {
            [] => None,
            _ => self.watch.take().or_else(open),
        };
        self.table.set(&addresses).await?;
        self.addresses = addresses;
        Ok(())
    }

    /// Waits until something was removed that may have been ours. Cancel safe.
    pub(super) async fn disturbed(&mut self) {
        loop {
            if let Some(due) = self.due {
                sleep_until(due).await;
                self.due = None;
                self.looked = Some(Instant::now());
                return;
            }
            match &mut self.watch {
                None => std::future::pending().await,
                Some(watch) => {
                    if let Err(error) = watch.removal().await {
                        tracing::warn!(%error, "the watch over nftables begins anew");
                        self.watch = open();
                    }
                    let soon = Instant::now() + GATHER;
                    let earliest = self.looked.map(|looked| looked + PAUSE);
                    self.due = Some(earliest.map_or(soon, |earliest| earliest.max(soon)));
                }
            }
        }
    }

    /// Puts back what is not as it was made; answers whether anything was not.
    pub(super) async fn restore(&mut self) -> Result<bool, RefuseError> {
        if self.table.stands().await {
            return Ok(false);
        }
        self.table.set(&self.addresses).await?;
        Ok(true)
    }
}

/// Without a watch the table is made all the same; a host without nftables says so there.
fn open() -> Option<RulesetWatcher> {
    RulesetWatcher::open()
        .inspect_err(|error| tracing::warn!(%error, "`no_accept` is not put back if it is removed"))
        .ok()
}
