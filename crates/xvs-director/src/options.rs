//! What a daemon is started with.

use std::{net::SocketAddr, path::PathBuf};

use xvs_control::{Instance, Token, WRITERS_GROUP, wire::HookChoice};
use xvs_types::Op;

use crate::{configuration::Source, manager::ServiceManager, sysctl::SYSCTL_FILE};

/// What is done once the daemon runs; see [`Options::started`].
pub type Started = Box<dyn FnOnce() + Send>;

/// The options of a daemon.
pub struct Options {
    /// Which instance it runs.
    pub instance: Instance,
    /// The network namespace that it enters, by its name under `/run/netns`.
    pub netns: Option<String>,
    /// Where on its links the datapath runs; none for what the last daemon was told.
    pub hook: Option<HookChoice>,
    /// The links that carry the datapath; none for what the last daemon was told.
    pub interfaces: Option<Vec<String>>,
    /// Leave the datapath forwarding after a clean stop.
    pub keep: bool,
    /// The configuration that it starts with, and that a reload reads again; none for none.
    pub configuration: Option<Source>,
    /// The virtual servers of the configuration stay when the daemon is told to end
    /// (`--dont-release-ipvs`).
    pub keep_virtual_servers: bool,
    /// Write what is in force into the log at the start (`--dump-conf`).
    pub dump_at_start: bool,
    /// Called once all is in force and the API answers: pid files, a parent that waits.
    pub started: Option<Started>,
    /// Ops to apply, one by one, when the rule base is empty.
    pub restore: Vec<Op>,
    /// The file of settings that is obeyed at the start; default [`SYSCTL_FILE`].
    pub sysctl: PathBuf,
    /// Give up privileges once the dataplane is open; with a configuration the operator's programs keep
    /// theirs. Tests that run as a part of a larger process leave it off.
    pub drop_privileges: bool,
    /// The group whose members may write, beside root.
    pub writers_group: String,
    /// Where the API is served on TCP too; default nowhere.
    pub listen: Option<SocketAddr>,
    /// Who sends this may write on TCP; none when nobody may.
    pub token: Option<Token>,
    /// Who started the daemon, and perhaps listens for it.
    pub manager: ServiceManager,
}

impl Options {
    /// The defaults for `instance`.
    #[must_use]
    pub fn new(instance: Instance) -> Self {
        Self {
            instance,
            netns: None,
            hook: None,
            interfaces: None,
            keep: false,
            configuration: None,
            keep_virtual_servers: false,
            dump_at_start: false,
            started: None,
            restore: Vec::new(),
            sysctl: PathBuf::from(SYSCTL_FILE),
            drop_privileges: true,
            writers_group: WRITERS_GROUP.to_owned(),
            listen: None,
            token: None,
            manager: ServiceManager::default(),
        }
    }
}
