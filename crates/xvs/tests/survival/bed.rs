//! Hosts for the tests of survival, and the daemon among them.
//!
//! ```text
//!   client eth0 10.1.0.2 ------- eth0 10.1.0.1 director        VIPs: 10.1.0.10 by NAT,
//!          eth1 10.2.0.100 --+-- eth1 10.2.0.1                       10.2.0.10 by DR
//!                            +-- eth0 10.2.0.2 web1
//!                            +-- eth0 10.2.0.3 web2
//! ```

use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use xvs_lab::{Host, Topology};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// The virtual address that is balanced by NAT.
pub(crate) const NAT: &str = "10.1.0.10";
/// The virtual address that is balanced by DR.
pub(crate) const DR: &str = "10.2.0.10";
/// The real servers.
pub(crate) const WEBS: [&str; 2] = ["10.2.0.2", "10.2.0.3"];

/// Whether the tests can run: as root, with the tools they need. In CI they must.
pub(crate) fn can_run() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let there = |tool: &str| env::split_paths(&path).any(|folder| folder.join(tool).exists());
    let mut missing: Vec<&str> = ["ip", "ethtool", "setpriv", "unshare"]
        .into_iter()
        .filter(|tool| !there(tool))
        .collect();
    if !nix::unistd::Uid::effective().is_root() {
        missing.push("root");
    }
    if missing.is_empty() {
        return true;
    }
    assert_ne!(
        env::var("CI").as_deref(),
        Ok("true"),
        "CI needs {missing:?}"
    );
    eprintln!("skipped: needs {missing:?}");
    false
}

/// A number that the environment may raise: `make soak` does.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

/// The hosts, and the runtime folder of the director's daemon.
pub(crate) struct Bed {
    pub(crate) client: Host,
    pub(crate) director: Host,
    pub(crate) webs: [Host; 2],
    runtime: PathBuf,
    _topology: Topology,
}

impl Bed {
    /// Builds the hosts; `xdp` makes their links fit for it.
    pub(crate) fn new(name: &str, xdp: bool) -> Self {
        let topology = Topology::new(&format!("surv-{name}")).unwrap();
        let host = |name| topology.host(name).unwrap();
        let (client, director, switch) = (host("client"), host("director"), host("switch"));
        let webs = [host("web1"), host("web2")];
        let wires = [
            ((&client, "eth0"), (&director, "eth0")),
            ((&client, "eth1"), (&switch, "p0")),
            ((&director, "eth1"), (&switch, "p1")),
            ((&webs[0], "eth0"), (&switch, "p2")),
            ((&webs[1], "eth0"), (&switch, "p3")),
        ];
        for (one, other) in wires {
            topology.link(one, other).unwrap();
            for (host, link) in [one, other] {
                if xdp {
                    // As the labs have it: veth takes redirected frames only with GRO.
                    host.offload(link, "gro", true).unwrap();
                    host.offload(link, "tx", false).unwrap();
                }
            }
        }
        switch.bridge("br0", &["p0", "p1", "p2", "p3"]).unwrap();
        client.address("eth0", "10.1.0.2/24").unwrap();
        client.address("eth1", "10.2.0.100/24").unwrap();
        director.address("eth0", "10.1.0.1/24").unwrap();
        director.address("eth0", &format!("{NAT}/32")).unwrap();
        director.address("eth1", "10.2.0.1/24").unwrap();
        director.address("eth1", &format!("{DR}/32")).unwrap();
        director.sysctl("net.ipv4.ip_forward", "1").unwrap();
        for (web, address) in webs.iter().zip(WEBS) {
            web.sysctl("net.ipv4.conf.all.arp_ignore", "1").unwrap();
            web.sysctl("net.ipv4.conf.all.arp_announce", "2").unwrap();
            web.address("eth0", &format!("{address}/24")).unwrap();
            web.route("default", "10.2.0.1").unwrap();
            web.address("lo", &format!("{DR}/32")).unwrap();
        }
        let runtime = PathBuf::from(format!("/run/xvs-surv-{name}-{}", std::process::id()));
        fs::create_dir_all(&runtime).unwrap();
        Self {
            client,
            director,
            webs,
            runtime,
            _topology: topology,
        }
    }

    /// The instance's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.runtime.join("default")
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn daemon(&self, arguments: &[&str]) -> Daemon {
        let child = self
            .starting(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut daemon = Daemon { child: Some(child) };
        wait_until("the daemon", || {
            if let Some(status) = daemon.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("the daemon ended with {status}: {}", daemon.log());
            }
            self.xvs(&["status"]).status.success()
        });
        daemon
    }

    /// Runs a daemon that is expected not to start; answers what it says.
    pub(crate) fn refused(&self, before: &[&str], arguments: &[&str]) -> String {
        let plain = self.starting(arguments);
        let mut words = before.iter().map(AsRef::as_ref).collect::<Vec<_>>();
        words.push(plain.get_program());
        words.extend(plain.get_args());
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env("XVS_RUNTIME_DIR", &self.runtime)
            .env("NO_COLOR", "1");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs `xvs ARGUMENTS`.
    pub(crate) fn xvs(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_xvs"))
            .env("XVS_RUNTIME_DIR", &self.runtime)
            .env("NO_COLOR", "1")
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs `xvs LINE`, which must succeed, and answers its output.
    pub(crate) fn done(&self, line: &str) -> String {
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = self.xvs(&arguments);
        assert!(output.status.success(), "xvs {line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The status, as JSON.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.done("status --json")).unwrap()
    }

    /// The rules as `ipvsadm-save -n` prints them, sorted.
    pub(crate) fn saved(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .done("ipvsadm-save -n")
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    }

    /// Active and inactive connections of all real servers together, as `ipvsadm -Ln` shows them.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let listing = self.done("ipvsadm -Ln");
        let servers = listing.lines().filter(|line| line.starts_with("  -> "));
        servers
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [.., active, inactive] = words[..] else {
                    return None;
                };
                Some((active.parse::<u64>().ok()?, inactive.parse::<u64>().ok()?))
            })
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// How many connections the table holds, to servers that still have rules.
    pub(crate) fn connections(&self) -> u64 {
        let ruled = self.saved();
        let listing = self.done("ipvsadm -Lnc");
        let rows = listing.lines().filter(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, _, .., vip, real] = words[..] else {
                return false;
            };
            let pair = format!("{vip} -r {real} ");
            ruled.iter().any(|rule| rule.contains(&pair))
        });
        u64::try_from(rows.count()).unwrap()
    }

    /// Asserts that what the real servers count is what the table holds. Traffic must stand still.
    pub(crate) fn assert_counts_agree(&self, when: &str) {
        let mut seen = (0, 0);
        for _attempt in 0..5 {
            let (active, inactive) = self.counts();
            seen = (active + inactive, self.connections());
            if seen.0 == seen.1 {
                return;
            }
            // An entry may have expired between the two listings.
            thread::sleep(Duration::from_millis(300));
        }
        panic!("{when}: the servers count {}, the table {}", seen.0, seen.1);
    }

    fn starting(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(Path::new(env!("CARGO_BIN_EXE_xvs")))
            .args(["run", "--netns", self.director.namespace().name()])
            .args(arguments)
            .env("XVS_RUNTIME_DIR", &self.runtime)
            .env("NO_COLOR", "1")
            .env_remove("XVS_INSTANCE");
        command
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // What a killed daemon left: without its pins the programs end with their links.
        let _none = umount2(&self.folder().join("bpf"), MntFlags::MNT_DETACH);
        let _gone = fs::remove_dir_all(&self.runtime);
    }
}

/// A running daemon; killed with this.
pub(crate) struct Daemon {
    child: Option<Child>,
}

impl Daemon {
    /// Its process id: setpriv becomes the daemon.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.as_ref().unwrap().id()).unwrap())
    }

    /// Kills it as by `kill -9`; answers its log.
    pub(crate) fn kill(mut self) -> String {
        let child = self.child.as_mut().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        self.log()
    }

    /// Ends it by SIGTERM; answers its exit status and its log.
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        let status = self.child.as_mut().unwrap().wait().unwrap();
        (status.code(), self.log())
    }

    fn log(&mut self) -> String {
        let mut log = String::new();
        if let Some(mut stderr) = self.child.as_mut().and_then(|child| child.stderr.take()) {
            stderr.read_to_string(&mut log).unwrap();
        }
        log
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _ended = child.wait();
        }
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
