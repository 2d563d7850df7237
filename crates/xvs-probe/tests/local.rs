//! Checks of this host: programs and files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use support::{probe, result};
use xvs_conf::Span;
use xvs_conf::config::{CheckKind, FileCheck, MiscCheck, Script, ScriptUser, TrackWeight};
use xvs_probe::{Failure, Probe, Success};
use xvs_process::ProcessError;

fn misc(line: &[&str], change: impl FnOnce(&mut MiscCheck)) -> Probe {
    let mut check = MiscCheck {
        script: Script {
            arguments: line.iter().map(|word| (*word).to_owned()).collect(),
            user: ScriptUser {
                user: nix::unistd::geteuid().to_string(),
                group: None,
            },
            span: Span::default(),
        },
        timeout: Duration::from_secs(10),
        dynamic: false,
    };
    change(&mut check);
    probe(CheckKind::Misc(check), "127.0.0.1:1".parse().unwrap())
}

fn shell(text: &str, dynamic: bool) -> Probe {
    misc(&["sh", "-c", text], |check| check.dynamic = dynamic)
}

#[tokio::test]
async fn the_exit_status_decides() {
    assert_eq!(
        result(&shell("exit 0", false)).await.unwrap(),
        Success::Plain
    );
    assert_eq!(
        result(&shell("exit 0", true)).await.unwrap(),
        Success::Plain
    );
    assert_eq!(
        result(&shell("exit 255", true)).await.unwrap(),
        Success::WeightSet(253)
    );
    assert_eq!(
        result(&shell("exit 2", true)).await.unwrap(),
        Success::WeightSet(0)
    );
    for (text, dynamic, words) in [
        ("exit 1", true, "exited with status 1"),
        ("exit 2", false, "exited with status 2"),
        ("kill -9 $$", true, "killed by signal 9"),
    ] {
        let failure = result(&shell(text, dynamic)).await.unwrap_err();
        assert_eq!(failure.to_string(), words);
    }
}

#[tokio::test]
async fn no_shell_is_between_the_words_and_the_program() {
    let echo = misc(&["test", "$HOME;exit", "=", "$HOME;exit"], |_| {});
    assert_eq!(result(&echo).await.unwrap(), Success::Plain);
    let missing = misc(&["/no/such/program"], |_| {});
    assert!(matches!(
        result(&missing).await,
        Err(Failure::Program(ProcessError::Spawn { .. }))
    ));
    let stranger = misc(&["true"], |check| {
        check.script.user.user = "no-such-user".to_owned()
    });
    assert!(matches!(
        result(&stranger).await,
        Err(Failure::Program(ProcessError::NoUser { kind: "user", .. }))
    ));
}

/// Waits until a process that wrote its number into `file` is gone.
fn wait_until_gone(file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let number = fs::read_to_string(file).unwrap_or_default();
        let number = number.trim();
        let alive = fs::read_to_string(format!("/proc/{number}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z"));
        if !number.is_empty() && !alive {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the child of the program lives on");
}

#[tokio::test]
async fn a_program_that_never_ends_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("child");
    let text = format!(
        "sleep 60 & echo $! > {}; trap '' TERM; wait; sleep 60",
        file.display()
    );
    let mut stuck = shell(&text, false);
    if let CheckKind::Misc(check) = &mut stuck.kind {
        check.timeout = Duration::from_millis(300);
    }
    let start = Instant::now();
    assert!(matches!(result(&stuck).await, Err(Failure::TimedOut)));
    let took = start.elapsed();
    assert!(
        (Duration::from_millis(2300)..Duration::from_secs(8)).contains(&took),
        "{took:?}"
    );
    wait_until_gone(&file);
}

#[tokio::test]
async fn a_check_that_is_given_up_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("child");
    let text = format!("sleep 60 & echo $! > {}; wait", file.display());
    let stuck = shell(&text, false);
    let running = tokio::time::timeout(Duration::from_millis(800), result(&stuck));
    assert!(running.await.is_err());
    wait_until_gone(&file);
}

#[tokio::test]
async fn root_a_program_runs_as_its_user_without_further_groups() {
    if !nix::unistd::geteuid().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs root");
        eprintln!("skipped: needs root to become another user");
        return;
    }
    let mut nobody = shell("test $(id -u) = 65534 && test \"$(id -G)\" = 65534", false);
    if let CheckKind::Misc(check) = &mut nobody.kind {
        check.script.user.user = "nobody".to_owned();
    }
    assert_eq!(result(&nobody).await.unwrap(), Success::Plain);
}

#[tokio::test]
async fn a_file_check_reads_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("load");
    let check = |weight| {
        let file = path.to_str().unwrap().to_owned();
        let weight = TrackWeight {
            weight,
            reverse: false,
        };
        probe(
            CheckKind::File(FileCheck { file, weight }),
            "127.0.0.1:1".parse().unwrap(),
        )
    };
    assert!(matches!(result(&check(1)).await, Err(Failure::File { .. })));
    fs::write(&path, "-4\n").unwrap();
    assert_eq!(result(&check(2)).await.unwrap(), Success::WeightAdded(-8));
    assert!(matches!(
        result(&check(0)).await,
        Err(Failure::FileSays(-4))
    ));
    fs::write(&path, "much").unwrap();
    assert!(matches!(result(&check(1)).await, Err(Failure::File { .. })));
}
