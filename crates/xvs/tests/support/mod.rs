//! A daemon with a simulated dataplane, in a network namespace that dies with it.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of this"
)]

mod stage;

use std::{
    env, fs,
    io::Read,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

pub(crate) use stage::Stage;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the tests can run: as root, with the tools they need. In CI they must.
pub(crate) fn can_run() -> bool {
    let mut missing = Vec::new();
    if !nix::unistd::Uid::effective().is_root() {
        missing.push("root");
    }
    for tool in ["unshare", "nsenter", "setpriv", "ip", "mount"] {
        if !installed(tool) {
            missing.push(tool);
        }
    }
    if missing.is_empty() {
        return true;
    }
    skip(&missing)
}

/// Whether a tool that only one test needs is there; in CI it must be.
pub(crate) fn has(tool: &str) -> bool {
    installed(tool) || skip(&[tool])
}

fn installed(tool: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(tool).exists()))
}

fn skip(missing: &[&str]) -> bool {
    assert_ne!(
        env::var("CI").as_deref(),
        Ok("true"),
        "CI needs {missing:?}"
    );
    eprintln!("skipped: needs {missing:?}");
    false
}

/// A network namespace with two ends of a veth, `client` (192.0.2.1/24) and `server`
/// (10.0.0.254/24), and nothing else. It is that of a sleeping process and ends with it.
pub(crate) struct Place {
    sleeper: Child,
    pub(crate) runtime: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let sleeper = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "sleep", "600"])
            .spawn()
            .unwrap();
        let place = Self {
            sleeper,
            // In memory, as that of a host: changes of the rules are flushed to it.
            runtime: tempfile::tempdir_in("/dev/shm")
                .or_else(|_none| tempfile::tempdir())
                .unwrap(),
        };
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        let theirs = format!("/proc/{}/ns/net", place.sleeper.id());
        wait_until("the namespace", || {
            fs::read_link(&theirs).is_ok_and(|found| found != own)
        });
        place.ip("link set lo up");
        place.ip("link add client type veth peer name server");
        place.ip("link set client up");
        place.ip("link set server up");
        place.ip("addr add 192.0.2.1/24 dev client");
        place.ip("addr add 10.0.0.254/24 dev server");
        place
    }

    /// The process whose namespace it is.
    pub(crate) fn pid(&self) -> u32 {
        self.sleeper.id()
    }

    /// Whether a tool that only one test needs is there; in CI it must be.
    pub(crate) fn has(&self, tool: &str) -> bool {
        has(tool)
    }

    /// Runs `ip ARGUMENTS` in the namespace.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        self.run("ip", arguments)
    }

    /// Runs a tool in the namespace.
    pub(crate) fn run(&self, tool: &str, arguments: &str) -> String {
        let output = self
            .inside(tool)
            .args(arguments.split(' '))
            .output()
            .unwrap();
        assert!(output.status.success(), "{tool} {arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a daemon in the namespace and waits until it answers.
    pub(crate) fn daemon(&self, arguments: &[&str]) -> Daemon {
        let child = self
            .starting(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let daemon = Daemon { child };
        wait_until("the daemon", || self.xvs(&["status"]).status.success());
        daemon
    }

    /// Runs a daemon that is expected not to start.
    pub(crate) fn refused_daemon(&self, arguments: &[&str]) -> Output {
        self.starting(arguments).output().unwrap()
    }

    /// Runs `xvs ARGUMENTS`.
    pub(crate) fn xvs(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// `xvs ARGUMENTS`, to be run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xvs"));
        self.with_environment(&mut command);
        command.args(arguments);
        command
    }

    /// Runs `xvs ARGUMENTS`, which must succeed without a message, and answers its output.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.xvs(arguments);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "xvs {arguments:?}: {output:?}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `xvs ARGUMENTS`, which must fail with status 1, and answers its message.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.xvs(arguments);
        assert_eq!(
            output.status.code(),
            Some(1),
            "xvs {arguments:?}: {output:?}"
        );
        assert!(output.stdout.is_empty(), "xvs {arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The status, as JSON.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.done(&["status", "--json"])).unwrap()
    }

    /// The folder of the instance.
    pub(crate) fn folder(&self) -> std::path::PathBuf {
        self.runtime.path().join("default")
    }

    fn starting(&self, arguments: &[&str]) -> Command {
        let mut command = self.inside("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(Path::new(env!("CARGO_BIN_EXE_xvs")))
            .args(["run", "--simulate"])
            .args(arguments);
        self.with_environment(&mut command);
        command
    }

    /// A program in the namespace, with the environment of the daemon, to be run.
    pub(crate) fn tool(&self, program: &str) -> Command {
        let mut command = self.inside(program);
        self.with_environment(&mut command);
        command
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.sleeper.id()));
        command.arg(program);
        command
    }

    fn with_environment(&self, command: &mut Command) {
        command
            .env("XVS_RUNTIME_DIR", self.runtime.path())
            .env("NO_COLOR", "1")
            .env_remove("XVS_INSTANCE")
            .env_remove("XVS_LOG");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = self.sleeper.kill();
        let _ended = self.sleeper.wait();
    }
}

/// A running daemon; killed with this.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts one; its log is kept.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        Self { child }
    }

    /// Starts one; its log is lost.
    pub(crate) fn spawn_in_silence(command: &mut Command) -> Self {
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        Self { child }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    }

    /// Its process id: setpriv and nsenter become the daemon, so there is one process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as by `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it by SIGTERM; answers its exit status and its log.
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.wait()
    }

    /// Waits for its end; answers its exit status and its log.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        wait_until("the end of the daemon", || {
            self.child.try_wait().unwrap().is_some()
        });
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut log).unwrap();
        }
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
