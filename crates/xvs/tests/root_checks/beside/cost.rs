//! What many checks cost, and whether they are on time.

use std::{
    collections::HashMap,
    fs,
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, SystemTime},
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
    let (count, window) = if all() { (1_000, 20) } else { (100, 3) };
    let rig = Rig::new();
    rig.servers.start(Ipv4Addr::UNSPECIFIED);
    let text = configuration(100, &addresses(count), SECOND, "5");
    // One after the other: each has the machine as the other has.
    let shares = Who::BOTH.map(|who| {
        let daemon = rig.start(who, &text);
        thread::sleep(Duration::from_secs(4));
        rig.servers.take_visits();
        let before = used(&daemon);
        thread::sleep(Duration::from_secs(window));
        let used = used(&daemon) - before;
        let visits = rig.servers.take_visits().len();
        let share = used.as_secs_f64() / Duration::from_secs(window).as_secs_f64() * 100.0;
        eprintln!(
            "{count} checks at 1 s: {:10} {share:.2} % of a core, {visits} checks in {window} s, \
             {:.1} us a check (load {})",
            who.name(),
            used.as_secs_f64() * 1e6 / f64::from(u32::try_from(visits).unwrap()),
            load()
        );
        share
    });
    let [keepalived, xvs] = shares;
    // A debug build is another matter.
    if !cfg!(debug_assertions) {
        assert!(xvs <= keepalived.max(4.4), "{xvs} % against {keepalived} %");
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

/// The CPU time of a daemon and its children, in user mode and in the kernel.
fn used(daemon: &Running) -> Duration {
    let ticks: u64 = daemon
        .processes()
        .iter()
        .map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            let fields: Vec<&str> = fields.split(' ').collect();
            // utime and stime are the 14th and 15th field, the third stands behind the name.
            let ticks = |place: usize| fields[place - 3].parse::<u64>().unwrap();
            ticks(14) + ticks(15)
        })
        .sum();
    // Linux tells 100 ticks a second to everybody (USER_HZ).
    Duration::from_millis(ticks * 10)
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
