//! Three network namespaces, real servers in one, xvs and keepalived in the others.

use std::{
    fmt::Write,
    fs::{self, File},
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, SystemTime},
};

use super::servers::{PORT, Servers};
use crate::support::{Place, wait_until};

/// Who checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Keepalived,
    Xvs,
}

impl Who {
    pub(crate) const BOTH: [Self; 2] = [Self::Keepalived, Self::Xvs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keepalived => "keepalived",
            Self::Xvs => "xvs",
        }
    }

    /// Where its checks come from.
    pub(crate) fn address(self) -> IpAddr {
        Ipv4Addr::new(10, 8, self.number(), 1).into()
    }

    fn number(self) -> u8 {
        match self {
            Self::Keepalived => 1,
            Self::Xvs => 2,
        }
    }
}

/// The places, and what runs in them.
pub(crate) struct Rig {
    pub(crate) servers: Servers,
    pub(crate) field: Place,
    homes: [Place; 2],
    folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let field = Place::new();
        let homes = Who::BOTH.map(|who| {
            let home = Place::new();
            let n = who.number();
            home.ip(&format!(
                "link add field type veth peer name home{n} netns {}",
                field.pid()
            ));
            home.ip(&format!("addr add 10.8.{n}.1/24 dev field"));
            home.ip("link set field up");
            field.ip(&format!("addr add 10.8.{n}.254/24 dev home{n}"));
            field.ip(&format!("link set home{n} up"));
            home.ip(&format!("route add 10.9.0.0/16 via 10.8.{n}.254"));
            home
        });
        field.ip("route add local 10.9.0.0/16 dev lo");
        Self {
            servers: Servers::new(&field),
            field,
            homes,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts `who` with `configuration`.
    pub(crate) fn start(&self, who: Who, configuration: &str) -> Running {
        let file = self.folder.path().join(format!("{}.conf", who.name()));
        let ops = file.with_extension("ops");
        fs::write(&file, configuration).unwrap();
        let _before = fs::remove_file(&ops);
        let log = File::create(file.with_extension("log")).unwrap();
        let mut command = match who {
            Who::Xvs => self.xvs(&file, log),
            Who::Keepalived => self.keepalived(&file, &ops, log),
        };
        let running = Running {
            child: command.spawn().unwrap(),
            ops: match who {
                Who::Xvs => file.with_extension("log"),
                Who::Keepalived => ops,
            },
            who,
        };
        let wanted = configuration.matches("real_server ").count();
        wait_until("all real servers", || running.added() >= wanted);
        running
    }

    /// The most that xvs began a check after it was due, in milliseconds.
    pub(crate) fn latest_start_ms(&self) -> u64 {
        let status = self.home(Who::Xvs).status();
        status["checks"]["latest_start_ms"].as_u64().unwrap()
    }

    fn home(&self, who: Who) -> &Place {
        let [keepalived, xvs] = &self.homes;
        match who {
            Who::Keepalived => keepalived,
            Who::Xvs => xvs,
        }
    }

    /// xvs without a datapath, as keepalived is without IPVS.
    fn xvs(&self, file: &Path, log: File) -> Command {
        let mut command = self.home(Who::Xvs).tool(env!("CARGO_BIN_EXE_xvs"));
        command.args(["run", "--simulate", "-f"]).arg(file);
        command
            .env("XVS_LOG", "info,xvs_director::keeper=debug")
            .stderr(log);
        command
    }

    fn keepalived(&self, file: &Path, ops: &Path, log: File) -> Command {
        let shim = self.shim();
        let mut command = self.home(Who::Keepalived).tool("env");
        command
            .arg(format!("LD_PRELOAD={}", shim.display()))
            .arg(format!("XVS_IPVS_LOG={}", ops.display()))
            .args(["keepalived", "-n", "-l", "-G", "-D", "-C", "-f"])
            .arg(file);
        for (option, name) in [("-p", "parent.pid"), ("-c", "checkers.pid")] {
            command.arg(option).arg(self.folder.path().join(name));
        }
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    fn shim(&self) -> PathBuf {
        let shim = self.folder.path().join("ipvs.so");
        let source = format!(
            "{}/tests/root_checks/beside/ipvs.c",
            env!("CARGO_MANIFEST_DIR")
        );
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .args([shim.as_os_str(), source.as_ref()])
            .status();
        assert!(built.unwrap().success());
        shim
    }
}

/// A daemon; killed with this, and its children with it.
pub(crate) struct Running {
    child: Child,
    ops: PathBuf,
    who: Who,
}

impl Running {
    /// Which one it is.
    pub(crate) fn who(&self) -> Who {
        self.who
    }

    /// When `real_server` was removed after `since`.
    pub(crate) fn removed(&self, real_server: Ipv4Addr, since: SystemTime) -> Option<SystemTime> {
        self.when(real_server, since, ["DELDEST", "delete_real_server"])
    }

    /// When `real_server` was added after `since`.
    pub(crate) fn came_back(&self, real_server: Ipv4Addr, since: SystemTime) -> Option<SystemTime> {
        self.when(real_server, since, ["ADDDEST", "add_real_server"])
    }

    /// All that it did.
    pub(crate) fn did(&self) -> String {
        fs::read_to_string(&self.ops).unwrap()
    }

    /// Its process and those of its children.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let children = children.split_whitespace().map(|one| one.parse().unwrap());
        std::iter::once(pid).chain(children).collect()
    }

    fn added(&self) -> usize {
        let text = fs::read_to_string(&self.ops).unwrap_or_default();
        let verb = match self.who {
            Who::Keepalived => "ADDDEST",
            Who::Xvs => "add_real_server",
        };
        text.matches(verb).count()
    }

    fn when(
        &self,
        real_server: Ipv4Addr,
        since: SystemTime,
        verbs: [&str; 2],
    ) -> Option<SystemTime> {
        let text = self.did();
        match self.who {
            Who::Keepalived => {
                let end = format!("{} {real_server}", verbs[0]);
                let lines = text.lines().filter(|line| line.ends_with(&end));
                lines.map(epoch).find(|at| *at > since)
            }
            Who::Xvs => {
                let to = format!("{{\"address\":\"{real_server}\",\"port\":{PORT}}}");
                let lines = text
                    .lines()
                    .filter(|line| line.contains(verbs[1]) && line.contains(&to));
                lines.map(|line| clock(line, since)).find(|at| *at > since)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let processes = self.processes();
        for pid in processes {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
            let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        let _ended = self.child.wait();
    }
}

/// Virtual servers of ten real servers each, with `settings` and one TCP_CHECK.
pub(crate) fn configuration(
    first_vip: u8,
    real_servers: &[Ipv4Addr],
    settings: &str,
    connect_timeout: &str,
) -> String {
    let mut text = String::new();
    for (number, group) in real_servers.chunks(10).enumerate() {
        let (third, fourth) = (number / 250, number % 250 + 1);
        write!(
            text,
            "virtual_server 10.{first_vip}.{third}.{fourth} 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n{settings}"
        )
        .unwrap();
        for one in group {
            write!(
                text,
                " real_server {one} {PORT} {{\n  TCP_CHECK {{\n   connect_timeout {connect_timeout}\n  }}\n }}\n"
            )
            .unwrap();
        }
        text.push_str("}\n");
    }
    text
}

/// The seconds that a line begins with.
fn epoch(line: &str) -> SystemTime {
    let seconds: f64 = line.split(' ').next().unwrap().parse().unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)
}

/// The time of day that a line begins with, as in `2026-11-21T08:18:15.050758Z`, on the day of `near`.
fn clock(line: &str, near: SystemTime) -> SystemTime {
    const DAY: u64 = 86_400;
    let (_, time) = line.split_once('T').unwrap();
    let (time, _) = time.split_once('Z').unwrap();
    let mut parts = time.split(':').map(|part| part.parse::<f64>().unwrap());
    let mut part = || parts.next().unwrap();
    let seconds = part() * 3600.0 + part() * 60.0 + part();
    let today = near.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let midnight = Duration::from_secs(today.as_secs() / DAY * DAY);
    SystemTime::UNIX_EPOCH + midnight + Duration::from_secs_f64(seconds)
}
