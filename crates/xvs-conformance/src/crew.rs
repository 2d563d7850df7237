//! Several real directors at work at once, for a replay that mostly waits.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{Balancer, Live, Network, suite::Case};

/// A place where scenarios are replayed one after the other, on one director as long as it can be
/// emptied.
pub(crate) struct Bench {
    balancer: Balancer,
    /// A director, and its network.
    live: Option<(Network, Live)>,
}

impl Bench {
    /// A place with this in the director.
    pub(crate) const fn new(balancer: Balancer) -> Self {
        Self {
            balancer,
            live: None,
        }
    }

    /// An empty director for a case.
    pub(crate) fn director(&mut self, case: &Case<'_>) -> Result<&mut Live, String> {
        let network = &case.network;
        // One that is not used again ends before the next begins.
        let used = self.live.take().filter(|(of, _)| of == network);
        let emptied = used.and_then(|(of, mut live)| live.empty().then_some((of, live)));
        let (_, live) = match emptied {
            Some(kept) => self.live.insert(kept),
            None => {
                let live = Live::start(network, self.balancer)?;
                self.live.insert((network.clone(), live))
            }
        };
        live.open(case.recording.local_sockets())?;
        Ok(live)
    }
}

/// Gives every case to one of so many workers, each with what `equip` makes; stops at the first error.
///
/// # Errors
///
/// The first of `work`.
pub(crate) fn each<W>(
    cases: &[Case<'_>],
    workers: usize,
    equip: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &Case<'_>) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let worker = || {
        let mut equipment = equip();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(&mut equipment, case) {
                next.store(cases.len(), Ordering::Relaxed);
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(format!("{}: {error}", case.recording.id()));
            }
        }
    };
    // A panic of a worker goes on in this thread.
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), Err)
}
