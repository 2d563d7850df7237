//! Adverts on time while the host is busy, and what many virtual routers cost.
//!
//! A program of its own, and one test at a time: what they do to the machine would be felt by others.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

#[path = "../vrrp/rig.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod rig;

use std::{
    fs,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rig::{Rig, Routers, can_run, wait_for};

/// Held by the test that runs.
static MACHINE: Mutex<()> = Mutex::new(());

/// `many` virtual routers at `interval` seconds, each with an address of its own.
fn many(many: u8, interval: &str) -> String {
    (1..=many)
        .map(|number| {
            format!(
                "vrrp_instance V{number} {{\n state BACKUP\n interface eth0\n virtual_router_id \
                 {number}\n version 3\n priority 150\n advert_int {interval}\n virtual_ipaddress {{\n \
                 10.99.1.{number}/32\n }}\n}}\n"
            )
        })
        .collect()
}

/// A number of each virtual router's status, behind `name`.
fn numbers(ours: &mut Routers, name: &str) -> Vec<String> {
    let before = ours.told().len();
    ours.command("status");
    wait_for("the status", Duration::from_secs(2), || {
        ours.told().len() > before
    });
    thread::sleep(Duration::from_millis(200));
    ours.told()[before..]
        .iter()
        .filter_map(|line| line.split_once(&format!("{name}: ")))
        .map(|(_, rest)| rest.split([',', '}', ' ']).next().unwrap().to_owned())
        .collect()
}

/// The text of a `Duration` as `Debug` has it.
fn duration(text: &str) -> Duration {
    let split = text.find(|c: char| c.is_alphabetic() || c == 'µ').unwrap();
    let number: f64 = text[..split].parse().unwrap();
    let unit = match &text[split..] {
        "ns" => 1e-9,
        "µs" => 1e-6,
        "ms" => 1e-3,
        _ => 1.0,
    };
    Duration::from_secs_f64(number * unit)
}

/// Processor time that a process took, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_name, rest) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Sleeps in steps of 10 ms in real time, as the thread that advertises does, and answers the most that
/// it ever woke up late.
fn control(stop: &AtomicBool) -> Duration {
    let parameters = libc::sched_param { sched_priority: 50 };
    // SAFETY: the call reads the parameters, which live until it returns; 0 is the calling thread.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameters) };
    assert_eq!(set, 0, "root may schedule in real time");
    let mut worst = Duration::ZERO;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        due += Duration::from_millis(10);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        worst = worst.max(due.elapsed());
    }
    worst
}

#[test]
fn root_adverts_of_10_ms_are_on_time_while_every_core_is_busy() {
    if !can_run(false) {
        return;
    }
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    // The machine itself may stall one thread and not the other: it must not do so three times.
    let runs = (0..3).map(|_| lateness());
    let mut seen = Vec::new();
    for (latest, worst) in runs {
        seen.push((latest, worst));
        if latest < worst + Duration::from_millis(5) {
            return;
        }
    }
    panic!("adverts, and a control thread, were late by {seen:?}");
}

/// The latest advert of a virtual router at 10 ms while every core is busy for four seconds, and the
/// latest wake-up of a control thread: both wake up by the same clock at the same priority.
fn lateness() -> (Duration, Duration) {
    let rig = Rig::new("busy");
    let mut ours = rig.routers("a", &many(1, "0.01"));
    wait_for("ours to be master", Duration::from_secs(2), || {
        rig.has("a", "10.99.1.1")
    });
    let stop = Arc::new(AtomicBool::new(false));
    let cores = thread::available_parallelism().unwrap().get();
    let mut busy = Vec::new();
    for _core in 0..cores * 2 {
        let stop = Arc::clone(&stop);
        busy.push(thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        }));
    }
    let stopped = Arc::clone(&stop);
    let controlled = thread::spawn(move || control(&stopped));
    thread::sleep(Duration::from_secs(4));
    stop.store(true, Ordering::Relaxed);
    let worst = controlled.join().unwrap();
    for one in busy {
        one.join().unwrap();
    }
    let latest = duration(&numbers(&mut ours, "greatest_lateness")[0]);
    let sent: u64 = numbers(&mut ours, "sent")[0].parse().unwrap();
    eprintln!("{sent} adverts, the latest {latest:?} late; a control thread: {worst:?}");
    assert!(sent > 350, "{sent}");
    (latest, worst)
}

/// How long processor time is counted.
const COUNTED: Duration = Duration::from_secs(8);

/// What processes take of a core within [`COUNTED`], in hundredths.
fn percent(pids: &[u32]) -> f64 {
    let ticks = || -> u64 { pids.iter().map(|pid| cpu_ticks(*pid)).sum() };
    let (before, begin) = (ticks(), Instant::now());
    thread::sleep(COUNTED);
    let taken = ticks() - before;
    f64::from(u32::try_from(taken).unwrap()) / begin.elapsed().as_secs_f64()
}

/// Ours as master of 250 virtual routers at 0.1 s.
fn ours() -> f64 {
    let rig = Rig::new("many");
    let mut ours = rig.routers("a", &many(250, "0.1"));
    wait_for("all to be master", Duration::from_secs(20), || {
        ours.told()
            .iter()
            .filter(|line| line.contains("MASTER STATE"))
            .count()
            == 250
    });
    // Announcements once more after five seconds are over then.
    thread::sleep(Duration::from_secs(6));
    let sent = |ours: &mut Routers| -> u64 {
        let each = numbers(ours, "sent");
        assert_eq!(each.len(), 250);
        each.iter().map(|one| one.parse::<u64>().unwrap()).sum()
    };
    let before = sent(&mut ours);
    let percent = percent(&[ours.pid()]);
    let sent = sent(&mut ours) - before;
    // 2,500 a second.
    assert!(sent > 2_400 * COUNTED.as_secs(), "{sent}");
    percent
}

/// keepalived as master of the same; parent and child.
fn theirs() -> f64 {
    let rig = Rig::new("many");
    let keepalived = rig.keepalived("a", &many(250, "0.1"));
    wait_for("all to be master", Duration::from_secs(20), || {
        keepalived.log().matches("Entering MASTER STATE").count() == 250
    });
    thread::sleep(Duration::from_secs(6));
    let parent = keepalived.pid();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
    let begin = Instant::now();
    let percent = percent(&[parent].into_iter().chain(children).collect::<Vec<_>>());
    let sent = rig.adverts("a", begin).len();
    assert!(
        sent > 2_400 * usize::try_from(COUNTED.as_secs()).unwrap(),
        "{sent}"
    );
    percent
}

#[test]
fn root_250_virtual_routers_cost_no_more_than_those_of_keepalived() {
    if !can_run(true) {
        return;
    }
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let (ours, theirs) = (ours(), theirs());
    eprintln!("250 virtual routers at 0.1 s: ours {ours:.1} % of a core, keepalived {theirs:.1} %");
    // A build without optimisation takes more.
    let bound = if cfg!(debug_assertions) {
        theirs * 6.0
    } else {
        theirs
    };
    assert!(ours <= bound, "{ours} of {bound}");
}
