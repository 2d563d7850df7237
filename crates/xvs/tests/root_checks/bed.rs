//! A place with a configuration file and real servers that can die and come back.

use std::{
    fs,
    net::{TcpListener, ToSocketAddrs},
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{Daemon, Place, wait_until};

/// A place and the file in it.
pub(crate) struct Bed {
    pub(crate) place: Place,
    folder: tempfile::TempDir,
}

impl Bed {
    pub(crate) fn new(configuration: &str) -> Self {
        let bed = Self {
            place: Place::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        bed.write(configuration);
        bed
    }

    /// Replaces the file.
    pub(crate) fn write(&self, configuration: &str) {
        fs::write(self.file(), configuration).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("keepalived.conf")
    }

    /// Another file beside it.
    pub(crate) fn other(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A folder beside it, that may be there.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn daemon(&self) -> Daemon {
        self.place.daemon(&["-f", self.file().to_str().unwrap()])
    }

    /// A daemon whose log nobody keeps: it may be long.
    pub(crate) fn daemon_in_silence(&self) -> Daemon {
        let mut command = self.place.tool(env!("CARGO_BIN_EXE_xvs"));
        command.args(["run", "--simulate", "-f"]).arg(self.file());
        let daemon = Daemon::spawn_in_silence(&mut command);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.place.xvs(&["hook", "show"]).status.success() {
            assert!(Instant::now() < deadline, "the daemon does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        daemon
    }

    /// `keepalived ARGUMENTS` with the file, in its folder and without a datapath, to be run.
    pub(crate) fn keepalived(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.tool(env!("CARGO_BIN_EXE_xvs"));
        command
            .args(["keepalived", "--simulate", "-f"])
            .arg(self.file())
            .args(arguments)
            .current_dir(self.folder.path());
        command
    }

    /// `keepalived -nlG ARGUMENTS`, with pid files of its own.
    pub(crate) fn foreground(&self, arguments: &[&str]) -> Daemon {
        let mut command = self.keepalived(&["-nlG", "-p", "own.pid"]);
        Daemon::spawn(command.args(arguments))
    }

    /// A real server in the place that accepts and hangs up.
    pub(crate) fn server(&self, address: &str) -> Server {
        Server::start(&self.place, address)
    }

    /// The real servers of `rules` as `ipvsadm` lists them.
    pub(crate) fn real_servers(&self) -> Vec<String> {
        let listing = self.place.done(&["ipvsadm", "-Ln"]);
        let lines = listing.lines().skip(3);
        let real = lines.filter_map(|line| line.trim_start().strip_prefix("-> "));
        real.map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{} {}", words[0], words[2])
        })
        .collect()
    }

    pub(crate) fn wait_for(&self, real_servers: &[&str]) {
        let what = format!("{real_servers:?}");
        let mut seen = Vec::new();
        for _ in 0..3 {
            // Three times the patience of one wait: checks have their own pace.
            let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                wait_until(&what, || {
                    seen = self.real_servers();
                    seen == real_servers
                });
            }));
            if found.is_ok() {
                return;
            }
        }
        panic!("waited for {what}, there is {seen:?}");
    }

    /// `xvs status --json` at this path.
    pub(crate) fn status(&self, pointer: &str) -> serde_json::Value {
        self.place
            .status()
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer} in {}", self.place.status()))
            .clone()
    }
}

/// A real server; it dies with this, by RST.
pub(crate) struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start(place: &Place, address: &str) -> Self {
        let address = address.to_socket_addrs().unwrap().next().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = thread::spawn({
            let (stop, namespace) = (Arc::clone(&stop), format!("/proc/{}/ns/net", place.pid()));
            move || {
                // This thread alone moves; it ends in there.
                let namespace = fs::File::open(namespace).unwrap();
                nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
                let listener = TcpListener::bind(address).unwrap();
                listener.set_nonblocking(true).unwrap();
                ready.send(()).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    // Nobody there is the usual case.
                    if listener.accept().is_err() {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            }
        });
        is_ready.recv().unwrap();
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
