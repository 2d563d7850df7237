//! What virtual routers track beside interfaces: BFD sessions, scripts, files and
//! processes, a task each.
//!
//! A tracker that a reload leaves as it was goes on with what it knows. Interfaces are the holder's
//! (`holder/links.rs`), which follows them anyway.

mod bfd;
mod file;
mod process;
mod script;

use std::collections::HashMap;

use tokio::{
    sync::watch,
    task::{AbortHandle, spawn},
};
use xvs_conf::{
    Config,
    config::{TrackFile, TrackProcess, TrackScript},
};
use xvs_vrrp::{Name, TrackerStatus};

use super::{Routers, Tracker as Kind, elector::Inbox};
use crate::bfd::SessionStates;

/// The trackers that run.
#[derive(Debug)]
pub(super) struct Trackers {
    /// How BFD sessions are.
    sessions: watch::Receiver<SessionStates>,
    running: HashMap<Name, (What, AbortHandle)>,
}

/// What is tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// A BFD session, by its name.
    Bfd(String),
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
    /// None yet; BFD sessions are followed by `sessions`.
    pub(super) fn new(sessions: watch::Receiver<SessionStates>) -> Self {
        Self {
            sessions,
            running: HashMap::new(),
        }
    }

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
        let sessions = config.bfd_instances.iter().map(|session| {
            let what = What::Bfd(session.name.clone());
            (Kind::Bfd.named(&session.name), what)
        });
        let programs = scripts.chain(files).chain(processes);
        let wanted: HashMap<Name, What> = programs.chain(sessions).collect();
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
                What::Bfd(session) => spawn(bfd::follow(session, self.sessions.clone(), teller)),
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
