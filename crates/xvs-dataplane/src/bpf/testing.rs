//! A dataplane in the hands of a test: frames without links, time that did not pass, a new begin.

use xvs_datapath::{
    abi::{Settings, low32},
    native::Routes,
};
use xvs_types::Op;

use super::{Bpf, OpenError};
use crate::{Atomicity, Attachment, ConnectionFilter, Dataplane, Hook, testing::Ran};

impl Bpf {
    /// Runs the programs of a hook on a frame that came in by a link, without attaching them.
    ///
    /// # Errors
    ///
    /// When the kernel cannot.
    pub fn run(&mut self, hook: Hook, ifindex: u32, frame: &[u8]) -> Result<Ran, OpenError> {
        self.machine.run(hook, ifindex, frame)
    }

    /// Makes known whose frames the links take, without attaching to them.
    pub fn know_links(&mut self, links: &[Attachment]) {
        self.machine.know_links(links);
    }

    /// Changes what the programs read of settings.
    pub fn edit_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        if let Some(mut settings) = self.settings.read(0) {
            change(&mut settings);
            self.settings.write(0, settings);
        }
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

    /// Forgets rules, connections and settings. Slots and what lblc and lblcr remember of them go when
    /// no program can still read them.
    pub fn reset(&mut self) {
        for result in self.apply(&[Op::Flush], Atomicity::OneByOne) {
            if let Err(error) = result {
                tracing::error!(%error, "the rules of the last test stay");
            }
        }
        self.kill(&ConnectionFilter::default());
        let hz = self.hz;
        self.edit_settings(|settings| {
            settings.flags = 0;
            settings.reuse_mode = 1;
            super::default_timeouts(settings, hz);
        });
        let timeouts = xvs_types::Timeouts::default();
        self.apply(&[Op::SetTimeouts { timeouts }], Atomicity::OneByOne);
        self.housekeep();
        self.machine.forget_localities();
    }
}
