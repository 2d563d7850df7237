//! From the death of a real server to its removal.
//!
//! What is measured from the death on has the phase of the checks in it, which is chance. What is measured
//! from the last check that succeeded has not: there both should take just what the settings say.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    all, can_run, load,
    rig::{Rig, Running, Who, configuration},
    servers::Visit,
};

/// One set of settings.
struct Case {
    name: &'static str,
    /// Of the virtual server.
    settings: &'static str,
    /// Of the check, in seconds.
    connect_timeout: &'static str,
    /// It falls silent; else its host answers with RST.
    silent: bool,
    /// It is part of the sample.
    daily: bool,
    /// What the settings say, from the last success to the removal.
    due: Duration,
}

const CASES: [Case; 5] = [
    Case {
        name: "RST, delay_loop 0.2, delay_before_retry 0.1",
        settings: " delay_loop 0.2\n delay_before_retry 0.1\n",
        connect_timeout: "1",
        silent: false,
        daily: true,
        due: Duration::from_millis(300),
    },
    Case {
        name: "RST, delay_loop 1",
        settings: " delay_loop 1\n",
        connect_timeout: "5",
        silent: false,
        daily: false,
        due: Duration::from_secs(2),
    },
    Case {
        name: "RST, delay_loop 2, retry 3",
        settings: " delay_loop 2\n retry 3\n",
        connect_timeout: "5",
        silent: false,
        daily: false,
        due: Duration::from_secs(5),
    },
    Case {
        name: "silent, delay_loop 1, connect_timeout 1",
        settings: " delay_loop 1\n",
        connect_timeout: "1",
        silent: true,
        daily: true,
        due: Duration::from_secs(4),
    },
    Case {
        name: "silent, defaults",
        settings: "",
        connect_timeout: "5",
        silent: true,
        daily: false,
        due: Duration::from_secs(17),
    },
];

/// How long a removal may take beyond what is due, and a return.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn root_a_dead_real_server_leaves_no_later_than_with_keepalived() {
    if !can_run() {
        return;
    }
    // By how much the median of xvs may be above that of keepalived, from the last success on: what a busy
    // machine adds to the one or the other. The sample runs beside other tests.
    let (count, rounds, slack) = if all() {
        (20, 3, Duration::from_millis(50))
    } else {
        (5, 1, Duration::from_millis(500))
    };
    let rig = Rig::new();
    let chosen: Vec<&Case> = CASES.iter().filter(|case| all() || case.daily).collect();
    let mut text = String::new();
    let mut groups = Vec::new();
    for (number, case) in (0_u8..).zip(&chosen) {
        let addresses: Vec<Ipv4Addr> = (1..=count)
            .map(|last| Ipv4Addr::new(10, 9, number, last))
            .collect();
        for address in &addresses {
            rig.servers.start(*address);
        }
        text.push_str(&configuration(
            100 + number,
            &addresses,
            case.settings,
            case.connect_timeout,
        ));
        groups.push(addresses);
    }
    let daemons = Who::BOTH.map(|who| rig.start(who, &text));
    // The first result is final without a retry; deaths come after it.
    thread::sleep(Duration::from_secs(3) + first_delay(&chosen));
    let mut visits = Vec::new();
    for (case, addresses) in chosen.iter().zip(&groups) {
        let mut figures = [Figures::default(), Figures::default()];
        for _ in 0..rounds {
            round(&rig, &daemons, case, addresses, &mut visits, &mut figures);
        }
        println_case(case, &mut figures);
        let [keepalived, xvs] = &figures;
        let (theirs, ours) = (median(&keepalived.from_success), median(&xvs.from_success));
        assert!(
            ours <= theirs + slack,
            "{}: {ours:?} against {theirs:?}",
            case.name
        );
        assert!(ours + Duration::from_millis(20) >= case.due, "too early");
    }
}

/// A check of the slowest case has run after this.
fn first_delay(cases: &[&Case]) -> Duration {
    if cases.iter().any(|case| case.settings.is_empty()) {
        Duration::from_secs(6)
    } else {
        Duration::from_secs(1)
    }
}

/// What was measured of one of the two.
#[derive(Default)]
struct Figures {
    from_death: Vec<Duration>,
    from_success: Vec<Duration>,
}

/// Kills all, at moments that have nothing to do with the checks, and brings all back.
fn round(
    rig: &Rig,
    daemons: &[Running; 2],
    case: &Case,
    addresses: &[Ipv4Addr],
    visits: &mut Vec<Visit>,
    figures: &mut [Figures; 2],
) {
    let mut deaths = Vec::new();
    for address in addresses {
        deaths.push((*address, SystemTime::now()));
        if case.silent {
            rig.field.ip(&format!("rule add blackhole from {address}"));
        } else {
            rig.servers.kill(*address);
        }
        thread::sleep(Duration::from_millis(37));
    }
    thread::sleep(case.due);
    for (daemon, figures) in daemons.iter().zip(figures.iter_mut()) {
        for (address, died) in &deaths {
            let removed = wait_for(daemon, "removal", || daemon.removed(*address, *died));
            visits.extend(rig.servers.take_visits());
            figures
                .from_death
                .push(removed.duration_since(*died).unwrap());
            let success = last_success(visits, daemon.who(), *address, *died);
            figures
                .from_success
                .push(removed.duration_since(success).unwrap());
        }
    }
    let back = SystemTime::now();
    for address in addresses {
        if case.silent {
            rig.field.ip(&format!("rule del blackhole from {address}"));
        } else {
            rig.servers.start(*address);
        }
    }
    for daemon in daemons {
        for address in addresses {
            wait_for(daemon, "return", || daemon.came_back(*address, back));
        }
    }
}

fn wait_for(
    daemon: &Running,
    what: &str,
    mut seen: impl FnMut() -> Option<SystemTime>,
) -> SystemTime {
    let began = Instant::now();
    loop {
        if let Some(at) = seen() {
            return at;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "no {what} by {} in time; it did\n{}",
            daemon.who().name(),
            daemon.did()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// A check that connected when the server was about to die has succeeded as well.
fn last_success(visits: &[Visit], who: Who, to: Ipv4Addr, died: SystemTime) -> SystemTime {
    let of_this = visits
        .iter()
        .filter(|visit| visit.from == who.address() && visit.to == to);
    let before = of_this.filter(|visit| visit.at <= died + Duration::from_millis(5));
    before.map(|visit| visit.at).max().unwrap()
}

fn median(values: &[Duration]) -> Duration {
    let mut values = values.to_vec();
    values.sort();
    values[values.len() / 2]
}

fn println_case(case: &Case, figures: &mut [Figures; 2]) {
    eprintln!("{} (load {})", case.name, load());
    for (who, figures) in Who::BOTH.iter().zip(figures) {
        let line = |what: &str, values: &[Duration]| {
            let (least, most) = (values.iter().min().unwrap(), values.iter().max().unwrap());
            eprintln!(
                "  {:10} {what:17} min {:7.3}  median {:7.3}  max {:7.3} s  (n={})",
                who.name(),
                least.as_secs_f64(),
                median(values).as_secs_f64(),
                most.as_secs_f64(),
                values.len()
            );
        };
        line("from death", &figures.from_death);
        line("from last success", &figures.from_success);
    }
}
