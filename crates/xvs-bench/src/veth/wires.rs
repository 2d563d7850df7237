//! The links of the measurement: where frames go in, where they end, and programs on them.

use std::{thread, time::Duration};

use anyhow::{Context, bail};
use aya::programs::{LinkOrder, Program, TcAttachType, XdpMode, tc::TcAttachOptions};
use xvs_dataplane::Hook;

use super::FAMILY;
use crate::{
    director::{CLIENTS, NEIGHBOUR, SERVERS},
    kernel,
    program::{frame::Plan, tester::Tester},
};

/// The far ends.
const CLIENT: &str = "client";
const SERVER: &str = "server";

/// The links, and the object whose programs stand on them.
pub(crate) struct Wires {
    tester: Tester,
    client: u32,
    clients: (u32, [u8; 6]),
    servers: u32,
}

impl Wires {
    /// Makes the links of this network namespace ready: routes to the real servers, and frames that come
    /// by live frames are taken.
    pub(crate) fn new(tester: Tester) -> anyhow::Result<Self> {
        let (own, gateway) = (FAMILY.director(), FAMILY.gateway());
        kernel::ip(&format!("addr add {own}/24 dev {SERVERS}"))?;
        kernel::ip(&format!(
            "neigh replace {gateway} lladdr {} dev {SERVERS} nud permanent",
            NEIGHBOUR.map(|byte| format!("{byte:02x}")).join(":")
        ))?;
        kernel::ip(&format!(
            "route add 10.128.0.0/16 via {gateway} dev {SERVERS}"
        ))?;
        let wires = Self {
            client: kernel::link(CLIENT)?.0,
            clients: kernel::link(CLIENTS)?,
            servers: kernel::link(SERVERS)?.0,
            tester,
        };
        // A veth takes redirected frames only where it polls: with GRO, or a program at XDP.
        kernel::command("ethtool", &format!("-K {CLIENTS} gro on"))?;
        Ok(wires)
    }

    /// The link that the generator sends to.
    pub(crate) fn client(&self) -> u32 {
        self.client
    }

    /// Index and address of the director's link to the clients.
    pub(crate) fn clients(&self) -> (u32, [u8; 6]) {
        self.clients
    }

    /// Puts the sink of a hook at the servers' end.
    pub(crate) fn sink(&mut self, hook: Hook) -> anyhow::Result<On> {
        let name = if hook == Hook::Tcx {
            "sink_tcx"
        } else {
            "sink_xdp"
        };
        self.put(name, SERVER)
    }

    /// Puts the sink of XDP at the clients' end.
    pub(crate) fn sink_of_client(&mut self) -> anyhow::Result<On> {
        self.put("sink_xdp", CLIENT)
    }

    /// Puts a program at the director's ingress.
    pub(crate) fn at_ingress(&mut self, name: &'static str) -> anyhow::Result<On> {
        self.put(name, CLIENTS)
    }

    fn put(&mut self, name: &'static str, link: &str) -> anyhow::Result<On> {
        let program = self.tester.object().program_mut(name);
        let attached = match program.with_context(|| format!("no program `{name}`"))? {
            Program::Xdp(program) => {
                let (ifindex, _) = kernel::link(link)?;
                let id = program.attach_to_if_index(ifindex, XdpMode::Driver);
                let id = id.with_context(|| format!("attach `{name}` to `{link}`"))?;
                On::Xdp(program.take_link(id)?)
            }
            Program::SchedClassifier(program) => {
                let options = TcAttachOptions::TcxOrder(LinkOrder::first());
                let id = program.attach_with_options(link, TcAttachType::Ingress, options);
                let id = id.with_context(|| format!("attach `{name}` to `{link}`"))?;
                On::Tcx(program.take_link(id)?)
            }
            _ => bail!("`{name}` is for no link"),
        };
        Ok(attached)
    }

    /// Sends frames; answers what each took, and sees that they arrived where they must.
    pub(crate) fn send(
        &mut self,
        plan: &mut Plan,
        frames: u32,
        arrive: bool,
    ) -> anyhow::Result<f64> {
        let before = self.tester.arrived()?;
        *plan = plan.through(self.servers);
        let nanoseconds = self.tester.send(plan, frames)?;
        if arrive {
            let mut arrived = 0;
            // The rest may still be polled for by a thread of the kernel.
            for _ in 0..50 {
                arrived = self.tester.arrived()? - before;
                if arrived >= u64::from(frames) {
                    break;
                }
                thread::sleep(Duration::from_millis(2));
            }
            super::all_arrived("the sink", arrived, frames)?;
        }
        Ok(f64::from(nanoseconds))
    }
}

/// A program that stands on a link until this is dropped.
#[expect(dead_code, reason = "held for what dropping it does")]
pub(crate) enum On {
    Tcx(aya::programs::tc::SchedClassifierLink),
    Xdp(aya::programs::xdp::XdpLink),
}
