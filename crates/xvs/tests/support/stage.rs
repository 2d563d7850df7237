//! A host for programs that expect one: network and mount namespaces of their own, with files and
//! programs laid over those of the real host.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use super::{Daemon, wait_until};

/// Namespaces with the loopback link and nothing else, and in them xvs under the names of the old
/// programs, first in `PATH`. They are those of a sleeping process and end with it.
pub(crate) struct Stage {
    sleeper: Child,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let sleeper = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(["unshare", "--net", "--mount", "sleep", "300"])
            .spawn()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        // A user without rights must get as far as the socket.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let stage = Self { sleeper, folder };
        let own = fs::read_link("/proc/self/ns/mnt").unwrap();
        let theirs = format!("/proc/{}/ns/mnt", stage.sleeper.id());
        wait_until("the namespaces", || {
            fs::read_link(&theirs).is_ok_and(|found| found != own)
        });
        stage.shell("ip link set lo up");
        let programs = stage.folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        for name in ["ipvsadm", "ipvsadm-save", "ipvsadm-restore", "xvs"] {
            let path = programs.join(name);
            fs::write(&path, "").unwrap();
            stage.lay_over(Path::new(env!("CARGO_BIN_EXE_xvs")), &path);
        }
        stage
    }

    /// A folder of the stage that exists outside too.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lays a file or folder over one that is there; only the stage sees it.
    pub(crate) fn lay_over(&self, from: &Path, to: &Path) {
        let (from, to) = (from.display(), to.display());
        self.shell(&format!("mount --bind '{from}' '{to}'"));
    }

    /// Makes a folder of the host the stage's own: it begins with the host's files, and what is
    /// written to it is nobody else's.
    pub(crate) fn own_folder(&self, folder: &str) {
        let own = self
            .folder()
            .join("own")
            .join(folder.trim_start_matches('/'));
        let own = own.display();
        self.shell(&format!(
            "mkdir -p '{own}' && cp -a {folder}/. '{own}' && mount --bind '{own}' {folder}"
        ));
    }

    /// Runs a line of shell, which must succeed; answers its output.
    pub(crate) fn shell(&self, line: &str) -> String {
        let output = self.run(&["sh", "-c", line], "");
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a program with this text as its standard input.
    pub(crate) fn run(&self, argv: &[&str], stdin: &str) -> Output {
        let mut child = self
            .inside()
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What is refused at its first line leaves the rest unread.
        let _unread = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Starts a daemon without eBPF on the stage and waits until it answers.
    pub(crate) fn daemon(&self) -> Daemon {
        let child = self
            .inside()
            .args(["setpriv", "--pdeathsig", "KILL", "xvs", "run", "--simulate"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Daemon { child };
        wait_until("the daemon", || {
            self.run(&["xvs", "status"], "").status.success()
        });
        daemon
    }

    fn inside(&self) -> Command {
        let mut command = Command::new("nsenter");
        let path = std::env::var("PATH").unwrap_or_default();
        let programs = self.folder.path().join("bin");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.sleeper.id()))
            .arg(format!("--mount=/proc/{}/ns/mnt", self.sleeper.id()))
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("XVS_RUNTIME_DIR", self.folder.path().join("run"))
            .env("LC_ALL", "C")
            .env("NO_COLOR", "1")
            .env_remove("XVS_INSTANCE")
            .env_remove("XVS_LOG");
        command
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _gone = self.sleeper.kill();
        let _ended = self.sleeper.wait();
    }
}
