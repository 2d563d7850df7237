//! What many checks cost, and whether they are on time.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    all, can_run, load,
    rig::{Rig, Running, Who, configuration},
    servers::Visit,
};

/// The interval of all checks here.
const SECOND: &str = " delay_loop 1\n";

#[test]
fn root_many_checks_cost_no_more_than_with_keepalived() {
    if !can_run() {
        return;
    }
    let (count, rounds) = if all() { (1_000, 40) } else { (100, 2) };
    let rig = Rig::new();
    rig.servers.start(Ipv4Addr::UNSPECIFIED);
    let text = configuration(100, &addresses(count), SECOND, "5");
    // Both at once: whatever the machine does beside, it does to both.
    let daemons = Who::BOTH.map(|who| rig.start(who, &text));
    thread::sleep(Duration::from_secs(4));
    rig.servers.take_visits();
    let mut shares = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let before = daemons.each_ref().map(used);
        let began = Instant::now();
        thread::sleep(Duration::from_secs(2));
        let took = began.elapsed().as_secs_f64();
        for ((daemon, before), shares) in daemons.iter().zip(before).zip(&mut shares) {
            shares.push(used(daemon).saturating_sub(before).as_secs_f64() / took * 100.0);
        }
    }
    let visits = rig.servers.take_visits();
    let medians = [0, 1].map(|one| {
        let (who, shares) = (Who::BOTH[one], &mut shares[one]);
        shares.sort_by(f64::total_cmp);
        let median = shares[shares.len() / 2];
        let came = visits.iter().filter(|visit| visit.from == who.address());
        let came = came.count();
        let due = usize::from(count) * rounds * 2;
        assert!(
            came * 2 > due,
            "{}: {came} checks of {due}",
            who.name()
        );
        eprintln!(
            "{count} checks at 1 s: {:10} {median:.2} % of a core ({:.2} to {:.2} in {rounds} rounds of 2 s), \
             {} checks (load {})",
            who.name(),
            shares[0],
            shares[shares.len() - 1],
            came,
            load()
        );
        median
    });
    let [keepalived, xvs] = medians;
    // A debug build is another matter.
    if !cfg!(debug_assertions) {
        assert!(xvs <= keepalived, "{xvs} % against {keepalived} %");
    }
}

#[test]
fn root_great_numbers_of_checks_run_on_time() {
    if !can_run() {
        return;
    }
    // A check is late a tenth of its interval after it; the sample runs beside other tests.
    let (count, window, late) = if all() {
        (10_000, 30, Duration::from_millis(100))
    } else {
        (200, 3, Duration::from_secs(1))
    };
    let rig = Rig::new();
    rig.servers.start(Ipv4Addr::UNSPECIFIED);
    let addresses = addresses(count);
    let daemon = rig.start(Who::Xvs, &configuration(100, &addresses, SECOND, "5"));
    thread::sleep(Duration::from_secs(5));
    rig.servers.take_visits();
    let (before, began) = (used(&daemon), SystemTime::now());
    thread::sleep(Duration::from_secs(window));
    let (used, ended) = (used(&daemon) - before, SystemTime::now());
    let visits = rig.servers.take_visits();
    let gaps = gaps(&visits, began, ended);
    assert_eq!(
        gaps.len(),
        addresses.len(),
        "some real servers saw no check"
    );
    let late = gaps
        .values()
        .filter(|gap| **gap > Duration::from_secs(1) + late)
        .count();
    let most = gaps.values().max().unwrap();
    let own = rig.latest_start_ms();
    eprintln!(
        "{count} checks at 1 s: {} in {window} s; longest gap at a server {most:?}, {late} servers saw a \
         late one; latest start by xvs itself {own} ms; {:.1} % of a core (load {})",
        visits.len(),
        used.as_secs_f64() / Duration::from_secs(window).as_secs_f64() * 100.0,
        load()
    );
    assert_eq!(late, 0, "longest gap {most:?}");
}

fn addresses(count: u16) -> Vec<Ipv4Addr> {
    let address = |number: u16| {
        let [third, fourth] = number.to_be_bytes();
        Ipv4Addr::new(10, 9, third, fourth)
    };
    // Neither the first nor the last of the prefix.
    (1..=count).map(address).collect()
}

/// The CPU time of a daemon and its children, in user mode and in the kernel, threads that ended included.
fn used(daemon: &Running) -> Duration {
    let processes = daemon.processes();
    let clocks = processes.iter().map(|pid| {
        let mut clock = 0;
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: both write into what they are given.
        let read = unsafe {
            libc::clock_getcpuclockid(i32::try_from(*pid).unwrap(), &raw mut clock) == 0
                && libc::clock_gettime(clock, &raw mut time) == 0
        };
        assert!(read, "no CPU clock of process {pid}");
        Duration::new(
            u64::try_from(time.tv_sec).unwrap(),
            u32::try_from(time.tv_nsec).unwrap(),
        )
    });
    clocks.sum()
}

/// The longest time without a check at each real server.
fn gaps(visits: &[Visit], began: SystemTime, ended: SystemTime) -> HashMap<IpAddr, Duration> {
    let mut last: HashMap<IpAddr, (SystemTime, Duration)> = HashMap::new();
    for visit in visits {
        let (at, gap) = last.entry(visit.to).or_insert((began, Duration::ZERO));
        *gap = (*gap).max(visit.at.duration_since(*at).unwrap_or_default());
        *at = visit.at;
    }
    last.into_iter()
        .map(|(to, (at, gap))| (to, gap.max(ended.duration_since(at).unwrap_or_default())))
        .collect()
}
