//! Network namespaces for tests: made under names of their own, removed also when a test panics, and
//! those of a killed run are swept by the next.

use std::{
    fs,
    future::Future,
    path::Path,
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

const PREFIX: &str = "xvsnet-";

/// A network namespace that lives as long as the value.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace with its loopback up; none, with the reason printed, where that cannot be
    /// done and CI does not insist.
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if let Err(reason) = possible() {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "needed in CI: {reason}"
            );
            eprintln!("skipped: {reason}");
            return None;
        }
        sweep();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", process::id());
        run("ip", &["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip("link set lo up");
        Some(namespace)
    }

    /// The name under /run/netns.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip ARGUMENTS` in the namespace.
    pub(crate) fn ip(&self, arguments: &str) {
        let net = format!("--net=/run/netns/{}", self.name);
        let mut all = vec![net.as_str(), "ip"];
        all.extend(arguments.split_whitespace());
        run("nsenter", &all);
    }

    /// Runs a future on a thread, with a runtime, inside the namespace.
    pub(crate) fn block_on<F: Future<Output = ()>>(&self, future: impl FnOnce() -> F + Send) {
        self.inside(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(future());
        });
    }

    /// Runs a function on a thread inside the namespace.
    pub(crate) fn inside(&self, function: impl FnOnce() + Send) {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                xvs_net::enter_netns(&self.name).unwrap();
                function();
            });
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

fn possible() -> Result<(), String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let root = status
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    if !root {
        return Err("network namespaces need root".to_owned());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    for tool in ["ip", "nsenter"] {
        if !std::env::split_paths(&folders).any(|folder| folder.join(tool).exists()) {
            return Err(format!("`{tool}` is not installed"));
        }
    }
    Ok(())
}

/// Removes the namespaces of test processes that are gone.
fn sweep() {
    let Ok(folder) = fs::read_dir("/run/netns") else {
        return;
    };
    for name in folder
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
    {
        let pid = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove(&name);
        }
    }
}

fn remove(name: &str) {
    let status = Command::new("ip").args(["netns", "delete", name]).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("the namespace {name} could not be removed");
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
