//! Several real directors at work at once, for a replay that mostly waits.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use crate::{Balancer, Live, Network, suite::Case};

/// How many directors wait at a place for another scenario of their network. The project's recordings
/// have four networks.
const WAITING: usize = 4;

/// A place where scenarios are replayed one after the other, on one director a network as long as it can
/// be emptied.
pub(crate) struct Bench {
    balancer: Balancer,
    /// Directors and their networks, the one used last at the end.
    lives: Vec<(Network, Live)>,
}

impl Bench {
    /// A place with this in the director.
    pub(crate) const fn new(balancer: Balancer) -> Self {
        Self {
            balancer,
            lives: Vec::new(),
        }
    }

    /// An empty director for a case.
    pub(crate) fn director(&mut self, case: &Case<'_>) -> Result<&mut Live, String> {
        let network = &case.network;
        let place = self.lives.iter().position(|(of, _)| of == network);
        let used = place.map(|place| self.lives.remove(place));
        // One that is not used again ends before the next begins.
        let emptied = used.and_then(|(_, mut live)| live.empty().then_some(live));
        if self.lives.len() == WAITING {
            self.lives.remove(0);
        }
        let mut live = match emptied {
            Some(kept) => kept,
            None => Live::start(network, self.balancer)?,
        };
        live.open(case.recording.local_sockets())?;
        self.lives.push((network.clone(), live));
        let last = self.lives.last_mut();
        last.map(|(_, live)| live)
            .ok_or_else(|| "no director".to_owned())
    }
}

/// Gives every case to one of so many workers, each with what `equip` makes; stops at the first error,
/// and takes no other case after `end`.
///
/// # Errors
///
/// The first of `work`.
pub(crate) fn each<W>(
    cases: &[Case<'_>],
    (workers, end): (usize, Option<Instant>),
    equip: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &Case<'_>) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let worker = || {
        let mut equipment = equip();
        let in_time = || end.is_none_or(|end| Instant::now() < end);
        while in_time()
            && let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed))
        {
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
