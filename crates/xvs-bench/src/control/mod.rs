//! The control plane: a large table of rules restored and listed, a change to it, and what the daemon
//! takes to start and to be.

mod traffic;

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use crate::{
    Scale,
    director::{CLIENTS, make_links},
    kernel,
    row::{Part, Row},
};
use traffic::Traffic;

/// Real servers of each virtual server.
const SERVERS: u32 = 10;
/// The first virtual server, and the network of the real servers.
const VIP: [u8; 4] = [10, 1, 0, 1];
const REAL: &str = "10.2.0.0/16";
/// Seconds that the daemon may take to answer.
const PATIENCE: u64 = 60;

/// Measures a daemon of the `xvs` beside this program.
pub(crate) fn measure(scale: &Scale) -> anyhow::Result<Part> {
    kernel::own_network()?;
    make_links()?;
    let traffic = Traffic::new(VIP, REAL)?;
    let folder = std::env::temp_dir().join(format!("xvs-bench-control-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let daemon = Daemon::start(&folder)?;
    let rules = write_rules(&folder, scale.rules())?;
    let lines = scale.rules() * (1 + SERVERS);
    let mut rows = vec![
        Row::new("start until it answers", "ms", &[daemon.started]),
        Row::new("memory of the daemon, no rules", "MiB", &[daemon.memory()?]),
    ];
    let restored = daemon.ipvsadm(&["-R"], Some(&rules))?.0;
    rows.push(Row::new(
        format!("{lines} rules restored"),
        "ms",
        &[restored],
    ));
    let (mut listed, mut edited, mut loaded) = (Vec::new(), Vec::new(), Vec::new());
    let mut weights = 2..;
    let mut change = || daemon.change_weight(weights.next().unwrap_or(1));
    for _ in 0..scale.rounds {
        let (time, text) = daemon.ipvsadm(&["-Ln"], None)?;
        let found = text.lines().count();
        ensure!(
            u32::try_from(found)? == lines + 3,
            "{found} lines are listed of {lines} rules"
        );
        listed.push(time);
        edited.push(change()?);
    }
    let traffic = traffic.begin()?;
    for _ in 0..scale.rounds {
        daemon.ipvsadm(&["-Ln"], None)?;
        loaded.push(change()?);
    }
    let rate = traffic.end()?;
    rows.push(Row::new(format!("{lines} rules listed"), "ms", &listed));
    rows.push(Row::new(
        format!("a weight changed among {lines} rules"),
        "ms",
        &edited,
    ));
    rows.push(Row::new(
        format!("a weight changed among {lines} rules, under load"),
        "ms",
        &loaded,
    ));
    rows.push(Row::new(
        "packets forwarded meanwhile",
        "M/s",
        &[rate / 1e6],
    ));
    rows.push(Row::new(
        format!("memory of the daemon, {lines} rules"),
        "MiB",
        &[daemon.memory()?],
    ));
    rows.push(Row::new(
        "all rules cleared",
        "ms",
        &[daemon.ipvsadm(&["-C"], None)?.0],
    ));
    drop(daemon);
    fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    Ok(Part {
        name: "control".into(),
        about: format!(
            "{} virtual servers with {SERVERS} real servers each, through `ipvsadm` of this build to a \
             daemon of it; wall-clock times.",
            scale.rules()
        ),
        rows,
        plots: Vec::new(),
        notes: vec![
            "The same beside ipvsadm and the kernel's IPVS, counted in instructions: oracle/scale.sh"
                .to_owned(),
        ],
    })
}

fn write_rules(folder: &Path, count: u32) -> anyhow::Result<PathBuf> {
    let mut text = String::new();
    for number in 0..count {
        let vip = format!("10.1.{}.{}:80", number / 250, number % 250 + 1);
        // Writing to a string does not fail.
        let _ = writeln!(text, "-A -t {vip} -s rr");
        for server in 1..=SERVERS {
            let _ = writeln!(
                text,
                "-a -t {vip} -r 10.2.{}.{server}:8080 -m -w 1",
                number % 100
            );
        }
    }
    let path = folder.join("rules");
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// A daemon in this network namespace.
struct Daemon {
    binary: PathBuf,
    folder: PathBuf,
    process: Child,
    /// Milliseconds until it answered.
    started: f64,
}

impl Daemon {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("xvs");
        ensure!(
            binary.is_file(),
            "no program {}: build it beside this one, as `make bench` does",
            binary.display()
        );
        let begun = Instant::now();
        let log = File::create(folder.join("log")).context("make the daemon's log")?;
        let process = Command::new(&binary)
            .args([
                "run",
                "--interface",
                CLIENTS,
                "--interface",
                crate::director::SERVERS,
            ])
            .env("XVS_RUNTIME_DIR", folder)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("start the daemon")?;
        let mut daemon = Self {
            binary,
            folder: folder.to_owned(),
            process,
            started: 0.0,
        };
        while !daemon.answers()? {
            if let Some(status) = daemon.process.try_wait()? {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                bail!("the daemon ended with {status}: {}", log.trim());
            }
            ensure!(
                begun.elapsed().as_secs() < PATIENCE,
                "the daemon does not answer"
            );
            thread::sleep(Duration::from_millis(10));
        }
        daemon.started = begun.elapsed().as_secs_f64() * 1e3;
        Ok(daemon)
    }

    /// Changes the weight of the first real server; answers the milliseconds.
    fn change_weight(&self, weight: u32) -> anyhow::Result<f64> {
        let edit = format!("-e -t 10.1.0.1:80 -r 10.2.0.1:8080 -m -w {weight}");
        let edit: Vec<&str> = edit.split(' ').collect();
        Ok(self.ipvsadm(&edit, None)?.0)
    }

    fn answers(&self) -> anyhow::Result<bool> {
        let mut command = self.command(&["status"]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        Ok(status.context("run `xvs status`")?.success())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env("XVS_RUNTIME_DIR", &self.folder);
        command
    }

    /// Runs `ipvsadm`; answers its milliseconds and what it printed.
    fn ipvsadm(&self, arguments: &[&str], input: Option<&Path>) -> anyhow::Result<(f64, String)> {
        let mut command = self.command(&["ipvsadm"]);
        command.args(arguments);
        if let Some(path) = input {
            command.stdin(File::open(path)?);
        }
        let begun = Instant::now();
        let output = command.output().context("run `xvs ipvsadm`")?;
        let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
        ensure!(
            output.status.success(),
            "`ipvsadm {}`: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok((
            milliseconds,
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ))
    }

    /// MiB of memory of its own: the maps that it has mapped are the kernel's, and counted in part `table`.
    fn memory(&self) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/status", self.process.id());
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kibibytes: f64 = line
            .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .with_context(|| format!("no RssAnon in {path}"))?;
        Ok(kibibytes / 1024.0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        kernel::terminate(self.process.id());
        if let Err(error) = self.process.wait() {
            crate::say(&format!("the daemon did not end: {error}"));
        }
        let pins = self.folder.join("default").join("bpf");
        if pins.exists()
            && let Err(error) = kernel::unmount(&pins)
        {
            crate::say(&format!("cannot unmount {}: {error}", pins.display()));
        }
    }
}
