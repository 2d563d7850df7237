//! Checks a configuration on this host and says how long that took.
//!
//! `cargo run --release -p xvs-conf --example check -- FILE [--strict] [--json] [--quiet] [-i ID]`
//! exits as `keepalived -t FILE` does.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::ExitCode,
    time::Instant,
};

use xvs_conf::{FileError, Files, HostFacts, Interface, ScriptFact, Stance, StaticHost, parse};

/// The files of this host.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let metadata = fs::metadata(path).map_err(|_error| FileError::NotFound)?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o111 != 0 {
            return Err(FileError::NotRegular);
        }
        fs::read(path).map_err(|error| FileError::Unreadable(error.to_string()))
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, FileError> {
        let directory = if directory.is_empty() { "." } else { directory };
        let entries = fs::read_dir(directory).map_err(|_error| FileError::NotFound)?;
        Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect())
    }
}

/// This host; scripts are looked up as keepalived does, roughly.
struct ThisHost(StaticHost);

impl HostFacts for ThisHost {
    fn config_id(&self) -> String {
        self.0.config_id()
    }
    fn host_name(&self) -> String {
        self.0.host_name()
    }
    fn instance(&self) -> Option<String> {
        None
    }
    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
    fn random(&self) -> u32 {
        self.0.random()
    }
    fn interface(&self, name: &str) -> Option<Interface> {
        self.0.interface(name)
    }
    fn has_user(&self, name: &str) -> bool {
        self.0.has_user(name)
    }
    fn has_group(&self, name: &str) -> bool {
        self.0.has_group(name)
    }
    fn script(&self, path: &str, _user: &str) -> ScriptFact {
        let found = if path.contains('/') {
            Path::new(path).canonicalize().ok()
        } else {
            ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
                .iter()
                .find_map(|directory| Path::new(directory).join(path).canonicalize().ok())
        };
        let Some(path) = found else {
            return ScriptFact::NotFound;
        };
        let writable = |path: &Path| {
            fs::metadata(path).is_ok_and(|data| data.uid() != 0 || data.mode() & 0o022 != 0)
        };
        match fs::metadata(&path) {
            Ok(data) if data.mode() & 0o111 == 0 => ScriptFact::NotExecutable,
            Ok(_) if path.ancestors().any(writable) => ScriptFact::Insecure,
            Ok(_) => ScriptFact::Runs,
            Err(_) => ScriptFact::NotFound,
        }
    }
    fn resolve(&self, name: &str) -> Option<std::net::IpAddr> {
        self.0.resolve(name)
    }
}

fn main() -> ExitCode {
    let mut stance = Stance::Compatible;
    let (mut json, mut quiet) = (false, false);
    let mut file = String::from("/etc/keepalived/keepalived.conf");
    let host_name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host_name = host_name.trim().to_owned();
    let mut config_id = host_name.split('.').next().unwrap_or_default().to_owned();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--strict" => stance = Stance::Strict,
            "--json" => json = true,
            "--quiet" => quiet = true,
            "-i" => config_id = arguments.next().unwrap_or_default(),
            _ => file = argument,
        }
    }
    let names = |path: &str| -> BTreeSet<String> {
        fs::read_to_string(path)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.split(':').next().map(str::to_owned))
            .collect()
    };
    let mut users = names("/etc/passwd");
    users.extend(names("/etc/group"));
    let interfaces: BTreeMap<String, Interface> = Disk
        .list("/sys/class/net")
        .unwrap_or_default()
        .into_iter()
        .map(|name| {
            let loopback = name == "lo";
            let interface = Interface {
                loopback,
                multicast: !loopback,
                mtu: 1_500,
            };
            (name, interface)
        })
        .collect();
    let host = ThisHost(StaticHost {
        config_id,
        host_name,
        users,
        interfaces: Some(interfaces),
        ..StaticHost::default()
    });
    let start = Instant::now();
    let outcome = parse(&file, &Disk, &host, stance);
    let took = start.elapsed();
    let rules = outcome
        .config
        .as_ref()
        .map_or(0, |config| config.virtual_server_rules().len());
    if json {
        println!("{}", outcome.render_json());
    } else if !quiet {
        print!("{}", outcome.render_text(false));
    }
    eprintln!(
        "{} findings, {rules} rules, {}, checked in {took:?}",
        outcome.diagnostics.len(),
        if outcome.config.is_some() {
            "starts"
        } else {
            "does not start"
        },
    );
    ExitCode::from(outcome.keepalived_status)
}
