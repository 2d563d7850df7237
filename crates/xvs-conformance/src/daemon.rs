//! The daemon under test: started in a namespace, asked, emptied for the next scenario, ended.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use xvs_dataplane::Hook;
use xvs_types::Setting;

use crate::{Answer, command, place};

/// How long the daemon may take to answer: the kernel verifies its programs for seconds, and for minutes
/// where a busy host emulates the processors.
const START_LIMIT: Duration = Duration::from_secs(1_200);
/// How long to wait before a daemon that starts is asked once more.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long the daemon may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// The timeouts of TCP, TCP after FIN, and UDP with which it begins.
const DEFAULT_TIMEOUTS: [&str; 4] = ["--set", "900", "120", "300"];
/// How many bytes of its log are told when it does not start.
const LAST_WORDS: usize = 2_000;

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A daemon of this program, which ends with this value.
pub(crate) struct Daemon {
    program: PathBuf,
    instance: String,
    runtime: PathBuf,
    child: Child,
    /// Settings that were changed.
    settings: BTreeSet<Setting>,
    /// Orders that added virtual or real servers.
    added: Vec<Vec<String>>,
    /// Some of them were deleted again.
    deleted: bool,
}

impl Daemon {
    /// Starts one for these links of the thread's namespace.
    pub(crate) fn start<'l>(
        hook: Hook,
        links: impl Iterator<Item = &'l str>,
    ) -> Result<Self, String> {
        let program = program()?;
        let runtime = place::folder();
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let instance = format!("live{number}");
        let mut run = Command::new(&program);
        run.args(["run", "--connections", "4096", "--hook", &hook.to_string()]);
        for link in links {
            run.args(["--interface", link]);
        }
        let log = log(&runtime, &instance)
            .map_err(|error| format!("cannot make a log in `{}`: {error}", runtime.display()))?;
        let run = with_place(&mut run, &instance, &runtime)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        // SAFETY: between fork and exec the closure makes one system call of numbers.
        unsafe {
            // The daemon ends with the thread that started it, also when that is killed.
            run.pre_exec(
                || match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                },
            );
        }
        let child = run
            .spawn()
            .map_err(|error| format!("cannot start `{}`: {error}", program.display()))?;
        let mut daemon = Self {
            program,
            instance,
            runtime,
            child,
            settings: BTreeSet::new(),
            added: Vec::new(),
            deleted: false,
        };
        daemon.await_answer()?;
        Ok(daemon)
    }

    /// Waits until the daemon answers.
    fn await_answer(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let answer = self.ask(&["status"]);
            if answer.status == 0 {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let words = self.last_words();
                return Err(format!("the daemon ended with {status}: {words}"));
            }
            if Instant::now() > deadline {
                return Err(format!("the daemon does not answer: {}", self.last_words()));
            }
            thread::sleep(PATIENCE);
        }
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(log_of(&self.runtime, &self.instance)).unwrap_or_default();
        let from = text.len().saturating_sub(LAST_WORDS);
        text.get(from..).unwrap_or_default().to_owned()
    }

    /// Changes a setting, as `net.ipv4.vs.NAME=VALUE`.
    pub(crate) fn set(&mut self, setting: &str) -> Answer {
        let name = setting.split('=').next().unwrap_or_default();
        self.settings.extend(name.parse::<Setting>());
        self.ask(&["sysctl", setting])
    }

    /// Makes it as it was when it began: no rules, connections and counters, settings by default.
    pub(crate) fn empty(&mut self) -> Result<(), String> {
        let settings = std::mem::take(&mut self.settings);
        let defaults: Vec<String> = settings
            .iter()
            .filter(|setting| setting.refusal().is_none())
            .map(|setting| format!("{setting}={}", setting.default_text()))
            .collect();
        let mut commands = vec![vec!["conn", "kill", "--all"]];
        commands.extend(defaults.iter().map(|set| vec!["sysctl", set]));
        for command in commands {
            good(&command, &self.ask(&command))?;
        }
        let added = std::mem::take(&mut self.added);
        if std::mem::take(&mut self.deleted) {
            // A real server that is deleted and added again takes its counters up. So all come back, and
            // what they counted goes before they do.
            for order in added {
                // Most are still there.
                let _there = self.ipvsadm(&order);
            }
        }
        for change in [&DEFAULT_TIMEOUTS[..], &["-Z"], &["-C"]] {
            good(change, &self.ipvsadm(change))?;
        }
        Ok(())
    }

    /// Runs `ipvsadm` with these arguments of a recording, which [`Daemon::empty`] undoes.
    pub(crate) fn take_order(&mut self, arguments: &[String]) -> Answer {
        if command::has(arguments, &["-A", "-a"]) {
            self.added.push(arguments.to_vec());
        }
        self.deleted |= command::has(arguments, &["-C", "-D", "-d"]);
        self.ipvsadm(arguments)
    }

    /// Runs `ipvsadm` with these arguments.
    fn ipvsadm<S: AsRef<str>>(&self, arguments: &[S]) -> Answer {
        let mut face = Command::new(&self.program);
        self.output(face.arg0("ipvsadm"), arguments)
    }

    /// Runs `xvs` with these arguments.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Answer {
        self.output(&mut Command::new(&self.program), arguments)
    }

    fn output<S: AsRef<str>>(&self, command: &mut Command, arguments: &[S]) -> Answer {
        let command = command.args(arguments.iter().map(AsRef::as_ref));
        Answer::of(with_place(command, &self.instance, &self.runtime))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.ask(&["stop"]);
        let deadline = Instant::now() + STOP_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                // It was asked and did not end.
                let _gone = self.child.kill();
                let _gone = self.child.wait();
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        place::clear(&self.runtime.join(&self.instance));
        let _gone = fs::remove_file(log_of(&self.runtime, &self.instance));
        // It goes with the last instance.
        let _in_use = fs::remove_dir(&self.runtime);
    }
}

/// Opens the log of an instance.
fn log(runtime: &Path, instance: &str) -> io::Result<File> {
    fs::create_dir_all(runtime)?;
    File::create(log_of(runtime, instance))
}

fn log_of(runtime: &Path, instance: &str) -> PathBuf {
    runtime.join(format!("{instance}.log"))
}

fn good(command: &[&str], answer: &Answer) -> Result<(), String> {
    if answer.status == 0 {
        return Ok(());
    }
    let (command, message) = (command.join(" "), answer.stderr.trim());
    Err(format!("cannot empty the director, `{command}`: {message}"))
}

fn with_place<'c>(command: &'c mut Command, instance: &str, runtime: &Path) -> &'c mut Command {
    command
        .env("XVS_INSTANCE", instance)
        .env("XVS_RUNTIME_DIR", runtime)
}

/// The binary under test.
fn program() -> Result<PathBuf, String> {
    if let Some(program) = env::var_os("XVS_BIN") {
        return Ok(program.into());
    }
    let own = env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let folders = own.ancestors().skip(1).take(2);
    let mut programs = folders.map(|folder| folder.join("xvs"));
    programs
        .find(|path| path.is_file())
        .ok_or_else(|| "build `xvs` first, or say in XVS_BIN where it is".to_owned())
}
