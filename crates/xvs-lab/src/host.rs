//! One host: a network namespace, its links and the programs that run in it.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    LabError, Namespace, Port, ProcessId,
    ledger::folder,
    namespace::{self, ip},
    process::wait_for_child,
    topology::Shared,
};

/// How long a command of [`Host::run`] may take.
const RUN_LIMIT: Duration = Duration::from_secs(60);

/// A host of a topology; clones mean the same host.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    namespace: Namespace,
    folder: PathBuf,
    shared: Option<Arc<Shared>>,
}

impl Host {
    pub(crate) fn create(
        name: &str,
        namespace: &str,
        topology: &str,
        shared: Arc<Shared>,
    ) -> Result<Self, LabError> {
        let folder = folder(topology).join(name);
        fs::create_dir_all(&folder).map_err(LabError::file("make", &folder))?;
        Ok(Self {
            name: name.to_owned(),
            namespace: Namespace::create(namespace)?,
            folder,
            shared: Some(shared),
        })
    }

    /// A host of a topology that is up: `topology` as in [`Topology::name`](crate::Topology::name),
    /// or `lab-nat` and the like for the labs. What is started in it ends with its topology.
    ///
    /// # Errors
    ///
    /// There is no such host.
    pub fn of(topology: &str, name: &str) -> Result<Self, LabError> {
        Ok(Self {
            name: name.to_owned(),
            namespace: Namespace::open(&format!("xvs-{topology}-{name}"))?,
            folder: folder(topology).join(name),
            shared: None,
        })
    }

    /// Adds an address, `ADDRESS/LENGTH`, to a link. An IPv6 address is usable at once.
    ///
    /// # Errors
    ///
    /// The link does not exist or has the address.
    pub fn address(&self, link: &str, address: &str) -> Result<(), LabError> {
        if address.contains(':') {
            return self.ip(&["address", "add", address, "dev", link, "nodad"]);
        }
        self.ip(&["address", "add", address, "dev", link])
    }

    /// Adds a route: `destination` is a prefix or `default`, `gateway` the next router.
    ///
    /// # Errors
    ///
    /// The route exists, or the gateway is not on a link.
    pub fn route(&self, destination: &str, gateway: &str) -> Result<(), LabError> {
        let family = if gateway.contains(':') { "-6" } else { "-4" };
        self.ip(&[family, "route", "add", destination, "via", gateway])
    }

    /// Makes the host a switch: a bridge with these links as ports.
    ///
    /// # Errors
    ///
    /// A link does not exist, or the bridge does.
    pub fn bridge(&self, bridge: &str, ports: &[&str]) -> Result<(), LabError> {
        self.ip(&["link", "add", bridge, "type", "bridge"])?;
        for port in ports {
            self.ip(&["link", "set", port, "master", bridge])?;
            if let Some(shared) = &self.shared {
                shared.switch(self.port(port));
            }
        }
        self.ip(&["link", "set", bridge, "up"])
    }

    /// Gives a link a MAC address.
    ///
    /// # Errors
    ///
    /// The link does not exist, or the address is none.
    pub fn mac(&self, link: &str, mac: &str) -> Result<(), LabError> {
        self.ip(&["link", "set", link, "address", mac])
    }

    /// Switches an offload of a link (`tx`, `gro`, `tso`, ... as `ethtool -K` names them).
    ///
    /// # Errors
    ///
    /// `ethtool` is missing, or the link has no such offload.
    pub fn offload(&self, link: &str, feature: &str, on: bool) -> Result<(), LabError> {
        let state = if on { "on" } else { "off" };
        self.run("ethtool", &["-K", link, feature, state])
            .map(|_| ())
    }

    /// Sets a kernel setting, named with dots or slashes (`net.ipv4.ip_forward`). A link name with a
    /// dot in it needs the form with slashes.
    ///
    /// # Errors
    ///
    /// There is no such setting, or it refuses the value.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<(), LabError> {
        let path = if name.contains('/') {
            name.to_owned()
        } else {
            name.replace('.', "/")
        };
        let path = Path::new("/proc/sys").join(path);
        self.namespace
            .enter(|| fs::write(&path, value))?
            .map_err(LabError::file("write", &path))
    }

    /// Runs iproute2 in the host.
    ///
    /// # Errors
    ///
    /// The command fails.
    pub fn ip(&self, arguments: &[&str]) -> Result<(), LabError> {
        self.namespace.enter(|| ip(arguments))?
    }

    /// Runs a program to its end, at most 60 s, and answers what it wrote.
    ///
    /// # Errors
    ///
    /// The program is not there, does not end in time or ends with a status other than 0.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, LabError> {
        let mut command = Command::new(program);
        command.args(arguments);
        let output = self.output(&mut command, RUN_LIMIT)?;
        if output.status.success() {
            return Ok(output);
        }
        Err(failure(&command, &output))
    }

    /// Runs a program to its end, at most `limit`, and answers its status and what it wrote.
    ///
    /// # Errors
    ///
    /// The program is not there, or does not end in time (it is killed then).
    pub fn output(&self, command: &mut Command, limit: Duration) -> Result<Output, LabError> {
        self.namespace.place(command);
        output(command, limit)
    }

    /// Starts a program that runs until it is stopped or the topology goes down. What it writes goes
    /// to `LOG` in the host's folder.
    ///
    /// # Errors
    ///
    /// The program is not there, or the log cannot be made.
    pub fn spawn(&self, command: &mut Command, log: &str) -> Result<Running, LabError> {
        self.namespace.place(command);
        self.spawn_outside(command, log)
    }

    /// As [`Host::spawn`], for a program that enters the namespace by itself.
    pub(crate) fn spawn_outside(
        &self,
        command: &mut Command,
        log: &str,
    ) -> Result<Running, LabError> {
        let running = Running::start(command, self.folder.join(log))?;
        if let Some(shared) = &self.shared {
            let process = running.process;
            shared
                .ledger()
                .note(|ledger| ledger.processes.push(process))?;
        }
        Ok(running)
    }

    /// One of its links, as an end of a wire.
    #[must_use]
    pub fn port(&self, link: &str) -> Port {
        Port {
            host: self.name.clone(),
            link: link.to_owned(),
        }
    }

    /// The folder of the host's files; it goes with the topology.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its name within the topology.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its network namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The processes that live in it.
    #[must_use]
    pub fn processes(&self) -> Vec<ProcessId> {
        namespace::processes(self.namespace.name())
    }
}

/// A program that was started and not waited for. It goes on when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    process: ProcessId,
    log: PathBuf,
}

impl Running {
    /// Starts `command` in a process group of its own: a terminal's Ctrl-C is not for it.
    fn start(command: &mut Command, log: PathBuf) -> Result<Self, LabError> {
        use std::os::unix::process::CommandExt;

        let file = File::create(&log).map_err(LabError::file("make", &log))?;
        let for_stderr = file.try_clone().map_err(LabError::file("open", &log))?;
        command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(for_stderr)
            .process_group(0);
        let mut child = command
            .spawn()
            .map_err(|source| could_not(command, source))?;
        let process = i32::try_from(child.id()).ok().and_then(ProcessId::of);
        let Some(process) = process else {
            let status = child.wait().map_err(|source| could_not(command, source))?;
            return Err(LabError::CommandFailed {
                command: line(command),
                status: status.to_string(),
                message: last_line(&fs::read(&log).unwrap_or_default()),
            });
        };
        Ok(Self {
            child,
            process,
            log,
        })
    }

    /// Ends it (SIGTERM, SIGKILL after 10 s) and answers how it ended.
    ///
    /// # Errors
    ///
    /// The kernel refuses to signal or to wait.
    pub fn stop(mut self) -> Result<ExitStatus, LabError> {
        let what = format!("end process {}", self.process.pid);
        self.process
            .end(Signal::SIGTERM, Duration::from_secs(10))
            .map_err(LabError::system(&what))?;
        self.child.wait().map_err(LabError::system(what))
    }

    /// How it ended; none while it runs.
    ///
    /// # Errors
    ///
    /// The kernel refuses to say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, LabError> {
        self.child
            .try_wait()
            .map_err(LabError::system(format!("wait for {}", self.process.pid)))
    }

    /// The last line it wrote; empty when it wrote nothing.
    #[must_use]
    pub fn last_words(&self) -> String {
        last_line(&fs::read(&self.log).unwrap_or_default())
    }

    /// Its identity.
    #[must_use]
    pub fn process(&self) -> ProcessId {
        self.process
    }
}

/// Runs a command to its end, at most `limit`; it is killed after that.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<Output, LabError> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| could_not(command, source))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (in_time, stdout, stderr) = thread::scope(|scope| {
        let stdout = scope.spawn(|| read_all(stdout));
        let stderr = scope.spawn(|| read_all(stderr));
        let in_time = wait_for_child(child.id(), limit);
        if !matches!(in_time, Ok(true)) {
            // It may have ended meanwhile, which is as good.
            let _ = child.kill();
        }
        (in_time, stdout.join(), stderr.join())
    });
    let status = child.wait().map_err(|source| could_not(command, source))?;
    if !in_time.map_err(|source| could_not(command, source))? {
        return Err(LabError::TimedOut {
            what: format!("the end of `{}`", line(command)),
            limit,
            hint: String::new(),
        });
    }
    let read = |bytes: thread::Result<io::Result<Vec<u8>>>| match bytes {
        Ok(bytes) => bytes.map_err(|source| could_not(command, source)),
        Err(panic) => std::panic::resume_unwind(panic),
    };
    Ok(Output {
        status,
        stdout: read(stdout)?,
        stderr: read(stderr)?,
    })
}

/// The error of a command that ended with a status other than 0.
pub(crate) fn failure(command: &Command, output: &Output) -> LabError {
    let said = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    LabError::CommandFailed {
        command: line(command),
        status: output.status.to_string(),
        message: first_line(said),
    }
}

fn could_not(command: &Command, source: io::Error) -> LabError {
    LabError::Command {
        command: line(command),
        source,
    }
}

/// The command as it would be typed, its program without folders.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program.file_name().map_or_else(
        || program.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// What a command complains of comes first; advice may follow.
fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_start().lines().next().unwrap_or("").to_owned()
}

/// What a daemon died of comes last; its log may precede it.
fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end().lines().last().unwrap_or("").to_owned()
}

fn read_all(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
