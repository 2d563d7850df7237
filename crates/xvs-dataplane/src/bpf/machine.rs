//! What runs the programs: the kernel, or in tests this process.

use std::{collections::HashMap as StdMap, path::Path};

use aya::Ebpf;
use xvs_datapath::abi::{Counter, Settings};

use super::{OpenError, attach::Links, clock, memory::Mapped, pins::Pins, stages::Generation};
use crate::{Attachment, AttachmentStatus};

/// What runs the programs and tells the time.
pub(super) trait Machine: Send {
    /// Writes jiffies into the settings; with `beat` it is a sign of life too.
    fn tick(&mut self, beat: bool) -> Result<(), OpenError>;

    /// Jiffies a second.
    fn rate(&mut self, settings: &Mapped<Settings>) -> Result<u32, OpenError>;

    /// Makes `wanted` the links that carry the programs. Answers what could not be, a line each.
    fn attach(&mut self, wanted: &[Attachment]) -> Vec<String>;

    /// What carries the programs.
    fn attachments(&self) -> Vec<AttachmentStatus>;

    /// The counters, summed over CPUs, by their indexes.
    fn counts(&self) -> StdMap<u32, u64>;

    /// Detaches everything and removes the pins. Answers what could not be undone, a line each.
    fn remove(&mut self) -> Vec<String>;

    /// Makes these the routes of programs in this process.
    #[cfg(feature = "testing")]
    fn set_routes(&mut self, routes: xvs_datapath::native::Routes) {
        let _unused = routes;
    }

    /// Makes known whose frames these links take, without attaching to them.
    #[cfg(feature = "testing")]
    fn know_links(&mut self, links: &[Attachment]);

    /// Forgets what the programs remember of fragments for a while.
    fn forget_fragments(&mut self);

    /// Runs the programs of a hook on a frame that came in by a link; at tcx with a firewall mark.
    #[cfg(feature = "testing")]
    fn run(
        &mut self,
        hook: crate::Hook,
        ifindex: u32,
        mark: u32,
        frame: &[u8],
    ) -> Result<crate::testing::Ran, OpenError>;

    /// Runs the program for what the host sends on a frame that leaves by a link.
    #[cfg(feature = "testing")]
    fn leave(&mut self, ifindex: u32, frame: &[u8]) -> Result<crate::testing::Ran, OpenError>;
}

/// The kernel.
pub(super) struct Kernel {
    object: Ebpf,
    pins: Pins,
    links: Links,
    generation: Generation,
    /// Whether links may still have entries of a daemon before.
    has_elders: bool,
}

impl Kernel {
    /// The kernel with the programs of `object`; what carries those of a daemon before carries them.
    pub(super) fn new(
        mut object: Ebpf,
        generation: Generation,
        pins: Pins,
        mut links: Links,
    ) -> Self {
        for failure in links.adopt(&mut object, &pins) {
            tracing::warn!("{failure}");
        }
        Self {
            object,
            pins,
            links,
            generation,
            has_elders: true,
        }
    }

    /// Gives up what the entries of a daemon before need, once no link has them. Filters of clsact are
    /// replaced as the links are attached, and stay where that fails.
    fn outlive_elders(&mut self) {
        match self.generation.outlive(&self.pins) {
            Ok(()) => self.has_elders = false,
            Err(error) => {
                tracing::warn!(%error, "programs of the daemon before stay in memory");
            }
        }
    }
}

impl Machine for Kernel {
    fn tick(&mut self, beat: bool) -> Result<(), OpenError> {
        clock::tick(&mut self.object, beat)
    }

    fn rate(&mut self, settings: &Mapped<Settings>) -> Result<u32, OpenError> {
        clock::calibrate(&mut self.object, settings)
    }

    fn attach(&mut self, wanted: &[Attachment]) -> Vec<String> {
        let failures = self.links.set(&mut self.object, &self.pins, wanted);
        if self.has_elders && failures.is_empty() {
            self.outlive_elders();
        }
        failures
    }

    fn attachments(&self) -> Vec<AttachmentStatus> {
        self.links.status()
    }

    fn counts(&self) -> StdMap<u32, u64> {
        let Some(map) = self.object.map("COUNTERS") else {
            return StdMap::new();
        };
        let Ok(counters) = aya::maps::PerCpuArray::<_, u64>::try_from(map) else {
            return StdMap::new();
        };
        Counter::ALL
            .iter()
            .filter_map(|(counter, _name)| {
                let values = counters.get(&counter.index(), 0).ok()?;
                Some((counter.index(), values.iter().sum()))
            })
            .collect()
    }

    fn remove(&mut self) -> Vec<String> {
        self.links.clear(&self.pins);
        match self.pins.remove() {
            Ok(()) => Vec::new(),
            Err(error) => vec![format!(
                "cannot remove the pins under `{}`: {error}",
                Path::display(self.pins.mount())
            )],
        }
    }

    #[cfg(feature = "testing")]
    fn know_links(&mut self, links: &[Attachment]) {
        for link in links {
            self.links.set_macs(link);
        }
    }

    fn forget_fragments(&mut self) {
        super::fragments::forget(&mut self.object);
    }

    #[cfg(feature = "testing")]
    fn run(
        &mut self,
        hook: crate::Hook,
        ifindex: u32,
        mark: u32,
        frame: &[u8],
    ) -> Result<crate::testing::Ran, OpenError> {
        super::test_run::run(&mut self.object, hook, ifindex, mark, frame)
    }

    #[cfg(feature = "testing")]
    fn leave(&mut self, ifindex: u32, frame: &[u8]) -> Result<crate::testing::Ran, OpenError> {
        super::test_run::leave(&mut self.object, ifindex, frame)
    }
}
