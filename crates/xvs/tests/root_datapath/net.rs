//! The network of the tests, and the daemon on its director.
//!
//! ```text
//!                                    +-- director  10.2.0.10
//!   client -- router -- switch ------+-- web1      10.2.0.11
//!   10.1.0.2                         +-- web2      10.2.0.12
//! ```
//!
//! IPv6 is the same with `fd00:1::` and `fd00:2::`.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use xvs_lab::{Host, Running, Topology, folder};

/// How long anything may take: long, for the kernel verifies the programs of several daemons at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// The address that clients reach.
pub(crate) const VIP: &str = "10.2.0.100";
/// The same over IPv6.
pub(crate) const VIP6: &str = "fd00:2::100";
/// The addresses of the real servers.
pub(crate) const WEBS: [&str; 2] = ["10.2.0.11", "10.2.0.12"];
/// The same over IPv6.
pub(crate) const WEBS6: [&str; 2] = ["fd00:2::11", "fd00:2::12"];

/// The hosts, and the daemon while it runs.
pub(crate) struct Net {
    daemon: Option<Running>,
    pub(crate) client: Host,
    pub(crate) router: Host,
    pub(crate) switch: Host,
    pub(crate) director: Host,
    pub(crate) webs: [Host; 2],
    pub(crate) topology: Topology,
}

impl Net {
    /// Makes the hosts; none, with a printed reason, where that cannot be.
    pub(crate) fn new(name: &str) -> Option<Self> {
        if !can_run() {
            return None;
        }
        let topology = Topology::new(name).unwrap();
        let [client, router, switch, director, web1, web2] =
            ["client", "router", "switch", "director", "web1", "web2"]
                .map(|name| topology.host(name).unwrap());
        topology.link((&client, "eth0"), (&router, "eth0")).unwrap();
        let ports = ["p0", "p1", "p2", "p3"];
        topology
            .link((&router, "eth1"), (&switch, ports[0]))
            .unwrap();
        for (host, port) in [&director, &web1, &web2].into_iter().zip(&ports[1..]) {
            topology.link((host, "eth0"), (&switch, port)).unwrap();
        }
        switch.bridge("br0", &ports).unwrap();
        for host in [&router, &director] {
            host.sysctl("net.ipv4.ip_forward", "1").unwrap();
            host.sysctl("net.ipv6.conf.all.forwarding", "1").unwrap();
            for link in ["all", "default", "eth0"] {
                for setting in ["rp_filter", "send_redirects"] {
                    let setting = format!("net/ipv4/conf/{link}/{setting}");
                    host.sysctl(&setting, "0").unwrap();
                }
            }
        }
        router.sysctl("net/ipv4/conf/eth1/rp_filter", "0").unwrap();
        client.address("eth0", "10.1.0.2/24").unwrap();
        client.address("eth0", "fd00:1::2/64").unwrap();
        router.address("eth0", "10.1.0.1/24").unwrap();
        router.address("eth0", "fd00:1::1/64").unwrap();
        client.route("default", "10.1.0.1").unwrap();
        client.route("default", "fd00:1::1").unwrap();
        router.address("eth1", "10.2.0.1/24").unwrap();
        router.address("eth1", "fd00:2::1/64").unwrap();
        for (host, number) in [(&director, 10), (&web1, 11), (&web2, 12)] {
            host.address("eth0", &format!("10.2.0.{number}/24"))
                .unwrap();
            host.address("eth0", &format!("fd00:2::{number}/64"))
                .unwrap();
            host.route("default", "10.2.0.1").unwrap();
            host.route("default", "fd00:2::1").unwrap();
        }
        director.address("eth0", &format!("{VIP}/32")).unwrap();
        // Deprecated, so that the director asks for neighbours from its other address: a real server of
        // DR or TUN has the VIP too and answers nobody who asks from it.
        let vip6 = format!("address add {VIP6}/128 dev eth0 nodad preferred_lft 0");
        director.ip(&vip6.split(' ').collect::<Vec<_>>()).unwrap();
        Some(Self {
            daemon: None,
            client,
            router,
            switch,
            director,
            webs: [web1, web2],
            topology,
        })
    }

    /// Makes the links fit for XDP: a frame that XDP sends into a veth is lost unless the far end has
    /// GRO, and a checksum that was left to an offload is never made.
    pub(crate) fn without_offloads(&self) -> &Self {
        let [web1, web2] = &self.webs;
        let ends = [
            (&self.client, "eth0"),
            (&self.router, "eth0"),
            (&self.router, "eth1"),
            (&self.director, "eth0"),
            (web1, "eth0"),
            (web2, "eth0"),
            (&self.switch, "p0"),
            (&self.switch, "p1"),
            (&self.switch, "p2"),
            (&self.switch, "p3"),
        ];
        for (host, link) in ends {
            host.offload(link, "gro", true).unwrap();
            host.offload(link, "tx", false).unwrap();
        }
        self
    }

    /// Makes the director the real servers' way to the client, as NAT needs it.
    pub(crate) fn replies_by_director(&self) -> &Self {
        for web in &self.webs {
            for (flag, director) in [("-4", "10.2.0.10"), ("-6", "fd00:2::10")] {
                web.ip(&[flag, "route", "replace", "default", "via", director])
                    .unwrap();
            }
        }
        self
    }

    /// Makes the real servers what `method` (`dr`, `tun`) asks for, with the VIPs on them.
    pub(crate) fn real_servers(&self, method: &str) -> &Self {
        for web in &self.webs {
            for vip in [VIP, VIP6] {
                let arguments = |verb: &str| {
                    let netns = web.namespace().name();
                    let line =
                        format!("realserver {verb} --vip {vip} --method {method} --netns {netns}");
                    line.split(' ').map(str::to_owned).collect::<Vec<_>>()
                };
                let runtime = self.runtime().to_string_lossy().into_owned();
                self.topology
                    .undo(
                        env!("CARGO_BIN_EXE_xvs").into(),
                        arguments("down"),
                        vec![("XVS_RUNTIME_DIR".to_owned(), runtime)],
                    )
                    .unwrap();
                let up = arguments("up");
                self.done(&up.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        self
    }

    /// Starts the daemon on the director, and waits until it answers.
    pub(crate) fn daemon(&mut self, arguments: &[&str]) -> &Self {
        self.topology
            .instance(self.runtime().join("default"))
            .unwrap();
        let mut command = self.starting(arguments);
        let mut running = self.director.spawn(&mut command, "daemon.log").unwrap();
        wait_until("the daemon", || {
            assert_eq!(running.ended().unwrap(), None, "{}", self.log());
            self.xvs(&["status"]).status.success()
        });
        self.daemon = Some(running);
        self
    }

    /// Runs a daemon that is expected not to start; answers its message, of one line.
    pub(crate) fn refused_daemon(&self, arguments: &[&str]) -> String {
        let instance = self.runtime().join("default");
        self.topology.instance(instance).unwrap();
        let mut command = self.starting(arguments);
        let output = self.director.output(&mut command, PATIENCE).unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        message
    }

    /// The daemon's process id.
    pub(crate) fn daemon_pid(&self) -> i32 {
        self.daemon.as_ref().unwrap().process().pid
    }

    /// What the daemon wrote.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.director.folder().join("daemon.log")).unwrap()
    }

    /// Runs `xvs ARGUMENTS`.
    pub(crate) fn xvs(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
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

    /// Runs a line of `xvs` that must succeed.
    pub(crate) fn line(&self, line: &str) -> &Self {
        self.done(&line.split(' ').collect::<Vec<_>>());
        self
    }

    /// Runs a line of `xvs` that must fail with status 1 and nothing on stdout; answers its message.
    pub(crate) fn refused(&self, line: &str) -> String {
        let output = self.xvs(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(1), "xvs {line}: {output:?}");
        assert!(output.stdout.is_empty(), "xvs {line}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The status, as JSON.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.done(&["status", "--json"])).unwrap()
    }

    /// A counter of the status: a reason of drops, or another event.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let status = self.status();
        let found = ["drops", "events"].map(|list| status[list][name].as_u64());
        found.into_iter().flatten().next().unwrap()
    }

    /// The links that carry the datapath but for the loopback link, as `NAME:HOOK`, in order.
    pub(crate) fn links(&self) -> Vec<String> {
        let mut links = self.all_links();
        links.retain(|link| !link.starts_with("lo:"));
        links
    }

    /// Whether the loopback link carries it, for clients on the director.
    pub(crate) fn carries_loopback(&self) -> bool {
        self.all_links().contains(&"lo:tcx".to_owned())
    }

    fn all_links(&self) -> Vec<String> {
        let status = self.status();
        let links = status["links"].as_array().unwrap().iter();
        let mut links: Vec<String> = links
            .map(|link| format!("{}:{}", link["name"], link["hook"]).replace('"', ""))
            .collect();
        links.sort();
        links
    }

    /// What is pinned of links but for the loopback link, as `NAME-KIND`, in order: what really is
    /// attached.
    pub(crate) fn pinned_links(&self) -> Vec<String> {
        let pins = self.runtime().join("default/bpf");
        let layouts = fs::read_dir(pins).unwrap().map(Result::unwrap);
        let mut found = Vec::new();
        for layout in layouts.filter(|entry| entry.path().join("links").is_dir()) {
            for link in fs::read_dir(layout.path().join("links")).unwrap() {
                let name = link.unwrap().file_name().into_string().unwrap();
                let (index, kind) = name.split_once('-').unwrap();
                found.push(format!("{}-{kind}", self.director_link(index)));
            }
        }
        found.retain(|link| !link.starts_with("lo-"));
        found.sort();
        found
    }

    /// Runs a tool on the director and answers what it wrote.
    pub(crate) fn on_director(&self, line: &str) -> String {
        output_of(&self.director, line)
    }

    fn director_link(&self, index: &str) -> String {
        let links = self.on_director("ip -o link");
        let found = links.lines().find_map(|line| {
            let rest = line.strip_prefix(&format!("{index}: "))?;
            Some(rest.split([':', '@']).next()?.to_owned())
        });
        found.unwrap_or_else(|| format!("link {index}, which is gone"))
    }

    /// The folder of the daemon's instances.
    pub(crate) fn runtime(&self) -> PathBuf {
        folder(&self.topology.name()).join("run")
    }

    fn starting(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_xvs"), "run"])
            .args(arguments);
        if !arguments.contains(&"--connections") {
            // A small table, for there are many daemons.
            command.args(["--connections", "65536"]);
        }
        self.with_environment(&mut command);
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xvs"));
        self.with_environment(&mut command);
        command
    }

    fn with_environment(&self, command: &mut Command) {
        command
            .env("XVS_RUNTIME_DIR", self.runtime())
            .env("NO_COLOR", "1")
            .env_remove("XVS_INSTANCE")
            .env_remove("XVS_LOG");
    }
}

/// Runs a line on a host, which must succeed, and answers what it wrote.
pub(crate) fn output_of(host: &Host, line: &str) -> String {
    let (program, arguments) = line.split_once(' ').unwrap_or((line, ""));
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let output = host.run(program, &arguments).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the tests can run: as root, with the tools they need. In CI they must.
pub(crate) fn can_run() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    let missing: Vec<&str> = ["ip", "ethtool", "setpriv"]
        .into_iter()
        .filter(|tool| !installed(tool))
        .chain((!root).then_some("root"))
        .collect();
    missing.is_empty() || skipped(&missing)
}

/// Whether a tool that only one test needs is there; in CI it must be.
pub(crate) fn has(tool: &str) -> bool {
    installed(tool) || skipped(&[tool])
}

fn installed(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(tool).exists())
}

fn skipped(missing: &[&str]) -> bool {
    assert_ne!(
        env::var("CI").as_deref(),
        Ok("true"),
        "CI needs {missing:?}"
    );
    eprintln!("skipped: needs {missing:?}");
    false
}
