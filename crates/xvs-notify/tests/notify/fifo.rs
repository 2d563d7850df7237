//! FIFOs: their lines, their readers, their bounds.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;
use xvs_conf::config::{self, Script};
use xvs_notify::{Channel, Event, FifoSettings, Notifier, Settings};
use xvs_vrrp::{Name, NotifyKind, Reason, Subject};

use crate::support::{eventually, lines, names, program, router, script, virtual_server};

fn fifo(path: &Path, channel: Channel) -> FifoSettings {
    FifoSettings {
        path: path.to_owned(),
        owner: None,
        reader: None,
        channel,
        limit: FifoSettings::LIMIT,
    }
}

fn start(fifos: Vec<FifoSettings>) -> Notifier {
    let settings = Settings {
        fifos,
        ..Settings::default()
    };
    Notifier::start(settings, &Handle::current())
}

/// Reads lines for as long as the FIFO is open.
fn read(path: PathBuf) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(fs::File::open(path).unwrap()).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

/// So many lines, each within ten seconds.
fn take(lines: &mpsc::Receiver<String>, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| lines.recv_timeout(Duration::from_secs(10)).unwrap())
        .collect()
}

fn group(name: &str, kind: NotifyKind) -> Event {
    let told = xvs_vrrp::Notification {
        subject: Subject::Group(Name::from(name)),
        kind,
        priority: 0,
        reason: Reason::Startup,
    };
    Event::vrrp(&told, &config::Notification::default())
}

/// A transition of each kind of source.
fn send_one_of_each(notifier: &Notifier) {
    let plain = config::Notification::default();
    let (name, vs) = names();
    let virtual_server = virtual_server();
    notifier.send(router("VI_1", NotifyKind::Master, 150, &plain));
    notifier.send(group("SG", NotifyKind::Master));
    let rs = &virtual_server.real_servers[0];
    notifier.send(Event::real_server(&name, &vs, false, "", rs));
    notifier.send(Event::quorum(&vs, false, "", &virtual_server));
    notifier.send(router("VI_1", NotifyKind::MasterPriority, 90, &plain));
}

const VRRP_LINES: [&str; 3] = [
    "INSTANCE \"VI_1\" MASTER 150",
    "GROUP \"SG\" MASTER 0",
    "INSTANCE \"VI_1\" MASTER_PRIORITY 90",
];

const LVS_LINES: [&str; 2] = [
    "RS [127.0.0.1]:tcp:9001 [10.98.0.100]:tcp:80 DOWN",
    "VS [10.98.0.100]:tcp:80 DOWN",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fifo_gets_its_lines_in_keepalived_s_words_and_is_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    let notifier = start(vec![
        fifo(&path("all"), Channel::All),
        fifo(&path("lvs"), Channel::Lvs),
        fifo(&path("vrrp"), Channel::Vrrp),
    ]);
    eventually("they are made", || path("vrrp").exists()).await;
    let made = fs::metadata(path("all")).unwrap();
    assert!(made.file_type().is_fifo());
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
    let readers = ["all", "lvs", "vrrp"].map(|name| read(path(name)));
    send_one_of_each(&notifier);
    assert_eq!(take(&readers[1], 2), LVS_LINES);
    assert_eq!(take(&readers[2], 3), VRRP_LINES);
    let all = take(&readers[0], 5);
    assert_eq!(all[..2], VRRP_LINES[..2]);
    assert_eq!(all[2..4], LVS_LINES);
    assert_eq!(all[4], VRRP_LINES[2]);
    notifier.shutdown(Duration::from_secs(5)).await;
    assert!(!path("all").exists() && !path("lvs").exists());
    assert_eq!(notifier.counts().fifo_lines.done, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_wait_for_a_reader_that_comes_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let notifier = start(vec![fifo(&path, Channel::Lvs)]);
    send_one_of_each(&notifier);
    eventually("they are written", || {
        notifier.counts().fifo_lines.done == 2
    })
    .await;
    assert_eq!(take(&read(path), 2), LVS_LINES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_reader_memory_is_bounded_and_the_latest_lines_stay_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let notifier = start(vec![FifoSettings {
        limit: 100,
        ..fifo(&path, Channel::Vrrp)
    }]);
    let begin = Instant::now();
    for count in 0..10_000 {
        notifier.send(group(&format!("G{count}"), NotifyKind::Master));
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "sending waited");
    // The kernel holds 64 KiB, one line is with the writer, 100 wait.
    eventually("everything is with the kernel, waits or is lost", || {
        let counts = notifier.counts().fifo_lines;
        counts.done + counts.lost == 10_000 - 101
    })
    .await;
    let counts = notifier.counts().fifo_lines;
    assert!(counts.done > 1_000, "{counts:?}");
    let kept = usize::try_from(counts.done).unwrap() + 101;
    let numbers: Vec<u32> = take(&read(path), kept)
        .iter()
        .map(|line| {
            let name = line.strip_prefix("GROUP \"G").unwrap();
            name.strip_suffix("\" MASTER 0").unwrap().parse().unwrap()
        })
        .collect();
    assert!(numbers.is_sorted());
    assert_eq!(numbers.last(), Some(&9_999));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifo_script_gets_the_path_and_is_started_again_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (path, log) = (folder.path().join("fifo"), folder.path().join("log"));
    // Reads one line and ends.
    let text = format!("read line < \"$2\"; echo \"$1 $line\" >> {}", log.display());
    let reader: Script = script(&program(folder.path(), "reader", &text), &["got"]);
    let notifier = start(vec![FifoSettings {
        reader: Some(reader),
        ..fifo(&path, Channel::Vrrp)
    }]);
    notifier.send(group("A", NotifyKind::Master));
    eventually("the first line", || lines(&log).len() == 1).await;
    notifier.send(group("A", NotifyKind::Backup));
    eventually("the second line", || lines(&log).len() == 2).await;
    assert_eq!(
        lines(&log),
        ["got GROUP \"A\" MASTER 0", "got GROUP \"A\" BACKUP 0"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_fifo_is_left_alone_and_the_others_work() {
    let folder = tempfile::tempdir().unwrap();
    let (file, path) = (folder.path().join("file"), folder.path().join("fifo"));
    fs::write(&file, "precious").unwrap();
    let notifier = start(vec![fifo(&file, Channel::Lvs), fifo(&path, Channel::Lvs)]);
    send_one_of_each(&notifier);
    eventually("the FIFO is made", || path.exists()).await;
    assert_eq!(take(&read(path), 2), LVS_LINES);
    notifier.shutdown(Duration::from_secs(5)).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_the_fifos_that_stay_and_those_that_were_there_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    nix::unistd::mkfifo(&path("ours"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let notifier = start(vec![
        fifo(&path("stays"), Channel::Lvs),
        fifo(&path("goes"), Channel::Lvs),
        fifo(&path("ours"), Channel::Lvs),
    ]);
    eventually("they are made", || path("goes").exists()).await;
    let reader = read(path("stays"));
    send_one_of_each(&notifier);
    assert_eq!(take(&reader, 2), LVS_LINES);
    notifier
        .reload(Settings {
            fifos: vec![
                fifo(&path("stays"), Channel::Lvs),
                fifo(&path("comes"), Channel::Lvs),
            ],
            ..Settings::default()
        })
        .await;
    send_one_of_each(&notifier);
    // The same reader goes on: its FIFO was never closed.
    assert_eq!(take(&reader, 2), LVS_LINES);
    assert!(path("comes").exists() && !path("goes").exists());
    assert!(path("ours").exists(), "it was not ours to remove");
    notifier.shutdown(Duration::from_secs(5)).await;
}
