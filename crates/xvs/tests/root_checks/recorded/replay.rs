//! A recording done again: the same file, the same deeds at the same distances, and what came of them.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::Signal,
    unistd::{Pid, mkfifo},
};
use xvs_types::Op;

use super::recording::{Recording, Scenario, Seen, words};
use crate::{
    bed::{Bed, Server},
    mail::MailServer,
    support::wait_until,
};

/// What the scripts of the recordings do: a line with their arguments, and a status from a file.
const NOTE: &str =
    "#!/bin/sh\nline=; for word; do line=\"$line [$word]\"; done; echo \"$line\" >>run/notes\n";
const STATUS: &str = "#!/bin/sh\nexit $(cat run/status)\n";
/// How long what was recorded may be late.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does it all again.
pub(crate) fn replay(scenario: &Scenario, recording: &Recording) -> Seen {
    let mut stage = Stage::new(scenario, recording);
    let began = Instant::now();
    let mut passed = Duration::ZERO;
    for (at, step, commands_before) in &recording.steps {
        thread::sleep(*at - passed);
        passed = *at;
        // What is missing for good shows in the end; what is only late delays the next deed.
        stage.wait_for_ops(*commands_before);
        stage.perform(step);
    }
    eprintln!("{}: done after {:?}", scenario.name, began.elapsed());
    stage.end(scenario)
}

struct Stage {
    bed: Bed,
    daemon: std::process::Child,
    servers: Vec<(u16, Server)>,
    mail: MailServer,
    fifo: Arc<Mutex<Vec<String>>>,
    vrrp: bool,
}

impl Stage {
    fn new(scenario: &Scenario, recording: &Recording) -> Self {
        let mut config = recording.config.clone();
        if scenario.name == "reload" {
            config.push_str(&reloaded(0));
        }
        let bed = Bed::new(&config);
        let folder = bed.folder("run");
        for (name, text) in [("n.sh", NOTE), ("m.sh", STATUS)] {
            fs::write(folder.join(name), text).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(folder.join("status"), "0").unwrap();
        fs::write(folder.join("notes"), "").unwrap();
        for command in [
            "link add eth0 type veth peer name eth0p",
            "link set eth0p up",
            "link set eth0 up",
            "addr add 10.98.0.1/24 dev eth0",
        ] {
            bed.place.ip(command);
        }
        let mail = MailServer::start(&bed.place, "127.0.0.1:2525");
        let fifo = reader(&folder.join(if scenario.vrrp {
            "vrrp.fifo"
        } else {
            "lvs.fifo"
        }));
        let servers = scenario.up.iter().map(|port| (*port, server(&bed, *port)));
        let servers = servers.collect();
        let log = File::create(bed.file().with_extension("log")).unwrap();
        let only = if scenario.vrrp { "-P" } else { "-C" };
        let daemon = bed
            .keepalived(&["-n", "-D", "-l", "-G", only, "-p", "run/k.pid"])
            .env("XVS_LOG", "info,xvs_director::keeper=debug")
            .stderr(log)
            .spawn()
            .unwrap();
        let stage = Self {
            bed,
            daemon,
            servers,
            mail,
            fifo,
            vrrp: scenario.vrrp,
        };
        wait_until("its start", || {
            stage.log().contains("Startup complete") || !stage.ops().is_empty()
        });
        stage
    }

    fn log(&self) -> String {
        fs::read_to_string(self.bed.file().with_extension("log")).unwrap()
    }

    /// The ops that the rules took, in the words of the recordings.
    fn ops(&self) -> Vec<String> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| line.split_once("rules: "));
        lines
            .map(|(_, op)| word(&serde_json::from_str(op).unwrap()))
            .collect()
    }

    fn wait_for_ops(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.ops().len() < count && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Does what was done to keepalived.
    fn perform(&mut self, step: &str) {
        let step: Vec<&str> = step.split(' ').collect();
        match step.as_slice() {
            ["kill", "rs", port, ..] | ["kill", port] => {
                let port: u16 = port.parse().unwrap();
                self.servers.retain(|(up, _)| *up != port);
            }
            ["start"] => self.start("9001"),
            ["start", "rs", port] | ["start", port] => self.start(port),
            ["exit", "status", status] | ["script", "exit", status] => {
                fs::write(self.bed.folder("run").join("status"), status).unwrap();
            }
            ["reload:", what @ ..] => {
                let number = RELOADS.iter().position(|one| *one == what.join(" "));
                let text = fs::read_to_string(self.bed.file()).unwrap();
                let (global, _) = text.split_once("virtual_server").unwrap();
                let number = number.unwrap() + 1;
                self.bed.write(&format!("{global}{}", reloaded(number)));
                self.signal(Signal::SIGHUP);
            }
            ["eth0", "peer", "down"] | ["peer", "down"] => {
                drop(self.bed.place.ip("link set eth0p down"));
            }
            ["up"] => drop(self.bed.place.ip("link set eth0p up")),
            ["delete", "VIP", "by", "hand"] => {
                drop(self.bed.place.ip("addr del 10.98.0.50/24 dev eth0"));
            }
            ["SIGHUP", ..] => self.signal(Signal::SIGHUP),
            ["SIGUSR1/2/JSON"] => {
                self.signal(Signal::SIGUSR1);
                self.signal(Signal::SIGUSR2);
            }
            ["SIGTERM"] => self.signal(Signal::SIGTERM),
            other => panic!("{other:?}"),
        }
    }

    fn start(&mut self, port: &str) {
        let port = port.parse().unwrap();
        self.servers.push((port, server(&self.bed, port)));
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.daemon.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// What was seen, once it has ended.
    fn end(mut self, scenario: &Scenario) -> Seen {
        wait_until("its end", || self.daemon.try_wait().unwrap().is_some());
        let status = self.daemon.wait().unwrap();
        assert!(
            status.success(),
            "{}: {status}\n{}",
            scenario.name,
            self.log()
        );
        let notes = fs::read_to_string(self.bed.folder("run").join("notes")).unwrap();
        let subjects = self.mail.subjects();
        Seen {
            ops: if self.vrrp { Vec::new() } else { self.ops() },
            fifo: self.fifo.lock().unwrap().clone(),
            mails: subjects.len(),
            subjects,
            scripts: words(&notes),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _gone = self.daemon.kill();
        let _ended = self.daemon.wait();
    }
}

/// The reloads of the recording, in its words.
const RELOADS: [&str; 5] = [
    "add 9002, weight 9001 1->5, 9003 still failed",
    "remove 9001",
    "sched rr->wlc",
    "kind NAT->DR",
    "remove VS",
];

/// The virtual server after so many reloads; none in the end.
fn reloaded(number: usize) -> String {
    let servers: &[(u16, u32)] = match number {
        0 => &[(9001, 1), (9003, 1)],
        1 => &[(9001, 5), (9002, 1), (9003, 1)],
        5 => return "! virtual_server\n".to_owned(),
        _ => &[(9002, 1), (9003, 1)],
    };
    let scheduler = if number < 3 { "rr" } else { "wlc" };
    let method = if number < 4 { "NAT" } else { "DR" };
    let servers: String = servers
        .iter()
        .map(|(port, weight)| {
            format!(
                " real_server 127.0.0.1 {port} {{\n  weight {weight}\n  TCP_CHECK {{\n  }}\n }}\n"
            )
        })
        .collect();
    format!(
        "virtual_server 10.98.0.100 80 {{\n delay_loop 1\n lb_algo {scheduler}\n lb_kind {method}\n \
         protocol TCP\n{servers}}}\n"
    )
}

fn server(bed: &Bed, port: u16) -> Server {
    bed.server(&format!("127.0.0.1:{port}"))
}

/// Reads a FIFO that never ends, for its reader holds it open for writing too.
fn reader(path: &Path) -> Arc<Mutex<Vec<String>>> {
    mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let fifo = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&lines);
    // It waits for a line that never comes when the test is over, and ends with the process.
    thread::spawn(move || {
        for line in BufReader::new(fifo).lines() {
            kept.lock().unwrap().push(line.unwrap());
        }
    });
    lines
}

fn word(op: &Op) -> String {
    match op {
        Op::AddRealServer { real_server, .. } => {
            let weight = real_server.weight.get();
            format!("ADDDEST {} {weight}", real_server.endpoint)
        }
        Op::AddVirtualServer { virtual_server } => format!("ADD {}", virtual_server.scheduler),
        Op::DeleteRealServer { endpoint, .. } => format!("DELDEST {endpoint}"),
        Op::DeleteVirtualServer { .. } => "DEL".to_owned(),
        Op::EditRealServer { real_server, .. } => {
            let weight = real_server.weight.get();
            format!("EDITDEST {} {weight}", real_server.endpoint)
        }
        Op::EditVirtualServer { virtual_server } => format!("EDIT {}", virtual_server.scheduler),
        other => format!("{other:?}"),
    }
}
