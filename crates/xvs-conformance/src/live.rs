//! A real director: the daemon in a network namespace, wires, `ipvsadm` and the host's own stack.

use std::{
    env, fs, io,
    net::UdpSocket,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use xvs_dataplane::Hook;

use crate::{
    Answer, Director, LocalSocket, Network, Seen, command, host,
    namespace::{self, Namespace},
    place,
    wire::{self, Wire},
};

/// How long the daemon may take to answer: the kernel verifies its programs for seconds.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long the daemon may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// How long the daemon takes at most to follow a change of rules.
const SETTLE: Duration = Duration::from_millis(250);
/// Nothing came for this long: nothing more comes.
const QUIET: Duration = Duration::from_millis(15);
/// `ETHTOOL_SGRO`.
const RECEIVE_OFFLOAD: u32 = 0x2c;
/// `ETHTOOL_STXCSUM`, `ETHTOOL_STSO`, `ETHTOOL_SGSO`, `ETHTOOL_SGRO`.
const OFFLOADS: [u32; 4] = [0x17, 0x1f, 0x24, RECEIVE_OFFLOAD];

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A daemon in a namespace of its own, which ends with this value.
pub struct Live {
    namespace: Arc<Namespace>,
    /// Far ends by the names of the legs.
    wires: Vec<(String, Wire)>,
    /// Sockets on the director that send back what they get.
    echoes: Vec<UdpSocket>,
    program: PathBuf,
    instance: String,
    runtime: PathBuf,
    daemon: Child,
}

impl Live {
    /// Starts a director with this network. Needs root, and the `xvs` binary beside this one or where
    /// `XVS_BIN` says.
    ///
    /// # Errors
    ///
    /// What could not be started.
    pub fn start(network: &Network, hook: Hook, sockets: &[LocalSocket]) -> Result<Self, String> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let (own, far) = (make("the director")?, make("the wires")?);
        let wires =
            lay(network, &own, &far).map_err(|error| format!("cannot lay wires: {error}"))?;
        own.enter()
            .map_err(|error| format!("cannot enter the director's namespace: {error}"))?;
        let echoes = sockets
            .iter()
            .map(|socket| {
                let echo = UdpSocket::bind(&socket.bind)?;
                echo.set_nonblocking(true)?;
                Ok(echo)
            })
            .collect::<io::Result<_>>()
            .map_err(|error| format!("cannot open a socket on the director: {error}"))?;
        let program = program()?;
        let runtime = place::folder();
        let instance = format!("live{number}");
        let mut run = Command::new(&program);
        run.args(["run", "--connections", "4096", "--hook", &hook.to_string()]);
        for leg in network.legs() {
            run.args(["--interface", leg]);
        }
        let run = with_place(&mut run, &instance, &runtime)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
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
        let daemon = run
            .spawn()
            .map_err(|error| format!("cannot start `{}`: {error}", program.display()))?;
        let live = Self {
            namespace: Arc::new(own),
            wires,
            echoes,
            program,
            instance,
            runtime,
            daemon,
        };
        live.await_answer()?;
        Ok(live)
    }

    /// Waits until the daemon answers.
    fn await_answer(&self) -> Result<(), String> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let mut status = Command::new(&self.program);
            let answer = self.output(status.arg("status"));
            if answer.status == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the daemon does not answer: {}", answer.stderr));
            }
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// Runs a command on the director.
    fn output(&self, command: &mut Command) -> Answer {
        let command = with_place(command, &self.instance, &self.runtime).env("LC_ALL", "C");
        match command.stdin(Stdio::null()).output() {
            Ok(output) => Answer {
                status: output.status.code().unwrap_or(-1),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => Answer::refused(error.to_string()),
        }
    }

    /// What leaves until nothing left for a while, or until `limit`.
    fn listen(&self, limit: Duration) -> Vec<(String, Vec<u8>)> {
        let end = Instant::now() + limit;
        let mut last = Instant::now();
        let mut seen = Vec::new();
        while Instant::now() < end && last.elapsed() < QUIET.max(limit.min(QUIET)) {
            if self.look(&mut seen) {
                last = Instant::now();
            }
            thread::sleep(Duration::from_micros(500));
        }
        seen
    }

    /// Collects what left; whether anything moved.
    fn look(&self, seen: &mut Vec<(String, Vec<u8>)>) -> bool {
        let mut moved = false;
        for echo in &self.echoes {
            let mut bytes = [0; 65_536];
            while let Ok((length, from)) = echo.recv_from(&mut bytes) {
                moved = true;
                // A reply that cannot be sent is missed by the comparison.
                let _missed = echo.send_to(bytes.get(..length).unwrap_or_default(), from);
            }
        }
        for (leg, wire) in &self.wires {
            while let Ok(Some(frame)) = wire.receive() {
                moved = true;
                if !host::is_noise(&frame) {
                    seen.push((leg.clone(), frame));
                }
            }
        }
        moved
    }
}

impl Director for Live {
    fn run(&mut self, line: &str) -> Answer {
        let words = command::words(line);
        let Some((name, arguments)) = words.split_first() else {
            return Answer::default();
        };
        if name == "ipvsadm" {
            let mut face = Command::new(&self.program);
            let answer = self.output(face.arg0("ipvsadm").args(arguments));
            if !arguments.iter().any(|argument| argument.starts_with("-L")) {
                thread::sleep(SETTLE);
            }
            return answer;
        }
        if let Some(setting) = arguments
            .last()
            .filter(|last| name == "sysctl" && last.starts_with("net.ipv4.vs."))
        {
            return self.output(Command::new(&self.program).args(["sysctl", setting]));
        }
        let answer = self.output(Command::new(name).args(arguments));
        thread::sleep(SETTLE);
        answer
    }

    fn inject(&mut self, leg: &str, frame: &[u8]) -> Result<Seen, String> {
        let wire = self.wires.iter().find(|(name, _)| name == leg);
        let (_, wire) = wire.ok_or_else(|| format!("there is no leg `{leg}`"))?;
        wire.send(frame)
            .map_err(|error| format!("cannot send: {error}"))?;
        Ok(Seen::Frames(self.listen(Duration::from_millis(500))))
    }

    fn leave(&mut self, _leg: &str, _frame: &[u8]) -> Result<Seen, String> {
        Err("the host's own stack is here and sends for itself".to_owned())
    }

    fn wait(&mut self, milliseconds: u64) -> Seen {
        let end = Instant::now() + Duration::from_millis(milliseconds);
        let mut seen = Vec::new();
        while Instant::now() < end {
            self.look(&mut seen);
            thread::sleep(Duration::from_millis(1));
        }
        Seen::Frames(seen)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.namespace.enter().is_ok() {
            let mut stop = Command::new(&self.program);
            self.output(stop.arg("stop"));
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while matches!(self.daemon.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                // It was asked and did not end.
                let _gone = self.daemon.kill();
                let _gone = self.daemon.wait();
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        place::clear(&self.runtime.join(&self.instance));
        // It goes with the last instance.
        let _in_use = fs::remove_dir(&self.runtime);
    }
}

fn make(what: &str) -> Result<Namespace, String> {
    Namespace::new().map_err(|error| format!("cannot make a namespace for {what}: {error}"))
}

/// Makes the links, their far ends in a namespace of their own, and opens those.
fn lay(network: &Network, own: &Namespace, far: &Namespace) -> io::Result<Vec<(String, Wire)>> {
    far.enter()?;
    namespace::without_ipv6();
    own.enter()?;
    namespace::set();
    namespace::ip(&network.wires(Some(&far.path())))?;
    for leg in network.legs() {
        for feature in OFFLOADS {
            wire::set_feature(leg, feature, false)?;
        }
    }
    far.enter()?;
    namespace::ip(&network.far_ends())?;
    network
        .legs()
        .map(|leg| {
            let link = format!("far-{leg}");
            // So that it takes what XDP sends: the kernel then polls it.
            wire::set_feature(&link, RECEIVE_OFFLOAD, true)?;
            Ok((leg.to_owned(), Wire::open(&link)?))
        })
        .collect()
}

fn with_place<'c>(command: &'c mut Command, instance: &str, runtime: &PathBuf) -> &'c mut Command {
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
