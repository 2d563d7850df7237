//! The addresses of this host, for `ha_suspend`.
//!
//! They are followed only when a virtual server asks for it: most configurations do not.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use tokio::sync::watch;
use tracing::warn;
use xvs_net::{Host, HostError, WatchError, Watcher};

/// How long it takes until a failed watch is opened anew.
const REOPEN: Duration = Duration::from_secs(1);

/// The addresses, as they change. They are followed until the receiver is dropped.
pub(crate) fn follow() -> watch::Receiver<BTreeSet<IpAddr>> {
    let (sender, receiver) = watch::channel(BTreeSet::new());
    tokio::spawn(async move {
        while !sender.is_closed() {
            if let Err(error) = report(&sender).await {
                warn!(%error, "the host's addresses are followed anew");
            }
            tokio::time::sleep(REOPEN).await;
        }
    });
    receiver
}

/// The addresses as they are now.
pub(crate) async fn now() -> Result<BTreeSet<IpAddr>, HostError> {
    let host = Host::open()?;
    read(&host).await
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Watch(#[from] WatchError),
}

async fn report(sender: &watch::Sender<BTreeSet<IpAddr>>) -> Result<(), FollowError> {
    let mut watcher = Watcher::open()?;
    let host = Host::open()?;
    loop {
        let addresses = read(&host).await?;
        sender.send_if_modified(|known| {
            let changed = *known != addresses;
            *known = addresses;
            changed
        });
        tokio::select! {
            changes = watcher.next() => {
                changes?;
            }
            () = sender.closed() => return Ok(()),
        }
    }
}

async fn read(host: &Host) -> Result<BTreeSet<IpAddr>, HostError> {
    let addresses = host.addresses().await?;
    Ok(addresses.into_iter().map(|one| one.address).collect())
}
