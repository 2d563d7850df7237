//! The configuration of the daemon: the file it comes from, what is in force, who lives by it.
//!
//! ```text
//!   file --load--> Loaded --+--> in force (watch) --> VRRP and whoever else follows
//!                           +--> checks: virtual servers and their checks
//! ```
//!
//! A file is read and judged as a whole before anything of it counts. What is in force changes in one
//! place ([`InForce::replace`]); its followers see the latest and never half of one.

mod control;
mod host;
#[cfg(test)]
mod keywords;
mod load;
mod unmet;

use std::sync::Arc;

use tokio::sync::watch;
use xvs_conf::Config;

pub(crate) use self::control::Control;
pub use self::{
    host::{Disk, ThisHost},
    load::{LoadError, Loaded, Parts, Source, counted},
};

/// The configuration in force; none while the daemon has no file. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct InForce {
    current: watch::Sender<Option<Arc<Loaded>>>,
}

impl InForce {
    /// With what the daemon starts with.
    #[must_use]
    pub fn new(loaded: Option<Arc<Loaded>>) -> Self {
        Self {
            current: watch::Sender::new(loaded),
        }
    }

    /// Puts `loaded` into force, or with none takes the one in force away; answers the one before.
    pub fn replace(&self, loaded: Option<Arc<Loaded>>) -> Option<Arc<Loaded>> {
        self.current.send_replace(loaded)
    }

    /// What is in force, with its file.
    #[must_use]
    pub fn loaded(&self) -> Option<Arc<Loaded>> {
        self.current.borrow().clone()
    }

    /// What is in force.
    #[must_use]
    pub fn config(&self) -> Option<Arc<Config>> {
        let current = self.current.borrow();
        current.as_ref().map(|loaded| Arc::clone(&loaded.config))
    }

    /// Tells each change from now on; `borrow` shows what is in force now.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Option<Arc<Loaded>>> {
        self.current.subscribe()
    }
}
