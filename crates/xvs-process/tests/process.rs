//! Programs with real processes.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use xvs_conf::{
    Span,
    config::{Script, ScriptUser},
};
use xvs_process::{Ended, ProcessError, Program, check_path};

fn shell(text: &str) -> Script {
    Script {
        arguments: ["/bin/sh", "-c", text].map(str::to_owned).to_vec(),
        user: ScriptUser {
            user: nix::unistd::geteuid().to_string(),
            group: None,
        },
        span: Span::default(),
    }
}

async fn ended(text: &str) -> Ended {
    let script = shell(text);
    let program = Program::new(&script)
        .with_arguments(["name".to_owned(), "more".to_owned()])
        .with_environment([("XVS_TEST", "set".to_owned())]);
    program.run(Duration::from_secs(10)).await.unwrap()
}

#[tokio::test]
async fn a_program_gets_its_arguments_and_environment_and_says_how_it_ended() {
    assert_eq!(ended("exit 7").await, Ended::Exited(7));
    assert_eq!(ended("kill -9 $$").await, Ended::Killed(9));
    let all = "[ \"$1\" = more ] && [ \"$XVS_TEST\" = set ]";
    assert_eq!(ended(all).await, Ended::Exited(0));
}

#[tokio::test]
async fn what_a_program_leaves_behind_lives_on_and_what_is_given_up_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let pid = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let left = format!("sleep 30 & echo $! > {}", file("left"));
    assert_eq!(ended(&left).await, Ended::Exited(0));
    let process = Path::new("/proc").join(pid("left").trim());
    assert!(process.exists());
    let killed = nix::unistd::Pid::from_raw(pid("left").trim().parse().unwrap());
    nix::sys::signal::kill(killed, nix::sys::signal::Signal::SIGKILL).unwrap();

    let script = shell(&format!("sleep 30 & echo $! > {}; wait", file("given")));
    let running = Program::new(&script).start().unwrap();
    while !folder.path().join("given").exists() || pid("given").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let process = Path::new("/proc").join(pid("given").trim());
    drop(running);
    for _ in 0..200 {
        if !alive(&process) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} is still there", process.display());
}

/// Whether a process runs; one that nobody has reaped yet does not.
fn alive(process: &Path) -> bool {
    fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let mut script = shell("true");
    script.user.user = "nobody-of-this-name".to_owned();
    let error = Program::new(&script).start().unwrap_err();
    assert!(matches!(error, ProcessError::NoUser { kind: "user", .. }));
    let mut script = shell("true");
    script.user.group = Some("no-such-group".to_owned());
    let error = Program::new(&script).start().unwrap_err();
    assert!(matches!(error, ProcessError::NoUser { kind: "group", .. }));
    let mut script = shell("true");
    script.arguments = vec!["/no/such/program".to_owned()];
    let error = Program::new(&script).start().unwrap_err();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
    script.arguments.clear();
    let error = Program::new(&script).start().unwrap_err();
    assert!(matches!(error, ProcessError::NoProgram));
}

#[test]
fn root_every_directory_above_a_program_must_be_root_s() {
    if !nix::unistd::geteuid().is_root() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "needed in CI: root"
        );
        eprintln!("skipped: needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    let program = inner.join("program");
    fs::create_dir(&inner).unwrap();
    fs::write(&program, "").unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&inner, 0o755);
    mode(&program, 0o755);
    assert!(check_path(&program).is_ok());
    mode(&inner, 0o777);
    let error = check_path(&program).unwrap_err();
    assert!(matches!(&error, ProcessError::Insecure { path, .. } if path.ends_with("inner")));
    // In a sticky directory nobody replaces what is root's.
    mode(&inner, 0o1777);
    assert!(check_path(&program).is_ok());
    nix::unistd::chown(&program, Some(nix::unistd::Uid::from_raw(65_534)), None).unwrap();
    assert!(check_path(&program).is_err());
    assert!(check_path(Path::new("sh")).is_ok(), "searched in PATH");
}
