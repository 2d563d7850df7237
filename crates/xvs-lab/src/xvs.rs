//! The director under test, reached as its users reach it: by commands of the `xvs` binary.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Host, LabError, Running, Topology,
    host::{failure, output},
    labs::{Action, Step},
    ledger::Undo,
};

/// How long the daemon may take to answer: the kernel verifies its programs for seconds, and for many
/// more where other work keeps the processors busy.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long any other command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// The `xvs` binary, for one instance of the daemon.
#[derive(Clone, Debug)]
pub(crate) struct Xvs {
    program: PathBuf,
    instance: String,
    /// The folder with one folder an instance.
    runtime: PathBuf,
    /// What the daemon is started with.
    configuration: Option<PathBuf>,
    /// It carries no packets.
    simulated: bool,
}

impl Xvs {
    /// The binary that runs now, or the one that `XVS_BIN` names.
    pub(crate) fn new(instance: &str) -> Result<Self, LabError> {
        let program = match env::var_os("XVS_BIN") {
            Some(program) => program.into(),
            None => env::current_exe().map_err(LabError::system("find the program that runs"))?,
        };
        Ok(Self {
            program,
            instance: instance.to_owned(),
            runtime: env::var_os("XVS_RUNTIME_DIR")
                .filter(|folder| !folder.is_empty())
                .map_or_else(|| "/run/xvs".into(), PathBuf::from),
            configuration: None,
            simulated: false,
        })
    }

    /// The same with a configuration for the daemon.
    pub(crate) fn with_configuration(mut self, file: &Path) -> Self {
        self.configuration = Some(file.to_owned());
        self
    }

    /// The same with a daemon that carries no packets: virtual routers alone.
    pub(crate) fn without_datapath(mut self) -> Self {
        self.simulated = true;
        self
    }

    /// Starts the daemon in `host` and waits until it answers.
    pub(crate) fn start(
        &self,
        topology: &Topology,
        host: &Host,
        hook: &str,
    ) -> Result<Running, LabError> {
        topology.note(|ledger| ledger.instances.push(self.runtime.join(&self.instance)))?;
        let mut command = Command::new(&self.program);
        command
            .args(self.run_line(host, hook).split(' '))
            .env("XVS_INSTANCE", &self.instance);
        let mut daemon = host.spawn_outside(&mut command, "daemon.log")?;
        let deadline = Instant::now() + START_LIMIT;
        while let Err(error) = self.run(&["status"]) {
            if let Some(status) = daemon.ended()? {
                return Err(LabError::CommandFailed {
                    command: format!("xvs {}", self.run_line(host, hook)),
                    status: status.to_string(),
                    message: daemon.last_words(),
                });
            }
            if Instant::now() > deadline {
                return Err(LabError::TimedOut {
                    what: "an answer of the daemon".to_owned(),
                    limit: START_LIMIT,
                    hint: format!(": {error}"),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(daemon)
    }

    /// The arguments that start the daemon.
    pub(crate) fn run_line(&self, host: &Host, hook: &str) -> String {
        let (instance, netns) = (&self.instance, host.namespace().name());
        let mut line = format!("run --instance {instance} --netns {netns}");
        if self.simulated {
            line.push_str(" --simulate");
        } else {
            line.push_str(&format!(" --hook {hook}"));
        }
        if let Some(file) = &self.configuration {
            line.push_str(&format!(" -f {}", file.display()));
        }
        line
    }

    /// Takes a step of a plan in `host`.
    pub(crate) fn take(
        &self,
        topology: &Topology,
        host: &Host,
        step: &Step,
    ) -> Result<(), LabError> {
        match &step.action {
            Action::Done(_) => Ok(()),
            Action::Ipvsadm(arguments) => self.ipvsadm(arguments).map(|_| ()),
            Action::Xvs { up, down } => {
                let in_host = |line: &str| {
                    let line = format!("{line} --netns {}", host.namespace().name());
                    line.split(' ').map(str::to_owned).collect::<Vec<_>>()
                };
                let undo = Undo {
                    program: self.program.clone(),
                    arguments: in_host(down),
                    environment: vec![
                        ("XVS_INSTANCE".to_owned(), self.instance.clone()),
                        (
                            "XVS_RUNTIME_DIR".to_owned(),
                            self.runtime.to_string_lossy().into_owned(),
                        ),
                    ],
                };
                topology.note(|ledger| ledger.undo.push(undo))?;
                self.run(&in_host(up)).map(|_| ())
            }
        }
    }

    /// Runs `ipvsadm ARGUMENTS` for the instance and answers what it wrote.
    pub(crate) fn ipvsadm(&self, arguments: &str) -> Result<String, LabError> {
        let line = format!("ipvsadm {arguments}");
        self.run(&line.split(' ').collect::<Vec<_>>())
    }

    fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Result<String, LabError> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments.iter().map(AsRef::as_ref))
            .env("XVS_INSTANCE", &self.instance);
        let output = output(&mut command, COMMAND_LIMIT)?;
        if !output.status.success() {
            return Err(failure(&command, &output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
