//! What exists because of a topology, written to disk before it is made.
//!
//! A maker that is killed leaves its ledger behind, and whoever reads it can undo everything. The
//! folder of a ledger, `/run/xvs-lab/NAME`, is also the lock on the name and holds the files of the
//! hosts (configuration, logs, web roots).

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::{
    errno::Errno,
    mount::{MntFlags, umount2},
    sys::{
        signal::Signal,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use crate::{
    LabError, ProcessId,
    host::{failure, output},
    namespace::{delete, processes},
};

/// Where ledgers are, unless `XVS_LAB_DIR` names another folder.
const FOLDER: &str = "/run/xvs-lab";
const FILE: &str = "ledger.json";
/// Locked by whoever settles the ledger.
const LOCK: &str = "settling";
/// How long a process may take to end before it is killed: the daemon removes its pins meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything that must be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// The name of the topology.
    pub(crate) name: String,
    /// Who made it.
    pub(crate) owner: ProcessId,
    /// Whether anybody may take it down once its owner is dead; false for what `--keep` leaves.
    pub(crate) swept: bool,
    /// Names of namespaces.
    pub(crate) namespaces: Vec<String>,
    /// Processes, in the order in which they were started; they are ended from the last to the first.
    pub(crate) processes: Vec<ProcessId>,
    /// The runtime folders of daemons.
    pub(crate) instances: Vec<PathBuf>,
    /// Commands that undo what outlives namespaces and processes; run from the last to the first.
    pub(crate) undo: Vec<Undo>,
}

/// A command that undoes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Undo {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its environment beside what it inherits.
    pub(crate) environment: Vec<(String, String)>,
}

impl Ledger {
    /// Takes the name and writes an empty ledger.
    pub(crate) fn create(name: &str) -> Result<Self, LabError> {
        let owner = ProcessId::own().map_err(LabError::system("read `/proc/self/stat`"))?;
        let ledger = Self {
            name: name.to_owned(),
            owner,
            swept: true,
            namespaces: Vec::new(),
            processes: Vec::new(),
            instances: Vec::new(),
            undo: Vec::new(),
        };
        // The folder appears under its name with the ledger inside, or not at all: rename refuses
        // to replace a folder that is not empty.
        let made = base().join(format!(".{name}.{}", owner.pid));
        fs::create_dir_all(&made).map_err(LabError::file("make", &made))?;
        ledger.write_into(&made)?;
        match fs::rename(&made, folder(name)) {
            Ok(()) => Ok(ledger),
            Err(error) => {
                fs::remove_dir_all(&made).map_err(LabError::file("remove", &made))?;
                match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::ENOTEMPTY | Errno::EEXIST) => Err(LabError::AlreadyUp {
                        name: name.to_owned(),
                    }),
                    _ => Err(LabError::file("make", folder(name))(error)),
                }
            }
        }
    }

    /// The ledger of `name`.
    pub(crate) fn read(name: &str) -> Result<Self, LabError> {
        let path = folder(name).join(FILE);
        let text = fs::read(&path).map_err(LabError::file("read", &path))?;
        serde_json::from_slice(&text)
            .map_err(io::Error::from)
            .map_err(LabError::file("read", &path))
    }

    /// All ledgers, by name.
    pub(crate) fn all() -> Result<Vec<Self>, LabError> {
        let base = base();
        let entries = match fs::read_dir(&base) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LabError::file("read", base)(error)),
        };
        let mut ledgers = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(unnamed) = name.strip_prefix('.') {
                remove_if_abandoned(&entry.path(), unnamed)?;
                continue;
            }
            // Another process may take a topology down while this one looks: the ledger may go before
            // its folder does.
            match Self::read(&name) {
                Ok(ledger) => ledgers.push(ledger),
                Err(_) if !folder(&name).join(FILE).exists() => {}
                Err(error) => return Err(error),
            }
        }
        ledgers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(ledgers)
    }

    /// Changes the ledger, on disk first.
    pub(crate) fn note(&mut self, change: impl FnOnce(&mut Self)) -> Result<(), LabError> {
        change(self);
        self.write_into(&folder(&self.name))
    }

    /// Undoes everything, and removes the ledger once no process and no namespace is left.
    ///
    /// What fails does not keep the rest from being undone; the first failure is the answer. Of
    /// several that settle one ledger at once, one does and the others wait for it.
    pub(crate) fn settle(&self) -> Result<(), LabError> {
        let path = folder(&self.name).join(LOCK);
        let lock = match File::create(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(LabError::file("make", path)(error)),
        };
        lock.lock().map_err(LabError::file("lock", &path))?;
        match Self::read(&self.name) {
            // A topology that was made since under the same name is not this one.
            Ok(ledger) if ledger.owner == self.owner => ledger.undo_everything(),
            Ok(_) => Ok(()),
            Err(_) if !path.exists() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn undo_everything(&self) -> Result<(), LabError> {
        let undone = self.undo.iter().rev().map(Undo::run).collect::<Vec<_>>();
        let mut left = Vec::new();
        for process in self.processes.iter().rev() {
            left.extend(end(*process, Signal::SIGTERM).err());
        }
        let own = ProcessId::own().ok();
        for name in &self.namespaces {
            for process in processes(name) {
                if Some(process) != own {
                    left.extend(end(process, Signal::SIGKILL).err());
                }
            }
            left.extend(delete(name).err());
        }
        for instance in &self.instances {
            left.extend(remove_instance(instance).err());
        }
        if let Some(failure) = left.into_iter().next() {
            return Err(failure);
        }
        let folder = folder(&self.name);
        fs::remove_dir_all(&folder).map_err(LabError::file("remove", folder))?;
        undone.into_iter().collect()
    }

    fn write_into(&self, folder: &Path) -> Result<(), LabError> {
        let (made, path) = (folder.join(".new"), folder.join(FILE));
        let text = serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .map_err(LabError::file("write", &path))?;
        fs::write(&made, text).map_err(LabError::file("write", &made))?;
        fs::rename(&made, &path).map_err(LabError::file("write", &path))
    }
}

impl Undo {
    fn run(&self) -> Result<(), LabError> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        let output = output(&mut command, PATIENCE)?;
        if output.status.success() {
            return Ok(());
        }
        Err(failure(&command, &output))
    }
}

/// The folder of the topology `name`, with the files of its hosts.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    base().join(name)
}

/// Removes a folder that its maker, whose process id its name ends with, could not rename any more.
fn remove_if_abandoned(path: &Path, name: &str) -> Result<(), LabError> {
    let maker = name.rsplit('.').next().and_then(|pid| pid.parse().ok());
    if maker.is_some_and(|pid| ProcessId::of(pid).is_some()) {
        return Ok(());
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LabError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn base() -> PathBuf {
    env::var_os("XVS_LAB_DIR").map_or_else(|| FOLDER.into(), PathBuf::from)
}

fn end(process: ProcessId, signal: Signal) -> Result<(), LabError> {
    let what = format!("end process {}", process.pid);
    process
        .end(signal, PATIENCE)
        .map_err(LabError::system(&what))?;
    // A child of ours is not left as a zombie; whose child it is else takes its status.
    match waitpid(Pid::from_raw(process.pid), Some(WaitPidFlag::WNOHANG)) {
        Ok(_) | Err(Errno::ECHILD) => Ok(()),
        Err(error) => Err(LabError::system(what)(error)),
    }
}

/// Removes what a daemon that was killed left of its instance: the bpffs with its pins, and the
/// folder around it. The links are gone with their namespaces by then.
fn remove_instance(folder: &Path) -> Result<(), LabError> {
    let pins = folder.join("bpf");
    match umount2(&pins, MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(error) => {
            return Err(LabError::system(format!("unmount `{}`", pins.display()))(
                error,
            ));
        }
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LabError::file("remove", folder)(error))
        }
        _ => Ok(()),
    }
}
