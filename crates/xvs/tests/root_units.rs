//! What a service manager does with the daemon: hands it the socket, waits until it is ready, ends it;
//! and what the units under `dist/` say.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

mod support;

use std::{
    fs,
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use support::{Stage, can_run};

/// A manager that listens on the control socket and starts the daemon when told to.
struct Manager {
    runtime: tempfile::TempDir,
    listener: UnixListener,
    notify: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let runtime = tempfile::tempdir().unwrap();
        fs::create_dir(runtime.path().join("default")).unwrap();
        let listener = UnixListener::bind(runtime.path().join("default/control.sock")).unwrap();
        let notify = UnixDatagram::bind(runtime.path().join("notify")).unwrap();
        notify
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self {
            runtime,
            listener,
            notify,
        }
    }

    /// Runs a client, which may have to wait for its daemon.
    fn client(&self, arguments: &[&str]) -> Child {
        self.environment(Command::new(env!("CARGO_BIN_EXE_xvs")).args(arguments))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts the daemon with the socket as descriptor 3, in a network namespace of its own.
    fn activate(&self, sockets: &str) -> Child {
        let socket: OwnedFd = self.listener.try_clone().unwrap().into();
        let line = "exec 3<&0 </dev/null; export LISTEN_PID=$$; exec \"$@\"";
        let mut command = Command::new("setpriv");
        command
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--net",
                "sh",
                "-c",
                line,
                "sh",
            ])
            .arg(env!("CARGO_BIN_EXE_xvs"))
            .args(["run", "--simulate"])
            .env("LISTEN_FDS", sockets)
            .env("NOTIFY_SOCKET", self.runtime.path().join("notify"))
            .stdin(Stdio::from(socket))
            .stderr(Stdio::piped());
        self.environment(&mut command).spawn().unwrap()
    }

    fn heard(&self) -> String {
        let mut message = [0; 64];
        let length = self.notify.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("XVS_RUNTIME_DIR", self.runtime.path())
            .env_remove("XVS_INSTANCE")
    }
}

fn output(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn root_who_connects_first_starts_the_daemon_and_a_listing_attaches_nothing() {
    if !can_run() {
        return;
    }
    let manager = Manager::new();
    let waiting = manager.client(&["ipvsadm", "-A", "-t", "192.0.2.1:80"]);
    let daemon = manager.activate("1");
    output(waiting);
    assert_eq!(manager.heard(), "READY=1");
    let stopped = manager.client(&["stop"]);
    output(stopped);
    assert_eq!(manager.heard(), "STOPPING=1");
    output(daemon);
    // The socket is the manager's: it stays, and the next daemon has the rules of the last.
    let waiting = manager.client(&["ipvsadm", "-Sn"]);
    let daemon = manager.activate("1");
    assert_eq!(output(waiting), "-A -t 192.0.2.1:80 -s wlc\n");
    output(manager.client(&["ipvsadm", "-C"]));
    output(manager.client(&["stop"]));
    output(daemon);

    let waiting = manager.client(&["ipvsadm", "-Ln"]);
    let daemon = manager.activate("1");
    assert!(output(waiting).starts_with("IP Virtual Server version 1.2.1"));
    let status = output(manager.client(&["status", "--json"]));
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["links"], serde_json::json!([]));
    output(manager.client(&["stop"]));
    output(daemon);
}

#[test]
fn root_more_sockets_than_one_are_refused() {
    if !can_run() {
        return;
    }
    let manager = Manager::new();
    let output = manager.activate("2").wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("hands over 2 sockets"), "{message}");
}

#[test]
fn root_saved_rules_come_back_with_the_unit_of_ipvsadm() {
    if !can_run() {
        return;
    }
    for file in ["/etc/sysconfig/ipvsadm", "/etc/ipvsadm.rules"] {
        let stage = Stage::new();
        stage.own_folder("/etc");
        let _daemon = stage.daemon();
        let prefix = stage.folder().join("prefix");
        fs::create_dir(&prefix).unwrap();
        std::os::unix::fs::symlink(stage.folder().join("bin"), prefix.join("sbin")).unwrap();
        let (start, stop) = (
            unit_command("ExecStart", &prefix),
            unit_command("ExecStop", &prefix),
        );
        // Without a file nothing is kept.
        stage.shell("ipvsadm -A -t 192.0.2.1:80 -s rr");
        stage.shell(&stop);
        assert_eq!(stage.shell("ipvsadm -Sn"), "-A -t 192.0.2.1:80 -s rr\n");
        stage.shell(&start);
        assert_eq!(stage.shell("ipvsadm -Sn"), "-A -t 192.0.2.1:80 -s rr\n");
        // With one the table goes into it and comes back.
        stage.shell(&format!("mkdir -p /etc/sysconfig; touch {file}"));
        stage.shell(&stop);
        assert_eq!(stage.shell("ipvsadm -Sn"), "");
        assert_eq!(
            stage.shell(&format!("cat {file}")),
            "-A -t 192.0.2.1:80 -s rr\n"
        );
        stage.shell(&start);
        assert_eq!(stage.shell("ipvsadm -Sn"), "-A -t 192.0.2.1:80 -s rr\n");
    }
}

#[test]
fn the_unit_of_the_daemon_has_no_mount_namespace() {
    // Each of these makes one (systemd.exec(5)).
    let makers = [
        "Private",
        "Protect",
        "ReadOnly",
        "ReadWrite",
        "Inaccessible",
        "Bind",
        "TemporaryFileSystem",
        "RootDirectory",
        "RootImage",
        "MountAPIVFS",
        "ProcSubset",
        "DynamicUser",
        "StateDirectory",
        "NoExecPaths",
        "ExecPaths",
        "ExtensionImages",
        "MountImages",
    ];
    let unit = unit("xvs.service");
    for line in unit.lines().filter(|line| !line.starts_with('#')) {
        assert!(
            !makers.iter().any(|maker| line.starts_with(maker)),
            "{line}"
        );
    }
    assert!(unit.contains("\nRuntimeDirectoryPreserve=yes\n"));
}

#[test]
fn the_unit_of_the_daemon_takes_options_from_a_file_and_reloads() {
    let unit = unit("xvs.service");
    for line in [
        "EnvironmentFile=-/etc/default/xvs",
        "ExecStart=@PREFIX@/bin/xvs run $XVS_OPTIONS",
        "ExecReload=@PREFIX@/bin/xvs reload",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}

/// The command line of a unit, as the shell takes it.
fn unit_command(key: &str, prefix: &Path) -> String {
    let unit = unit("ipvsadm.service");
    let line = unit.lines().find_map(|line| {
        let (found, value) = line.split_once('=')?;
        (found == key).then_some(value)
    });
    line.unwrap()
        .replace("$$", "$")
        .replace("@PREFIX@", prefix.to_str().unwrap())
}

fn unit(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../dist", name]
        .iter()
        .collect();
    fs::read_to_string(path).unwrap()
}
