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
            configuration: path,
            running: None,
        })
    }

    /// Another daemon from the next start on; the present one is stopped.
    pub(super) fn change(&mut self, keepalived: bool) -> Result<(), LabError> {
        self.stop()?;
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
            command.arg("-p").arg(folder.join("keepalived.pid"));
            command.arg("-r").arg(folder.join("vrrp.pid"));
            self.host.spawn(&mut command, "keepalived.log")?
        } else {
            Xvs::new(&format!("{LAB}-{}", self.place.name))?
                .with_configuration(&self.configuration)
                .start(topology, &self.host, hook)?
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
