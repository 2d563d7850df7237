//! BFD beside Debian's keepalived: up, intervals, death and goodbye of either end.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, time::timeout};
use xvs_bfd::{Reason, SessionConfig, State};
use xvs_net::{BfdEvent, BfdService};

use crate::support::Namespace;

/// keepalived in a namespace; killed with its children when the test ends.
struct Keepalived {
    process: Child,
    folder: tempfile::TempDir,
}

impl Keepalived {
    /// Starts it with one session; none, with the reason printed, where it is not installed.
    fn start(namespace: &Namespace, instance: &str) -> Option<Self> {
        let program = Path::new("/usr/sbin/keepalived");
        if !program.exists() {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "needed in CI: keepalived"
            );
            eprintln!("skipped: keepalived is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let config = format!(
            "bfd_instance xvs {{\n{instance}\n}}\n\
             vrrp_instance VI {{\n interface to\n virtual_router_id 9\n state BACKUP\n \
             priority 100\n track_bfd {{\n  xvs\n }}\n virtual_ipaddress {{\n  10.77.9.9\n }}\n}}\n"
        );
        fs::write(path("k.conf"), config).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", namespace.name()));
        command.arg(program).args(["-n", "-l", "-D", "-G", "-f"]);
        command.arg(path("k.conf"));
        for (option, name) in [("-p", "k"), ("-r", "v"), ("-c", "c"), ("-b", "b")] {
            command.arg(option).arg(path(name));
        }
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Some(Self { process, folder })
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn pid_of(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    fn signal(&self, signal: &str, pids: &[String]) {
        let status = Command::new("kill").arg(signal).args(pids).status();
        assert!(status.unwrap().success());
    }

    /// As if its host had gone: nothing is sent any more.
    fn freeze(&self) {
        self.signal("-STOP", &[self.pid_of("b")]);
    }

    fn thaw(&self) {
        self.signal("-CONT", &[self.pid_of("b")]);
    }

    fn stop(&self) {
        self.signal("-TERM", &[self.pid_of("k")]);
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        let pids: Vec<String> = ["k", "b", "v"]
            .iter()
            .filter_map(|name| fs::read_to_string(self.folder.path().join(name)).ok())
            .map(|pid| pid.trim().to_owned())
            .collect();
        // Those that have ended already are no trouble.
        let _gone = Command::new("kill")
            .arg("-KILL")
            .args(&pids)
            .stderr(Stdio::null())
            .status();
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Two hosts on a link, 10.77.0.1 and 10.77.0.2, fd77::1 and fd77::2.
fn hosts() -> Option<[Namespace; 2]> {
    let (a, b) = (Namespace::new()?, Namespace::new()?);
    a.ip(&format!(
        "link add to type veth peer name to netns {}",
        b.name()
    ));
    for (host, number) in [(&a, 1), (&b, 2)] {
        host.ip(&format!("addr add 10.77.0.{number}/24 dev to"));
        host.ip(&format!("addr add fd77::{number}/64 dev to nodad"));
        host.ip("link set to up");
    }
    Some([a, b])
}

fn session(neighbour: &str) -> SessionConfig {
    SessionConfig {
        min_rx: Duration::from_millis(50),
        min_tx: Duration::from_millis(50),
        multiplier: 4,
        ..SessionConfig::new("keepalived", neighbour.parse().unwrap())
    }
}

async fn next(events: &mut mpsc::Receiver<BfdEvent>) -> (bool, Reason) {
    let event = timeout(Duration::from_secs(15), events.recv()).await;
    let event = event.expect("an event within 15 s").unwrap();
    assert_eq!(&*event.session, "keepalived");
    (event.up, event.reason)
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}

/// A whole life beside keepalived, over IPv4 or IPv6.
fn live_beside_keepalived(neighbour: &str, instance: &str) {
    let Some([ours, theirs]) = hosts() else {
        return;
    };
    let Some(keepalived) = Keepalived::start(&theirs, instance) else {
        return;
    };
    ours.block_on(|| async {
        let (service, mut events) = BfdService::start(vec![session(neighbour)], 1).unwrap();
        assert_eq!(next(&mut events).await, (true, Reason::Established));
        until("keepalived agrees", || keepalived.log().contains("Up")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let status = service.status().await.remove(0).1;
        assert_eq!(
            (status.state, status.neighbour_state),
            (State::Up, State::Up)
        );
        // What keepalived asked for, and its multiplier.
        assert_eq!(status.interval, Duration::from_millis(50));
        assert_eq!(status.detection_time, Some(Duration::from_millis(300)));

        let frozen = Instant::now();
        keepalived.freeze();
        assert_eq!(next(&mut events).await, (false, Reason::Silent));
        let after = frozen.elapsed();
        eprintln!("{neighbour}: silence noticed after {after:?}, detection time 300 ms");
        assert!(after >= Duration::from_millis(200), "{after:?}");
        assert!(after < Duration::from_millis(1_500), "{after:?}");
        keepalived.thaw();
        assert_eq!(next(&mut events).await, (true, Reason::Established));

        service.shutdown().await;
        until("keepalived hears our goodbye", || {
            keepalived.log().contains("Administratively Down")
        })
        .await;
        let (_service, mut events) = BfdService::start(vec![session(neighbour)], 2).unwrap();
        assert_eq!(next(&mut events).await, (true, Reason::Established));
        // It says no goodbye.
        keepalived.stop();
        assert_eq!(next(&mut events).await, (false, Reason::Silent));
    });
}

const SETTINGS: &str = " min_rx 40\n min_tx 60\n multiplier 5\n";

#[test]
fn root_a_session_with_keepalived_over_ipv4() {
    let instance = format!(" neighbor_ip 10.77.0.1\n source_ip 10.77.0.2\n{SETTINGS}");
    live_beside_keepalived("10.77.0.2", &instance);
}

#[test]
fn root_a_session_with_keepalived_over_ipv6() {
    let instance = format!(" neighbor_ip fd77::1\n source_ip fd77::2\n{SETTINGS}");
    live_beside_keepalived("fd77::2", &instance);
}

#[test]
fn root_a_port_that_is_taken_is_named() {
    let Some(host) = Namespace::new() else {
        return;
    };
    host.block_on(|| async {
        let taken = std::net::UdpSocket::bind("0.0.0.0:3784").unwrap();
        let error = BfdService::start(vec![session("10.77.0.2")], 1).unwrap_err();
        assert!(
            error.to_string().contains("UDP port 3784 (IPv4)"),
            "{error}"
        );
        drop(taken);
    });
}
