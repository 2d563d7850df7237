//! A dataplane in the hands of a test: frames without links, time that did not pass, a new begin.

#[cfg(test)]
use xvs_datapath::native::{Sizes, Tables, World};
use xvs_datapath::{abi::low32, native::Routes};
use xvs_types::{Effect, Op, Timeouts};

use super::{Bpf, OpenError};
#[cfg(test)]
use crate::testing::Clock;
use crate::{Atomicity, Attachment, ConnectionFilter, Dataplane, Hook, testing::Ran};

impl Bpf {
    /// Runs the programs of a hook on a frame that came in by a link, without attaching them.
    ///
    /// # Errors
    ///
    /// When the kernel cannot.
    pub fn run(&mut self, hook: Hook, ifindex: u32, frame: &[u8]) -> Result<Ran, OpenError> {
        self.machine.run(hook, ifindex, 0, frame)
    }

    /// As [`Bpf::run`] at tcx, with a packet that the firewall gave this mark.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn run_marked(&mut self, ifindex: u32, mark: u32, frame: &[u8]) -> Result<Ran, OpenError> {
        self.machine.run(Hook::Tcx, ifindex, mark, frame)
    }

    /// Runs the program for what the host sends on a frame that leaves by a link.
    ///
    /// # Errors
    ///
    /// When the kernel cannot.
    pub fn leave(&mut self, ifindex: u32, frame: &[u8]) -> Result<Ran, OpenError> {
        self.machine.leave(ifindex, frame)
    }

    /// Makes known whose frames the links take, without attaching to them.
    pub fn know_links(&mut self, links: &[Attachment]) {
        self.machine.know_links(links);
    }

    /// Makes `routes` what the kernel answers programs of this process; in the kernel, it reads its
    /// own.
    pub fn set_routes(&mut self, routes: Routes) {
        self.machine.set_routes(routes);
    }

    /// Makes every connection older by so many milliseconds.
    pub fn age(&mut self, milliseconds: u64) {
        let jiffies = low32(milliseconds * u64::from(self.hz) / 1000);
        self.table4.age(jiffies);
        self.table6.age(jiffies);
    }

    /// Forgets rules, connections and settings. Slots go when no program can still read them.
    pub fn reset(&mut self) {
        let timeouts = Timeouts::default();
        let settings: Vec<Op> = self
            .rules
            .settings()
            .changed()
            .filter_map(|(setting, _value)| match setting.effect() {
                Effect::InForce { default, .. } => Some(Op::SetSetting {
                    setting,
                    value: default,
                }),
                Effect::Later { .. } | Effect::Never { .. } => None,
            })
            .collect();
        let ops = [vec![Op::Flush, Op::SetTimeouts { timeouts }], settings].concat();
        for result in self.apply(&ops, Atomicity::OneByOne) {
            if let Err(error) = result {
                tracing::error!(%error, "something of the last test stays");
            }
        }
        self.kill(&ConnectionFilter::default());
        self.housekeep();
        self.servers.forget_all_bygone();
    }
}

#[cfg(test)]
impl Bpf {
    /// A dataplane in this process with little room, and its maps.
    pub(super) fn small() -> (std::sync::Arc<Tables>, Self) {
        let sizes = Sizes {
            set_bits: 4,
            overflow: 16,
            virtual_servers: 8,
            real_servers: 16,
            blocks: 16,
            locals: 4,
            next_hops: 65_536,
        };
        let tables = std::sync::Arc::new(Tables::empty(World::SEED, &sizes));
        let clock = Clock::new(World::START);
        let bpf = Self::in_process(&tables, &clock, Routes::default());
        (tables, bpf.unwrap())
    }
}
