//! Scripts: their arguments and environment, their order, their end.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use xvs_conf::config;
use xvs_notify::{Event, LaneLimits, Notifier, ScriptSettings, Settings};
use xvs_vrrp::NotifyKind;

use crate::support::{self, eventually, lines, names, program, router, script};

/// Writes its arguments to the file that its first one names.
const RECORD: &str = r#"file="$1"; shift; echo "$@" >> "$file""#;

fn start(scripts: ScriptSettings) -> Notifier {
    let settings = Settings {
        scripts,
        ..Settings::default()
    };
    Notifier::start(settings, &Handle::current())
}

#[tokio::test]
async fn a_router_runs_its_state_script_and_then_notify_as_keepalived_calls_them() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let log_name = log.to_str().unwrap();
    let record = program(folder.path(), "record", RECORD);
    let config = config::Notification {
        master: Some(script(&record, &[log_name, "NM", "arg"])),
        backup: Some(script(&record, &[log_name, "NB"])),
        stop: Some(script(&record, &[log_name, "NS"])),
        any: Some(script(&record, &[log_name, "N", "x", "y"])),
        ..config::Notification::default()
    };
    let notifier = start(ScriptSettings::default());
    for kind in [
        NotifyKind::Backup,
        NotifyKind::Master,
        NotifyKind::MasterPriority,
        NotifyKind::Deleted,
        NotifyKind::Stop,
    ] {
        notifier.send(router("VI_1", kind, 150, &config));
    }
    notifier.shutdown(Duration::from_secs(10)).await;
    assert_eq!(
        lines(&log),
        [
            "NB",
            "N x y INSTANCE VI_1 BACKUP 150",
            "NM arg",
            "N x y INSTANCE VI_1 MASTER 150",
            "N x y INSTANCE VI_1 FAULT 150",
            "NS",
            "N x y INSTANCE VI_1 STOP 150",
        ]
    );
    assert_eq!(notifier.counts().scripts.done, 7);
}

#[tokio::test]
async fn servers_run_their_scripts_without_further_arguments_and_with_the_reason_in_the_environment()
 {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let text = format!(
        r#"echo "$# $* $XVS_KIND $XVS_NAME $XVS_STATE $XVS_VIRTUAL_SERVER ($XVS_REASON)" >> {}"#,
        log.display()
    );
    let record = program(folder.path(), "record", &text);
    let (down, up) = (script(&record, &["D"]), script(&record, &["U"]));
    let config = support::real_server(Some(up), Some(down));
    let (name, vs) = names();
    let notifier = start(ScriptSettings::default());
    let reason = "TCP CHECK failed on service";
    notifier.send(Event::real_server(&name, &vs, false, reason, &config));
    notifier.send(Event::real_server(&name, &vs, true, "", &config));
    notifier.shutdown(Duration::from_secs(10)).await;
    assert_eq!(
        lines(&log),
        [
            format!("1 D RS {name} DOWN {vs} (TCP CHECK failed on service)"),
            format!("1 U RS {name} UP {vs} ()"),
        ]
    );
}

#[tokio::test]
async fn a_stuck_script_delays_only_its_own_source_and_is_ended_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let pids = folder.path().join("pids");
    let record = program(folder.path(), "record", RECORD);
    let hang = program(
        folder.path(),
        "hang",
        &format!(
            "trap '' TERM; sleep 600 & echo $! >> {0}; echo $$ >> {0}; wait; wait; sleep 600",
            pids.display()
        ),
    );
    let stuck = config::Notification {
        master: Some(script(&hang, &[])),
        backup: Some(script(&record, &[log.to_str().unwrap(), "stuck"])),
        ..config::Notification::default()
    };
    let free = config::Notification {
        master: Some(script(&record, &[log.to_str().unwrap(), "free"])),
        ..config::Notification::default()
    };
    let notifier = start(ScriptSettings {
        limit: Duration::from_millis(500),
        ..ScriptSettings::default()
    });
    let begin = Instant::now();
    notifier.send(router("VI_1", NotifyKind::Master, 1, &stuck));
    notifier.send(router("VI_1", NotifyKind::Backup, 1, &stuck));
    notifier.send(router("VI_2", NotifyKind::Master, 1, &free));
    eventually("the other source", || lines(&log) == ["free"]).await;
    assert!(begin.elapsed() < Duration::from_millis(450), "it waited");
    eventually("the next of its own", || lines(&log) == ["free", "stuck"]).await;
    assert!(begin.elapsed() > Duration::from_millis(2_400), "no grace");
    let pids = lines(&pids);
    assert_eq!(pids.len(), 2);
    for pid in pids {
        eventually("every process is gone and reaped", || {
            !std::path::Path::new("/proc").join(&pid).exists()
        })
        .await;
    }
    assert_eq!(notifier.counts().scripts.failed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_notifications_of_a_stuck_source_take_bounded_room_and_the_last_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let gate = folder.path().join("gate");
    let text = format!(
        r#"while [ ! -e {} ]; do sleep 0.05; done; echo "$XVS_PRIORITY" >> {}"#,
        gate.display(),
        log.display()
    );
    let config = config::Notification {
        master: Some(script(&program(folder.path(), "slow", &text), &[])),
        ..config::Notification::default()
    };
    let notifier = start(ScriptSettings {
        lanes: LaneLimits {
            lane: 16,
            ..LaneLimits::default()
        },
        ..ScriptSettings::default()
    });
    let begin = Instant::now();
    for count in 0..10_000_u32 {
        let priority = u8::try_from(count % 200).unwrap();
        notifier.send(router("VI_1", NotifyKind::Master, priority, &config));
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "sending waited");
    // One runs, sixteen wait.
    eventually("all but 17 are counted as lost", || {
        notifier.counts().scripts.lost == 10_000 - 17
    })
    .await;
    std::fs::write(&gate, "").unwrap();
    notifier.shutdown(Duration::from_secs(20)).await;
    let ran: Vec<u32> = lines(&log)
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    let last: Vec<u32> = (184..200).collect();
    assert_eq!(ran.len(), 17);
    assert_eq!(ran[1..], last, "the latest ones, in order");
    assert_eq!(notifier.counts().events_lost, 0);
}

#[tokio::test]
async fn a_shutdown_waits_for_scripts_only_as_long_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let text = format!("echo $$ > {}; exec sleep 600", pid.display());
    let config = config::Notification {
        stop: Some(script(&program(folder.path(), "hang", &text), &[])),
        ..config::Notification::default()
    };
    let notifier = start(ScriptSettings::default());
    notifier.send(router("VI_1", NotifyKind::Stop, 1, &config));
    eventually("it runs", || lines(&pid).len() == 1).await;
    let begin = Instant::now();
    notifier.shutdown(Duration::from_millis(300)).await;
    assert!(begin.elapsed() < Duration::from_secs(2));
    let process = std::path::Path::new("/proc").join(&lines(&pid)[0]);
    eventually("it is killed", || !process.exists()).await;
    notifier.send(router("VI_1", NotifyKind::Stop, 1, &config));
    assert_eq!(notifier.counts().events_lost, 1);
}

#[tokio::test]
async fn root_script_security_refuses_what_others_can_change() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "needs root");
        eprintln!("skipped: needs root");
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let record = program(folder.path(), "record", RECORD);
    let config = config::Notification {
        master: Some(script(&record, &[log.to_str().unwrap(), "ran"])),
        ..config::Notification::default()
    };
    let mut loose = std::fs::metadata(&record).unwrap().permissions();
    loose.set_mode(0o777);
    std::fs::set_permissions(&record, loose).unwrap();
    for (security, ran) in [(true, 0), (false, 1)] {
        let notifier = start(ScriptSettings {
            security,
            ..ScriptSettings::default()
        });
        notifier.send(router("VI_1", NotifyKind::Master, 1, &config));
        notifier.shutdown(Duration::from_secs(10)).await;
        assert_eq!(lines(&log).len(), ran, "security {security}");
    }
}
