//! Traffic on another processor, at full rate, while this one measures.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
};

use anyhow::{Context, anyhow, ensure};
use xvs_dataplane::Hook;

use super::attack::AT_ONCE;
use crate::{
    kernel,
    program::{
        frame::Plan,
        tester::{Target, Tester},
    },
};

/// What is to be sent, and how: the plans in turn, to this program.
pub(super) struct Traffic {
    /// The program; none for one that lets every frame pass at once.
    pub(super) target: Option<Target>,
    /// The plans.
    pub(super) plans: Vec<Plan>,
}

/// The other processor.
pub(super) struct Beside {
    orders: Sender<Option<Traffic>>,
    /// How many orders have come into force.
    followed: Arc<AtomicUsize>,
    given: usize,
    /// Nanoseconds of a packet in each run since the last order.
    costs: Arc<Mutex<Vec<f64>>>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Beside {
    /// Takes another processor than this thread's; `None` where there is no other.
    pub(super) fn start(ifindex: u32) -> anyhow::Result<Option<Self>> {
        let Some(cpu) = another()? else {
            return Ok(None);
        };
        let (orders, taken) = mpsc::channel();
        let followed = Arc::new(AtomicUsize::new(0));
        let costs = Arc::new(Mutex::new(Vec::new()));
        let (done, spent) = (Arc::clone(&followed), Arc::clone(&costs));
        let thread = std::thread::spawn(move || {
            kernel::pin_to(cpu)?;
            obey(&taken, ifindex, &done, &spent)
        });
        Ok(Some(Self {
            orders,
            followed,
            given: 0,
            costs,
            thread,
        }))
    }

    /// Sends this from now on, until something else is asked for.
    pub(super) fn send(&mut self, traffic: Traffic) -> anyhow::Result<()> {
        self.given += 1;
        let lost = self.orders.send(Some(traffic)).is_err();
        while !lost && self.followed.load(Ordering::Acquire) < self.given {
            ensure!(!self.thread.is_finished(), "the other processor stopped");
            std::thread::yield_now();
        }
        ensure!(!lost, "the other processor stopped");
        Ok(())
    }

    /// Nanoseconds of a packet since the traffic was asked for, of each run.
    pub(super) fn costs(&self) -> Vec<f64> {
        let costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        costs.clone()
    }

    /// Ends it.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        // Where nobody takes it the thread has ended, and says why.
        let _ = self.orders.send(None);
        self.thread
            .join()
            .map_err(|_panic| anyhow!("the other processor panicked"))?
            .context("traffic on the other processor")
    }
}

fn obey(
    orders: &Receiver<Option<Traffic>>,
    ifindex: u32,
    followed: &AtomicUsize,
    costs: &Mutex<Vec<f64>>,
) -> anyhow::Result<()> {
    let mut tester = Tester::load()?;
    let floor = tester.target("floor_tcx_return")?;
    let mut order = orders.recv().ok().flatten();
    while let Some(Traffic { target, mut plans }) = order {
        let target = target.as_ref().unwrap_or(&floor);
        // The first run replaces the program behind the entry, which takes long.
        let mut warm = plans.first().copied().context("no plans")?;
        tester.run(Hook::Tcx, target, &mut warm, ifindex, 1)?;
        costs.lock().unwrap_or_else(PoisonError::into_inner).clear();
        followed.fetch_add(1, Ordering::Release);
        let mut next = orders.try_recv();
        while matches!(next, Err(mpsc::TryRecvError::Empty)) {
            for plan in &mut plans {
                let run = tester.run(Hook::Tcx, target, plan, ifindex, AT_ONCE)?;
                costs
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(f64::from(run.nanoseconds));
            }
            next = orders.try_recv();
        }
        order = next.ok().flatten();
    }
    Ok(())
}

/// A processor that this thread is not kept to.
fn another() -> anyhow::Result<Option<usize>> {
    // SAFETY: the calls have no preconditions.
    let (here, all) = unsafe {
        (
            libc::sched_getcpu(),
            libc::sysconf(libc::_SC_NPROCESSORS_ONLN),
        )
    };
    let here = usize::try_from(here)
        .map_err(|_negative| io::Error::last_os_error())
        .context("which processor this is")?;
    let all = usize::try_from(all).context("how many processors there are")?;
    Ok((0..all).find(|cpu| *cpu != here))
}
