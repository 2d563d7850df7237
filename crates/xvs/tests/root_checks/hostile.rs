//! What hangs holds nobody else up: a check, a program, a script, a crowd of notifications.

use std::{
    collections::HashSet,
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    bed::Bed,
    support::{can_run, wait_until},
};

/// A program that nothing but SIGKILL ends, and what it starts.
const ENDLESS: &str =
    "#!/bin/sh\ntrap '' TERM\necho >>$0.runs\nsleep 1000 &\nwhile :; do wait; done\n";

fn endless(bed: &Bed, name: &str) -> String {
    let path = bed.other(name, ENDLESS);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn root_checks_and_scripts_that_hang_delay_no_other_check_and_no_answer() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("");
    let (check, script) = (endless(&bed, "check"), endless(&bed, "script"));
    // 9001 accepts and answers nothing, 9002 is checked by a program that never ends, 9003 is well.
    let real_server = |port: u16, checker: &str| {
        format!(
            " real_server 127.0.0.1 {port} {{\n  notify_down \"{script} {port}\" root\n  {checker}\n }}\n"
        )
    };
    bed.write(&format!(
        "virtual_server 192.0.2.1 80 {{\n delay_loop 0.3\n delay_before_retry 0.1\n connect_timeout 1\n \
         lb_kind NAT\n protocol TCP\n{}{}{}}}\n",
        real_server(9001, "HTTP_GET {\n url {\n path /\n }\n }"),
        real_server(
            9002,
            &format!("MISC_CHECK {{\n misc_path {check}\n misc_timeout 1\n user root\n }}")
        ),
        real_server(9003, "TCP_CHECK {\n }"),
    ));
    let _silent = silent(&bed, "127.0.0.1:9001");
    let well = bed.server("127.0.0.1:9003");
    let daemon = bed.daemon();
    bed.wait_for(&["127.0.0.1:9003 1"]);
    // Both scripts hang now; the death of the third is noticed all the same, and answers come.
    drop(well);
    let died = Instant::now();
    wait_until("the removal", || bed.real_servers().is_empty());
    let noticed = died.elapsed();
    // delay_loop and one retry, and a machine that is busy with other tests.
    assert!(noticed < Duration::from_secs(4), "{noticed:?}");
    let asked = Instant::now();
    bed.place.done(&["status"]);
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    wait_until("the third script", || {
        fs::read_to_string(format!("{script}.runs")).is_ok_and(|runs| runs.lines().count() == 3)
    });
    // The check by the program goes on, one run after the other.
    let runs =
        || fs::read_to_string(format!("{check}.runs")).map_or(0, |runs| runs.lines().count());
    wait_until("another run", || runs() >= 2);
    // A stop waits for the scripts no longer than it says, and nothing of them is left.
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    for program in [&script, &check] {
        assert_eq!(processes_of(program), 0, "{program} is left");
    }
}

/// Virtual servers, each with one real server that lives by one file.
const SERVERS: usize = 2_500;

#[test]
fn root_ten_thousand_notifications_arrive_once_each_and_hold_nobody_up() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("");
    let script = endless(&bed, "script");
    let (fifo, file) = (bed.folder("fifos").join("fifo"), bed.other("file", "0"));
    let mut text = format!(
        "global_defs {{\n lvs_notify_fifo {}\n script_user root\n}}\ntrack_file f {{\n file {}\n}}\n",
        fifo.display(),
        file.display()
    );
    for server in 0..SERVERS {
        let (high, low) = (server / 250, server % 250 + 1);
        // Every fiftieth has a script that never ends.
        let script = if server % 50 == 0 {
            format!("notify_down {script}")
        } else {
            String::new()
        };
        write!(
            text,
            "virtual_server 10.9.{high}.{low} 80 {{\n delay_loop 1\n lb_kind NAT\n protocol TCP\n \
             real_server 10.8.{high}.{low} 80 {{\n {script}\n FILE_CHECK {{\n track_file f\n weight 0\n }}\n }}\n}}\n"
        )
        .unwrap();
    }
    bed.write(&text);
    let daemon = bed.daemon_in_silence();
    let lines = lines_of(&fifo);
    let next = |count: usize| -> HashSet<String> {
        let next = |_| lines.recv_timeout(Duration::from_secs(30)).unwrap();
        (0..count).map(next).collect()
    };
    assert_eq!(
        next(SERVERS).len(),
        SERVERS,
        "each quorum is there at the start"
    );
    let servers = |up: bool| {
        let all = bed.status("/checks/virtual_servers");
        let all = all.as_array().unwrap();
        all.iter().filter(|one| one["has_quorum"] == up).count()
    };
    for (number, up) in [("1", false), ("0", true)] {
        fs::write(&file, number).unwrap();
        // Real server and quorum of each, once: 10,000 in both rounds.
        let told = next(2 * SERVERS);
        let word = if up { " UP" } else { " DOWN" };
        assert!(told.iter().all(|line| line.ends_with(word)), "{word}");
        assert_eq!(told.len(), 2 * SERVERS, "each line once");
        let asked = Instant::now();
        wait_until("all of them", || servers(up) == SERVERS);
        let answered = asked.elapsed();
        assert!(answered < Duration::from_secs(5), "{answered:?}");
    }
    let (status, _log) = daemon.terminate();
    assert_eq!(status, Some(0));
    assert_eq!(lines.try_recv().ok(), None, "nothing is told twice");
}

/// The lines of a FIFO, as they come.
fn lines_of(fifo: &Path) -> mpsc::Receiver<String> {
    let file = fs::File::open(fifo).unwrap();
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(file).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

/// Accepts by the kernel alone, and never answers.
fn silent(bed: &Bed, address: &'static str) -> mpsc::Sender<()> {
    let namespace = format!("/proc/{}/ns/net", bed.place.pid());
    let (stop, stopped) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        // This thread alone moves; it ends in there.
        let namespace = fs::File::open(namespace).unwrap();
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let _listener = TcpListener::bind(address).unwrap();
        ready.send(()).unwrap();
        // Until the other end is dropped.
        let _dropped: Result<(), _> = stopped.recv();
    });
    is_ready.recv().unwrap();
    stop
}

/// How many processes have this program in their command line.
fn processes_of(program: &str) -> usize {
    let folders = fs::read_dir("/proc").unwrap();
    let lines = folders.filter_map(|folder| fs::read(folder.ok()?.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(program))
        .count()
}
