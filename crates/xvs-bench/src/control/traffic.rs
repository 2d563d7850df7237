//! Packets through the daemon's datapath while its rules change: a generator with live frames on a thread
//! of its own, and a sink behind the director.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use anyhow::{Context, anyhow};
use xvs_dataplane::Hook;

use crate::{
    director::{Family, NEIGHBOUR, PORT, SERVERS},
    kernel,
    program::{
        frame::{ACK, Order, SYN, Segment, WHOLE},
        tester::Tester,
    },
    veth::Wires,
};

/// Connections that the packets are of.
const FLOWS: u32 = 1024;
/// Packets of a turn.
const TURN: u32 = 1 << 14;

/// The generator; it has the host made ready, and sends when it is told to.
pub(super) struct Traffic {
    go: Sender<()>,
    ready: Receiver<()>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<f64>>>,
}

impl Traffic {
    /// Makes this network namespace ready, `vip` its address and the network `real_servers` behind its
    /// second link, for packets to the virtual server at `vip`.
    pub(super) fn new(vip: [u8; 4], real_servers: &'static str) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (go, told) = mpsc::channel();
        let (done, ready) = mpsc::channel();
        // Threads begin where they were made: in this network namespace, on one processor.
        let thread = thread::spawn(move || {
            kernel::unpin()?;
            let mut wires = Wires::new(Tester::load()?)?;
            let (gateway, [a, b, c, d]) = (Family::V4.gateway(), vip);
            kernel::ip(&format!(
                "route add {real_servers} via {gateway} dev {SERVERS}"
            ))?;
            kernel::ip(&format!("addr add {a}.{b}.{c}.{d}/32 dev lo"))?;
            let _sink = wires.sink(Hook::Tcx)?;
            done.send(())?;
            if told.recv().is_err() {
                return Ok(0.0);
            }
            let segment = |flags| Segment {
                macs: [wires.clients().1, NEIGHBOUR],
                source: (Family::V4.client(), 0),
                destination: (vip.into(), PORT),
                flags,
                fragment: WHOLE,
            };
            let to = wires.client();
            let mut opening = segment(SYN).plan(FLOWS, Order::InOrder).to_link(to);
            let mut plan = segment(ACK).plan(FLOWS, Order::InOrder).to_link(to);
            wires.send(&mut opening, FLOWS, true)?;
            done.send(())?;
            let (begun, mut sent) = (Instant::now(), 0.0);
            while !stopped.load(Ordering::Relaxed) {
                wires.send(&mut plan, TURN, true)?;
                sent += f64::from(TURN);
            }
            Ok(sent / begun.elapsed().as_secs_f64())
        });
        let traffic = Self {
            go,
            ready,
            stop,
            thread: Some(thread),
        };
        traffic.wait()
    }

    /// Begins to send.
    pub(super) fn begin(self) -> anyhow::Result<Self> {
        self.go.send(()).context("start the generator")?;
        self.wait()
    }

    /// Ends it; answers the packets a second, pauses included, of which no more than one in fifty was lost.
    pub(super) fn end(mut self) -> anyhow::Result<f64> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("a generator that runs")?;
        thread
            .join()
            .map_err(|_panic| anyhow!("the generator panicked"))?
            .context("send packets beside the daemon's work")
    }

    /// Waits for its next step, or says why it ended.
    fn wait(self) -> anyhow::Result<Self> {
        if self.ready.recv().is_err() {
            self.end()?;
            return Err(anyhow!("the generator ended early"));
        }
        Ok(self)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
