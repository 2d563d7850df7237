//! The ways to replay.

use std::path::PathBuf;

use xvs_dataplane::Hook;

use crate::{Balancer, Known, Offline, Suite, Tally, place};

/// How many directors a live replay has at once: it mostly waits.
pub(crate) const DIRECTORS: usize = 4;
/// How many at once where processors are emulated.
const BESIDE_KERNEL: usize = 2;
/// Of so few recordings there, the start of one more daemon takes longer than it saves.
const SAMPLE: usize = 40;

/// A way to replay: where the director is, and at which hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    place: Place,
    hook: Hook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Native,
    Programs,
    Live,
    Kernel,
}

/// Every way: in this process, through the loaded programs, live, beside the running kernel's IPVS; at
/// tcx and at XDP.
pub fn ways() -> impl Iterator<Item = Way> {
    let places = [Place::Native, Place::Programs, Place::Live, Place::Kernel];
    places
        .into_iter()
        .flat_map(|place| [Hook::Tcx, Hook::Xdp].map(|hook| Way { place, hook }))
}

impl Way {
    /// Its name, as `native tcx`.
    #[must_use]
    pub fn name(self) -> String {
        let place = match self.place {
            Place::Native => "native",
            Place::Programs => "programs",
            Place::Live => "live",
            Place::Kernel => "kernel",
        };
        format!("{place} {}", self.hook)
    }

    /// Whether it compares with recordings alone, and not with a kernel that must be there.
    #[must_use]
    pub fn is_by_recording(self) -> bool {
        self.place != Place::Kernel
    }

    /// Replays a suite.
    ///
    /// # Errors
    ///
    /// What keeps the director from being made.
    pub fn replay(self, suite: &Suite, known: &Known) -> Result<Tally, String> {
        match self.place {
            Place::Native => suite.native(known, self.hook),
            Place::Programs => {
                let pins = Pins::default();
                let mut programs = Offline::programs(&pins.path())?;
                suite.programs(known, self.hook, &mut programs)
            }
            Place::Kernel => {
                let many = suite.iter().count() > SAMPLE;
                let directors = if many { BESIDE_KERNEL } else { 1 };
                suite.beside_kernel(known, self.hook, directors)
            }
            Place::Live => suite.live(known, Balancer::Xvs(self.hook), DIRECTORS),
        }
    }
}

/// A place for pins that is given up at the end.
pub struct Pins(PathBuf);

impl Default for Pins {
    /// A place of this process.
    fn default() -> Self {
        Self::named("programs")
    }
}

impl Pins {
    /// A place of this process beside others, of another name each.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(place::folder().join(name))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.join("bpf")
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        place::clear(&self.0);
        // It goes with its last folder.
        let _in_use = self.0.parent().map(std::fs::remove_dir);
    }
}
