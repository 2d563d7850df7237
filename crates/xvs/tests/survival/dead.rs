//! A daemon that stays dead while connections come and go, and what expires when.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    bed::{Bed, NAT, WEBS, can_run, setting, wait_until},
    kills::{configure, targets},
    traffic::{Churn, ECHO, Steady, connect, exchange, reset, serve},
};

#[test]
fn root_without_a_daemon_the_table_does_not_fill_and_counts_stay_right() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("dead", false);
    bed.webs.iter().for_each(serve);
    let arguments = ["--connections", "1024"];
    let daemon = bed.daemon(&arguments);
    configure(&bed);
    let steady = Steady::start(&bed.client, &targets(), 10);
    wait_until("the connections", || bed.counts().0 == 20);
    daemon.kill();
    let seconds = setting("XVS_SURVIVAL_SECONDS", 20);
    let churn = Churn::start(&bed.client, &targets(), Duration::from_millis(2));
    thread::sleep(Duration::from_secs(seconds));
    let opened = churn.finish();
    // What was reset last is noted as closed by now.
    thread::sleep(Duration::from_millis(200));
    let _daemon = bed.daemon(&arguments);
    let (active, inactive) = bed.counts();
    let status = bed.status();
    eprintln!(
        "{seconds} s without a daemon: {opened} connections opened, none failed; then {active} \
         active, {inactive} inactive; table {}, events {}, drops {}",
        status["table_v4"], status["events"], status["drops"]
    );
    assert!(opened > 4_000, "{opened} connections do not fill the table");
    assert_eq!(active, 20);
    bed.assert_counts_agree("after the restart");
    // What was reset stays for the 10 s of CLOSE, and is swept within a second or two.
    wait_until("the end of the closed ones", || bed.counts() == (20, 0));
    let lived = steady.finish();
    assert_eq!(lived.lost, 0, "packets were lost: {lived:?}");
}

#[test]
fn root_entries_expire_in_time_and_nothing_is_left_of_them() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("expiry", false);
    bed.webs.iter().for_each(serve);
    let _daemon = bed.daemon(&["--connections", "1024"]);
    configure(&bed);
    // Established for 4 s, half closed for 2 s; closed stays at 10 s.
    bed.done("ipvsadm --set 4 2 3");
    let [nat, dr] = targets();
    let mut idle: Vec<_> = [nat, dr]
        .iter()
        .flat_map(|target| std::iter::repeat_n(*target, 50))
        .map(|target| {
            let mut stream = connect(&bed.client, target).unwrap();
            exchange(&mut stream, 1).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(bed.counts().0, 100);
    bed.assert_counts_agree("while they are open");
    wait_until("the end of the idle ones", || bed.counts() == (0, 0));
    let took = begun.elapsed();
    eprintln!("idle connections were gone after {took:?}, for a timeout of 4 s");
    assert!((3..=7).contains(&took.as_secs()), "{took:?}");
    idle.drain(..).for_each(reset);
    // Thousands that come and go, by RST; then deletion of everything.
    let churn = Churn::start(&bed.client, &[nat, dr], Duration::ZERO);
    thread::sleep(Duration::from_secs(5));
    let opened = churn.finish();
    thread::sleep(Duration::from_millis(200));
    bed.assert_counts_agree("after the churn");
    let begun = Instant::now();
    wait_until("the end of the closed ones", || bed.counts() == (0, 0));
    eprintln!(
        "{opened} connections; the last was gone {:?} after its RST, for a timeout of 10 s",
        begun.elapsed()
    );
    assert!(begun.elapsed() < Duration::from_secs(13));
    assert_eq!(bed.connections(), 0);
    // Slots come back: more real servers than there is room for, one after the other.
    for round in 0..40 {
        let web = WEBS[round % 2];
        bed.done(&format!(
            "ipvsadm -a -t {NAT}:{ECHO} -r 10.2.0.{}:{ECHO} -m",
            50 + round
        ));
        bed.done(&format!(
            "ipvsadm -d -t {NAT}:{ECHO} -r 10.2.0.{}:{ECHO}",
            50 + round
        ));
        bed.done(&format!(
            "ipvsadm -e -t {NAT}:{ECHO} -r {web}:{ECHO} -m -w {}",
            round + 1
        ));
    }
    wait_until("the next hops of servers that are gone", || {
        let output = bed.director.run("ip", &["neigh", "show", "dev", "eth1"]);
        let listing = String::from_utf8(output.unwrap().stdout).unwrap();
        listing
            .lines()
            .filter(|line| line.contains("managed"))
            .count()
            <= 3
    });
}
