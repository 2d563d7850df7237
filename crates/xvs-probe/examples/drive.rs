//! Drives checks and probes together, as a director would, and says what that costs.
//!
//! `cargo run --release -p xvs-probe --example drive -- [CHECKS] [SECONDS]` runs so many TCP_CHECKs a
//! second against a listener of its own and prints its CPU time and the latest start of a check.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{self, UnboundedSender},
    task::AbortHandle,
};
use xvs_check::{
    Action, CheckerConfig, CheckerId, Checks, Kind, Outcome, Quorum, RealServerConfig, Share,
    Timing, VirtualServerConfig,
};
use xvs_conf::config::{CheckKind, Connection};
use xvs_probe::{Probe, Report, Success};
use xvs_types::{Endpoint, RealServer, VirtualServer, VirtualServerId};

const SECOND: Duration = Duration::from_secs(1);

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).map_while(|word| word.parse().ok());
    let checks: u16 = arguments.next().unwrap_or(1000);
    let seconds = u64::from(arguments.next().unwrap_or(10));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(drive(checks, Duration::from_secs(seconds)))
}

async fn drive(count: u16, time: Duration) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?;
    // On a thread of its own, which does not count.
    thread::spawn(move || while listener.accept().is_ok() {});
    let mut driver = Driver::new(count, to);
    let (sender, mut results) = mpsc::unbounded_channel();
    let end = Instant::now() + time;
    let before = cpu()?;
    while Instant::now() < end {
        driver.act(&sender);
        let timeout = driver.checks.poll_timeout().unwrap_or(end).min(end);
        tokio::select! {
            Some((checker, report)) = results.recv() => driver.result(checker, report),
            () = tokio::time::sleep_until(timeout.into()) => driver.timeout(),
        }
    }
    println!(
        "{count} checks a second for {time:?}: {} runs, {} failed, {:.2} % of a core, latest start {:?} late",
        driver.runs,
        driver.failed,
        (cpu()? - before).as_secs_f64() / time.as_secs_f64() * 100.0,
        driver.latest,
    );
    Ok(())
}

/// The machine, the probes that run, and what was seen.
struct Driver {
    checks: Checks<Probe>,
    running: HashMap<CheckerId, AbortHandle>,
    runs: u64,
    failed: u64,
    latest: Duration,
}

impl Driver {
    fn new(count: u16, to: SocketAddr) -> Self {
        let mut checks = Checks::new(BTreeSet::new(), false);
        let mut number = 0;
        // Spreads the first checks evenly over the second.
        let mut spread = |warmup: Duration| {
            number += 1;
            warmup * number / u32::from(count)
        };
        checks.configure(vec![config(count, to)], Instant::now(), &mut spread);
        Self {
            checks,
            running: HashMap::new(),
            runs: 0,
            failed: 0,
            latest: Duration::ZERO,
        }
    }

    /// Does all that the machine asks for.
    fn act(&mut self, results: &UnboundedSender<(CheckerId, Report)>) {
        while let Some(action) = self.checks.poll_action() {
            match action {
                Action::Run { checker, url } => {
                    let Some(probe) = self.checks.probe(checker).cloned() else {
                        continue;
                    };
                    let results = results.clone();
                    let task = tokio::spawn(async move {
                        let report = xvs_probe::run(&probe, url).await;
                        // The driver has ended when nobody takes it.
                        let _ended = results.send((checker, report));
                    });
                    self.running.insert(checker, task.abort_handle());
                }
                Action::Cancel(checker) => {
                    if let Some(task) = self.running.remove(&checker) {
                        task.abort();
                    }
                }
                // A director gives these to its dataplane, its log and its notifications.
                _ => {}
            }
        }
    }

    fn result(&mut self, checker: CheckerId, report: Report) {
        self.running.remove(&checker);
        self.runs += 1;
        let outcome = match report.result {
            Ok(Success::Plain) => Outcome::Success(Share::Configured),
            Ok(Success::WeightAdded(added)) => Outcome::Success(Share::Add(added)),
            Ok(Success::WeightSet(weight)) => Outcome::Success(Share::Set(weight)),
            Err(failure) => {
                self.failed += 1;
                Outcome::Failure(failure.to_string())
            }
        };
        self.checks.handle_result(checker, outcome, Instant::now());
    }

    fn timeout(&mut self) {
        let now = Instant::now();
        if let Some(due) = self.checks.poll_timeout() {
            self.latest = self.latest.max(now.saturating_duration_since(due));
        }
        self.checks.handle_timeout(now);
    }
}

fn config(count: u16, to: SocketAddr) -> VirtualServerConfig<Probe> {
    let target = Endpoint::new(to.ip(), to.port());
    let real_servers = (1..=count).map(|port| RealServerConfig {
        name: Arc::from(format!("[127.0.0.1]:tcp:{port}")),
        server: RealServer::new(Endpoint::new(to.ip(), port)),
        inhibit_on_failure: false,
        checkers: vec![CheckerConfig {
            log_all_failures: false,
            probe: Probe {
                kind: CheckKind::Tcp,
                connection: Some(Connection {
                    to: target,
                    from: None,
                    from_port: None,
                    interface: None,
                    mark: 0,
                }),
                timeout: 5 * SECOND,
                ssl: None,
            },
            kind: Kind::Tcp,
            timing: Timing {
                delay_loop: SECOND,
                retry: 1,
                delay_before_retry: SECOND,
                warmup: SECOND,
            },
            alpha: false,
            urls: 1,
            fast_recovery: false,
        }],
    });
    VirtualServerConfig {
        name: Arc::from("[192.0.2.1]:tcp:80"),
        rules: vec![VirtualServer::new(VirtualServerId::tcp(Endpoint::new(
            [192, 0, 2, 1].into(),
            80,
        )))],
        real_servers: real_servers.collect(),
        quorum: Quorum::default(),
        sorry_server: None,
        alpha: false,
        omega: false,
        ha_suspend: false,
    }
}

/// The CPU time of this thread.
fn cpu() -> io::Result<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a whole `timespec` that outlives the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = u64::try_from(time.tv_sec).map_err(io::Error::other)?;
    let nanos = u32::try_from(time.tv_nsec).map_err(io::Error::other)?;
    Ok(Duration::new(seconds, nanos))
}
