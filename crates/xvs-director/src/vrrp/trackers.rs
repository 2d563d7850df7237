//! What virtual routers track beside interfaces: scripts, files and processes, a task each.
//!
//! A tracker that a reload leaves as it was goes on with what it knows. Interfaces are the holder's
//! (`holder/links.rs`), which follows them anyway.

mod file;
mod process;
mod script;

use std::collections::HashMap;

use tokio::task::{AbortHandle, spawn};
use xvs_conf::{
    Config,
    config::{TrackFile, TrackProcess, TrackScript},
};
use xvs_vrrp::{Name, TrackerStatus};

use super::{Routers, Tracker as Kind, elector::Inbox};

/// The trackers that run.
#[derive(Debug, Default)]
pub(super) struct Trackers {
    running: HashMap<Name, (What, AbortHandle)>,
}

/// What is tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    File(TrackFile),
    Process(TrackProcess),
    /// The flag is `enable_script_security`.
    Script(TrackScript, bool),
}

/// Where a tracker reports to.
#[derive(Clone, Debug)]
struct Teller {
    name: Name,
    elector: Inbox,
}

impl Teller {
    fn tell(&self, status: TrackerStatus) {
        let message = super::elector::Message::Tracker(self.name.clone(), status);
        // Without the thread there is nobody to tell; the task ends with the daemon.
        let _running = self.elector.send(message);
    }
}

impl Trackers {
    /// Starts what `config` tracks and ends what it does not.
    pub(super) fn follow(&mut self, config: &Config, routers: &Routers) {
        let secure = config.global.script_security;
        let scripts = config.scripts.iter().map(|script| {
            let what = What::Script(script.clone(), secure);
            (Kind::Script.named(&script.name), what)
        });
        let files = config
            .track_files
            .iter()
            .map(|file| (Kind::File.named(&file.name), What::File(file.clone())));
        let processes = config.track_processes.iter().map(|process| {
            let what = What::Process(process.clone());
            (Kind::Process.named(&process.name), what)
        });
        let wanted: HashMap<Name, What> = scripts.chain(files).chain(processes).collect();
        self.running.retain(|name, (what, task)| {
            let stays = wanted.get(name) == Some(what);
            if !stays {
                task.abort();
            }
            stays
        });
        for (name, what) in wanted {
            if self.running.contains_key(&name) {
                continue;
            }
            let teller = Teller {
                name: name.clone(),
                elector: routers.inbox(),
            };
            let task = match what.clone() {
                What::File(file) => spawn(file::follow(file, teller)),
                What::Process(process) => spawn(process::follow(process, teller)),
                What::Script(script, secure) => spawn(script::follow(script, secure, teller)),
            };
            self.running.insert(name, (what, task.abort_handle()));
        }
    }
}

impl Drop for Trackers {
    fn drop(&mut self) {
        for (_what, task) in self.running.values() {
            task.abort();
        }
    }
}
