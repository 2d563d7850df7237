//! What hangs holds up nobody else, and what is great stalls nothing.
//!
//! `XVS_CHECKS_SCALE` sets how many virtual servers the great file has; `make checks-scale` takes 3,000
//! with 40,000 real servers, in a release build.

use std::{
    env,
    fmt::Write,
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use crate::{
    bed::Bed,
    support::{can_run, wait_until},
};

/// What people wait for: a check of the whole file, an answer while it is reloaded.
const STALL: Duration = Duration::from_secs(2);
/// A sample for every day.
const VIRTUAL_SERVERS: usize = 100;

#[test]
fn root_a_program_that_never_ends_holds_up_no_other_check() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("");
    let program = bed.other("hang", "#!/bin/sh\nsleep 1000\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut text = "global_defs {\n script_user root\n}\n".to_owned();
    for number in 1..=20 {
        write!(
            text,
            "virtual_server 192.0.2.{number} 81 {{\n delay_loop 0.2\n lb_kind NAT\n protocol TCP\n \
             real_server 127.0.0.1 9001 {{\n MISC_CHECK {{\n misc_path {}\n misc_timeout 60\n }}\n }}\n}}\n",
            program.display()
        )
        .unwrap();
    }
    text.push_str(
        "virtual_server 192.0.2.1 80 {\n delay_loop 0.2\n delay_before_retry 0.1\n lb_kind NAT\n \
         protocol TCP\n real_server 127.0.0.1 9002 {\n TCP_CHECK {\n }\n }\n}\n",
    );
    bed.write(&text);
    let server = bed.server("127.0.0.1:9002");
    let daemon = bed.daemon();
    wait_until("all programs run", || {
        bed.status("/checks/running").as_u64() >= Some(20) && bed.status("/checks/runs") != 0
    });
    drop(server);
    let alive = "/checks/virtual_servers/20/real_servers/0/alive";
    let died = Instant::now();
    wait_until("its removal", || bed.status(alive) == false);
    assert!(died.elapsed() < Duration::from_secs(3));
    // The programs are killed with the daemon, and it does not wait for them.
    let ending = Instant::now();
    assert_eq!(daemon.terminate().0, Some(0));
    assert!(ending.elapsed() < Duration::from_secs(5));
}

fn great(virtual_servers: usize, weight: u32) -> String {
    let mut text = String::new();
    for number in 0..virtual_servers {
        let (third, fourth) = (number / 250, number % 250 + 1);
        write!(
            text,
            "virtual_server 10.9.{third}.{fourth} 80 {{\n delay_loop 10\n lb_kind NAT\n protocol TCP\n"
        )
        .unwrap();
        // 40,000 behind 3,000.
        for server in 0..13 + usize::from(number % 3 == 0) {
            write!(
                text,
                " real_server 127.0.{third}.{fourth} {} {{\n weight {weight}\n TCP_CHECK {{\n connect_timeout 1\n }}\n }}\n",
                9000 + server
            )
            .unwrap();
        }
        text.push_str("}\n");
    }
    text
}

#[test]
fn root_a_great_file_is_reloaded_and_the_daemon_answers_meanwhile() {
    if !can_run() {
        return;
    }
    let count =
        env::var("XVS_CHECKS_SCALE").map_or(VIRTUAL_SERVERS, |count| count.parse().unwrap());
    let bed = Bed::new(&great(count, 1));
    let began = Instant::now();
    bed.place.done(&["check", bed.file().to_str().unwrap()]);
    let checked = began.elapsed();
    eprintln!("{count} virtual servers: checked in {checked:?}");
    assert!(checked < STALL, "{checked:?}");
    let began = Instant::now();
    let mut daemon = bed.daemon_in_silence();
    eprintln!("started in {:?}", began.elapsed());
    bed.write(&great(count, 2));
    let mut reload = bed.place.command(&["reload"]).spawn().unwrap();
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    while reload.try_wait().unwrap().is_none() {
        let asked = Instant::now();
        bed.place.done(&["hook", "show"]);
        slowest = slowest.max(asked.elapsed());
    }
    assert!(reload.wait().unwrap().success());
    eprintln!(
        "reloaded in {:?}, the slowest answer meanwhile after {slowest:?}",
        began.elapsed()
    );
    assert!(slowest < STALL, "{slowest:?}");
    let weight = bed.status("/checks/virtual_servers/0/real_servers/0/weight");
    assert_eq!(weight, 2);
    eprintln!(
        "latest start of a check: {} ms late",
        bed.status("/checks/latest_start_ms")
    );
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.wait().0, Some(0));
}
