//! A director of the pair and the daemon that runs on it.

use std::{
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{LAB, plan::Place};
use crate::{Host, LabError, Running, Topology, xvs::Xvs};

/// How long a killed daemon may take to be gone on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A director and what runs on it.
#[derive(Debug)]
pub(super) struct Director {
    pub(super) place: Place,
    pub(super) host: Host,
    keepalived: bool,
    /// xvs runs virtual routers and no datapath, as keepalived does here.
    vrrp_alone: bool,
    configuration: PathBuf,
    running: Option<Running>,
}

impl Director {
    /// One whose daemon, xvs or keepalived, will have this configuration.
    pub(super) fn new(
        place: &Place,
        host: Host,
        keepalived: bool,
        configuration: &str,
    ) -> Result<Self, LabError> {
        let path = host.folder().join("keepalived.conf");
        std::fs::write(&path, configuration).map_err(LabError::file("write", &path))?;
        Ok(Self {
            place: place.clone(),
            host,
            keepalived,
            vrrp_alone: false,
            configuration: path,
            running: None,
        })
    }

    /// From the next start on another daemon with virtual routers alone; the present one is stopped.
    pub(super) fn change(&mut self, keepalived: bool) -> Result<(), LabError> {
        self.stop()?;
        self.vrrp_alone = true;
        self.keepalived = keepalived;
        Ok(())
    }

    /// Starts the daemon; xvs answers then.
    pub(super) fn start(&mut self, topology: &Topology, hook: &str) -> Result<(), LabError> {
        let running = if self.keepalived {
            let folder = self.host.folder();
            let mut command = Command::new("keepalived");
            command
                .args(["-n", "-l", "-P", "-f"])
                .arg(&self.configuration);
            for (option, name) in [("-p", "keepalived.pid"), ("-r", "vrrp.pid")] {
                let path = folder.join(name);
                // keepalived takes a killed child that nobody has waited for for a running daemon.
                if path.exists() {
                    std::fs::remove_file(&path).map_err(LabError::file("remove", &path))?;
                }
                command.arg(option).arg(path);
            }
            self.host.spawn(&mut command, "keepalived.log")?
        } else {
            let xvs = Xvs::new(&format!("{LAB}-{}", self.place.name))?;
            let xvs = xvs.with_configuration(&self.configuration);
            let xvs = if self.vrrp_alone {
                xvs.without_datapath()
            } else {
                xvs
            };
            xvs.start(topology, &self.host, hook)?
        };
        self.running = Some(running);
        Ok(())
    }

    /// Ends the daemon in good order.
    pub(super) fn stop(&mut self) -> Result<(), LabError> {
        match self.running.take() {
            Some(running) => running.stop().map(drop),
            None => Ok(()),
        }
    }

    /// Kills the daemon with all its processes at once.
    pub(super) fn kill(&mut self) -> Result<(), LabError> {
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        // What it is started with is a process group of its own.
        killpg(Pid::from_raw(running.process().pid), Signal::SIGKILL)
            .map_err(LabError::system("kill the daemon"))?;
        // A process is gone, and its locks with it, when its last thread is.
        let deadline = Instant::now() + PATIENCE;
        while running.ended()?.is_none() {
            if Instant::now() > deadline {
                return Err(LabError::TimedOut {
                    what: "the end of a killed daemon".to_owned(),
                    limit: PATIENCE,
                    hint: String::new(),
                });
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}
