//! What keepalived 2.2.7 did, done again: the same IPVS commands, FIFO lines and log lines in the same
//! order. The one difference is named: the sorry server leaves last.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use support::{World, misc, real_server, sorry, virtual_server};
use xvs_check::{Quorum, Release, Share};
use xvs_types::{Op, Scheduler};

/// A recording: commands with their times, the FIFO lines between them, and the log.
struct Recording {
    /// Seconds and the line behind them.
    commands: Vec<(f64, String)>,
    log: Vec<String>,
}

impl Recording {
    fn read(text: &str) -> Self {
        let (_, rest) = text.split_once("=== ipvs commands").unwrap();
        let (commands, log) = rest.split_once("=== log\n").unwrap();
        let (log, _) = log.split_once("=== notify").unwrap();
        Self {
            commands: commands.lines().skip(1).filter_map(timed).collect(),
            log: log
                .lines()
                .filter_map(|line| Some(line.split_once(' ')?.1.to_owned()))
                .collect(),
        }
    }

    /// What was done to the servers, with the time since the first command.
    fn steps(&self) -> Vec<(Duration, &str)> {
        let start = self.commands[0].0;
        self.commands
            .iter()
            .filter_map(|(at, line)| Some((at, line.strip_prefix("### ")?)))
            .map(|(at, line)| (Duration::from_secs_f64(at - start), line))
            .collect()
    }

    /// The commands in few words.
    fn ops(&self) -> Vec<String> {
        let commands = self.commands.iter().map(|(_, line)| line);
        commands
            .filter(|line| !line.starts_with("###"))
            .map(|line| {
                let field = |name: &str| {
                    let word = line.split(' ').find_map(|word| word.strip_prefix(name));
                    word.unwrap().to_owned()
                };
                let verb = line.split(' ').next().unwrap();
                match verb {
                    "ADDDEST" | "EDITDEST" => format!("{verb} {} {}", field("rs="), field("w=")),
                    "DELDEST" => format!("{verb} {}", field("rs=")),
                    "ADD" | "EDIT" => format!("{verb} {}", field("sched=")),
                    _ => verb.to_owned(),
                }
            })
            .collect()
    }

    /// The FIFO lines that were written meanwhile.
    fn fifo(&self) -> Vec<String> {
        let (first, last) = (self.commands[0].0, self.commands.last().unwrap().0);
        include_str!("fixtures/lvs_fifo.txt")
            .lines()
            .filter_map(timed)
            .filter(|(at, _)| (first - 0.01..=last + 0.01).contains(at))
            .map(|(_, line)| line)
            .collect()
    }

    /// The lines of the log that this crate writes.
    fn log(&self) -> Vec<String> {
        const OURS: [&str; 12] = [
            "Activating healthchecker",
            "Adding s",
            "Changing weight",
            "Disabling",
            "Enabling",
            "Gained",
            "Lost",
            "Misc check",
            "Removing s",
            "Shutting down",
            "TCP_CHECK",
            "TCP connection",
        ];
        let ours = |line: &&String| OURS.iter().any(|start| line.starts_with(start));
        self.log.iter().filter(ours).cloned().collect()
    }
}

fn timed(line: &str) -> Option<(f64, String)> {
    let (at, line) = line.split_once(' ')?;
    Some((at.parse().ok()?, line.to_owned()))
}

fn words(ops: &[Op]) -> Vec<String> {
    ops.iter()
        .map(|op| match op {
            Op::AddRealServer { real_server, .. } => {
                format!(
                    "ADDDEST {} {}",
                    real_server.endpoint,
                    real_server.weight.get()
                )
            }
            Op::AddVirtualServer { virtual_server } => format!("ADD {}", virtual_server.scheduler),
            Op::DeleteRealServer { endpoint, .. } => format!("DELDEST {endpoint}"),
            Op::DeleteVirtualServer { .. } => "DEL".to_owned(),
            Op::EditRealServer { real_server, .. } => {
                format!(
                    "EDITDEST {} {}",
                    real_server.endpoint,
                    real_server.weight.get()
                )
            }
            Op::EditVirtualServer { virtual_server } => {
                format!("EDIT {}", virtual_server.scheduler)
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Does to the world what was done at the recorded times.
fn replay(world: &mut World, recording: &Recording) {
    let mut passed = Duration::ZERO;
    for (at, step) in recording.steps() {
        world.pass(at - passed);
        passed = at;
        let step: Vec<&str> = step.split(' ').collect();
        match step.as_slice() {
            ["kill", "rs", port, ..] | ["kill", port] => world.down(port.parse().unwrap()),
            ["start", "rs", port] | ["start", port] => world.up(port.parse().unwrap()),
            ["start"] => world.up(9001),
            ["exit", "status", "1"] => world.down(9001),
            ["exit", "status", "0"] => world.up(9001),
            ["exit", "status", status] => {
                let weight = status.parse::<u32>().unwrap() - 2;
                world.answers.insert(9001, Share::Set(weight));
            }
            ["SIGTERM"] => {
                world.checks.stop(Release::Everything);
                world.act();
            }
            other => panic!("{other:?}"),
        }
    }
}

fn same(world: &World, recording: &Recording) {
    assert_eq!(words(&world.ops), recording.ops());
    assert_eq!(world.notified, recording.fifo());
    same_log(world, recording);
}

/// First successes come in the order of chance; all else in the same order.
fn same_log(world: &World, recording: &Recording) {
    let split = |lines: &[String]| {
        let (mut connected, others): (Vec<String>, Vec<String>) = lines
            .iter()
            .cloned()
            .partition(|line| line.starts_with("TCP connection"));
        connected.sort();
        (connected, others)
    };
    assert_eq!(split(&world.logged), split(&recording.log()));
}

#[test]
fn alpha_waits_for_the_first_success_and_omega_tells_the_end() {
    let recording = Recording::read(include_str!("fixtures/alpha_omega.txt"));
    let mut config = virtual_server(vec![real_server(9001, 1), real_server(9002, 1)]);
    config.alpha = true;
    config.omega = true;
    for server in &mut config.real_servers {
        server.checkers[0].alpha = true;
    }
    let mut world = World::new(&[9001]);
    world.configure(vec![config]);
    replay(&mut world, &recording);
    same(&world, &recording);
}

#[test]
fn an_inhibited_server_stays_with_weight_0() {
    let recording = Recording::read(include_str!("fixtures/inhibit_on_failure.txt"));
    let mut config = virtual_server(vec![real_server(9001, 1), real_server(9002, 1)]);
    for server in &mut config.real_servers {
        server.inhibit_on_failure = true;
    }
    let mut world = World::new(&[9001]);
    world.configure(vec![config]);
    replay(&mut world, &recording);
    assert_eq!(words(&world.ops), recording.ops());
    assert_eq!(world.notified, recording.fifo());
    // The recorded checks began at different times, so two first results changed places.
    let mut ours = world.logged.clone();
    let mut theirs = recording.log();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
}

#[test]
fn a_program_sets_the_weight() {
    let recording = Recording::read(include_str!("fixtures/misc_dynamic.txt"));
    let mut server = real_server(9001, 10);
    server.checkers = vec![misc(9001)];
    let mut world = World::new(&[9001]);
    world.configure(vec![virtual_server(vec![server])]);
    replay(&mut world, &recording);
    same(&world, &recording);
}

#[test]
fn the_quorum_is_lost_and_gained_with_hysteresis() {
    let recording = Recording::read(include_str!("fixtures/quorum_hysteresis.txt"));
    let servers = [9001, 9002, 9003].map(|port| real_server(port, 10));
    let mut config = virtual_server(servers.to_vec());
    config.quorum = Quorum {
        weight: 20,
        hysteresis: 5,
    };
    let mut world = World::new(&[9001, 9002, 9003]);
    world.configure(vec![config]);
    replay(&mut world, &recording);
    same(&world, &recording);
}

#[test]
fn the_sorry_server_comes_as_recorded_and_leaves_last() {
    let recording = Recording::read(include_str!("fixtures/sorry_server.txt"));
    let mut config = virtual_server(vec![real_server(9001, 1), real_server(9002, 1)]);
    config.sorry_server = Some(sorry(9099));
    let mut world = World::new(&[9001, 9002]);
    world.configure(vec![config]);
    replay(&mut world, &recording);
    // keepalived empties the pool for a moment; here the real server is in before the other leaves.
    let mut theirs = recording.ops();
    let leaves = theirs
        .iter()
        .position(|op| op == "DELDEST 127.0.0.1:9099")
        .unwrap();
    assert_eq!(theirs[leaves + 1], "ADDDEST 127.0.0.1:9001 1");
    theirs.swap(leaves, leaves + 1);
    assert_eq!(words(&world.ops), theirs);
    assert_eq!(world.notified, recording.fifo());
    same_log(&world, &recording);
}

#[test]
fn a_reload_changes_what_is_different_and_failed_servers_stay_out() {
    let recording = Recording::read(include_str!("fixtures/reload.txt"));
    let mut world = World::new(&[9001, 9002]);
    let servers = |ports: &[(u16, u32)]| {
        let servers = ports
            .iter()
            .map(|(port, weight)| real_server(*port, *weight));
        vec![virtual_server(servers.collect())]
    };
    world.configure(servers(&[(9001, 1), (9003, 1)]));
    world.pass(Duration::from_secs(5));
    world.configure(servers(&[(9001, 5), (9002, 1), (9003, 1)]));
    world.pass(Duration::from_secs(4));
    world.configure(servers(&[(9002, 1), (9003, 1)]));
    world.pass(Duration::from_secs(3));
    let mut wlc = servers(&[(9002, 1), (9003, 1)]);
    wlc[0].rules[0].scheduler = Scheduler::Wlc;
    world.configure(wlc);
    world.pass(Duration::from_secs(3));
    // Later reloads of the recording make two servers one, which keepalived does not notice.
    let theirs = recording.ops();
    assert_eq!(words(&world.ops), theirs[..8]);
    assert_eq!(world.notified, recording.fifo()[..3]);
    world.ops.clear();
    world.configure(Vec::new());
    assert_eq!(words(&world.ops), ["DELDEST 127.0.0.1:9002", "DEL"]);
}
